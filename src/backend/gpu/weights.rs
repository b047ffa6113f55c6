//! A model's weights on a device, shared by the sessions on it.

use std::{collections::HashMap, sync::Arc};

use super::{
    device::{Buffer, Device},
    kernels::Stack,
};
use crate::{
    Error, Result,
    backend::{WeightData, Weights},
    kernels::Matrix,
    model::Model,
    ops::Weight,
};

/// A stack of matrices, and the column of the product where its rows begin.
pub(super) struct Part {
    pub stack: Stack,
    pub first: u32,
}

/// The weights of a model. Matrices that are always used together are stacked, so that one dispatch has them.
pub struct DeviceWeights {
    /// By the handle of the first matrix.
    products: HashMap<u32, Vec<Part>>,
    /// All norms, one behind the other, and where each begins.
    pub(super) norms: Buffer,
    norm_at: HashMap<u32, u32>,
    /// The same in main memory; rows of the embedding table are taken from there.
    pub(super) host: Arc<Weights>,
}

impl DeviceWeights {
    /// Moves a model's weights to a device.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when gate and up matrices are stored in different layouts, [`Error::Memory`],
    /// [`Error::Gpu`].
    pub fn upload(device: &Device, model: &Model, host: &Arc<Weights>) -> Result<DeviceWeights> {
        let mut products = HashMap::new();
        let mut put = |together: &[Weight]| -> Result<usize> {
            let matrices = together.iter().map(|&w| host.matrix(w)).collect::<Result<Vec<_>>>()?;
            let alike = |a: &&Matrix, b: &&Matrix| a.layout() == b.layout() && a.rows().is_multiple_of(8);
            let (mut parts, mut first) = (Vec::new(), 0);
            for run in matrices.chunk_by(alike) {
                let stack = Stack::upload(device, run)?;
                first += stack.rows();
                parts.push(Part { first: first - stack.rows(), stack });
            }
            let count = parts.len();
            products.insert(together[0].0, parts);
            Ok(count)
        };
        for layer in &model.layers {
            put(&layer.qkv)?;
            put(&[layer.output])?;
            if put(&[layer.gate, layer.up])? != 1 {
                let got = "gate and up in different layouts".to_owned();
                return Err(Error::Unsupported { what: "weights on a GPU", got, supported: "one layout".to_owned() });
            }
            put(&[layer.down])?;
        }
        put(&[model.head])?;
        let (mut norms, mut norm_at) = (Vec::new(), HashMap::new());
        for (weight, at) in host.list.iter().zip(0..) {
            if let WeightData::Vector(vector) = weight {
                norm_at.insert(at, norms.len() as u32);
                norms.extend_from_slice(vector);
            }
        }
        Ok(DeviceWeights { products, norms: device.upload("norms", &norms)?, norm_at, host: Arc::clone(host) })
    }

    /// The stacks of the product that begins with matrix `w`.
    pub(super) fn product(&self, w: Weight) -> Result<&[Part]> {
        self.products.get(&w.0).map(Vec::as_slice).ok_or(Error::State("the device has no matrix at this handle"))
    }

    /// Number where a norm begins.
    pub(super) fn norm(&self, w: Weight) -> Result<u32> {
        self.norm_at.get(&w.0).copied().ok_or(Error::State("the device has no norm at this handle"))
    }

    /// The embedding of a token.
    pub(super) fn embedding(&self, table: Weight, id: u32, row: &mut [f32]) -> Result<()> {
        self.host.matrix(table)?.row(id as usize, row);
        Ok(())
    }

    /// Width of the residual stream.
    pub(super) fn width(&self, table: Weight) -> Result<usize> {
        Ok(self.host.matrix(table)?.cols())
    }
}
