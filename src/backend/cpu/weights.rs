//! The numbers of a model on the CPU.

use crate::{Error, Result, kernels::Matrix, ops::Weight};

/// The numbers of a model, shared by every session on it.
#[derive(Default)]
pub struct Weights {
    /// Matrices and norms, in the order of the model's [`Weight`] handles.
    pub list: Vec<WeightData>,
}

/// One weight.
pub enum WeightData {
    /// A matrix.
    Matrix(Matrix),
    /// A norm's vector.
    Vector(Vec<f32>),
}

impl Weights {
    /// Bytes of all weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = |w: &WeightData| match w {
            WeightData::Matrix(m) => m.bytes(),
            WeightData::Vector(v) => size_of_val(v.as_slice()),
        };
        self.list.iter().map(each).sum()
    }

    pub(super) fn matrix(&self, w: Weight) -> Result<&Matrix> {
        match self.list.get(w.0 as usize) {
            Some(WeightData::Matrix(m)) => Ok(m),
            _ => Err(Error::State("the back end has no matrix at this handle")),
        }
    }

    pub(super) fn vector(&self, w: Weight) -> Result<&[f32]> {
        match self.list.get(w.0 as usize) {
            Some(WeightData::Vector(v)) => Ok(v),
            _ => Err(Error::State("the back end has no norm at this handle")),
        }
    }
}
