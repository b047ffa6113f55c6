//! The numbers of a model on the CPU.

use crate::{Error, Result, kernels::Matrix, ops::Weight};
use std::sync::OnceLock;

/// The numbers of a model, shared by every session on it.
#[derive(Default)]
pub struct Weights {
    /// Matrices and norms, in the order of the model's [`Weight`] handles.
    pub list: Vec<WeightData>,
    /// Narrower copies of some matrices, by the same handles; made at first need.
    pub narrow: OnceLock<Vec<Option<Matrix>>>,
}

/// One weight.
pub enum WeightData {
    /// A matrix.
    Matrix(Matrix),
    /// A norm's vector.
    Vector(Vec<f32>),
}

impl Weights {
    /// Bytes of all weights, copies included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = |w: &WeightData| match w {
            WeightData::Matrix(m) => m.bytes(),
            WeightData::Vector(v) => size_of_val(v.as_slice()),
        };
        let copies = self.narrow.get().into_iter().flatten().flatten().map(Matrix::bytes);
        self.list.iter().map(each).chain(copies).sum()
    }

    pub(crate) fn matrix(&self, w: Weight) -> Result<&Matrix> {
        match self.list.get(w.0 as usize) {
            Some(WeightData::Matrix(m)) => Ok(m),
            _ => Err(Error::State("the back end has no matrix at this handle")),
        }
    }

    /// The narrower copy, if there is one; else the matrix.
    pub(crate) fn narrowed(&self, w: Weight) -> Result<&Matrix> {
        let copy = self.narrow.get().and_then(|copies| copies.get(w.0 as usize));
        copy.and_then(Option::as_ref).map_or_else(|| self.matrix(w), Ok)
    }

    pub(super) fn vector(&self, w: Weight) -> Result<&[f32]> {
        match self.list.get(w.0 as usize) {
            Some(WeightData::Vector(v)) => Ok(v),
            _ => Err(Error::State("the back end has no norm at this handle")),
        }
    }
}
