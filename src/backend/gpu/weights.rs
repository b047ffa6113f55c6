//! A model's weights on a device, shared by the sessions on it.

use std::{cell::OnceCell, collections::HashMap, sync::Arc};

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

/// Stacks by the handle of their first matrix.
type Products = HashMap<u32, Vec<Part>>;

/// The weights of a model. Matrices that are always used together are stacked, so that one dispatch has them.
pub struct DeviceWeights {
    products: Products,
    /// Of the feed-forward matrices, gate and up together and down, and their narrower copies, made at first need.
    feed_forward: Vec<[Weight; 3]>,
    narrow: OnceCell<Products>,
    /// The embedding table, where it is the output matrix too.
    table: Option<Weight>,
    /// All norms, one behind the other, and where each begins.
    pub(super) norms: Buffer,
    norm_at: HashMap<u32, u32>,
    /// The same in main memory; rows of the embedding table are taken from there.
    pub(super) host: Arc<Weights>,
}

/// Adds a stack of these matrices.
fn put(device: &Device, into: &mut Products, first: Weight, matrices: &[&Matrix]) -> Result<()> {
    let alike = |a: &&Matrix, b: &&Matrix| a.layout() == b.layout() && a.rows().is_multiple_of(8);
    let (mut parts, mut rows) = (Vec::new(), 0);
    for run in matrices.chunk_by(alike) {
        let stack = Stack::upload(device, run)?;
        rows += stack.rows();
        parts.push(Part { first: rows - stack.rows(), stack });
    }
    into.insert(first.0, parts);
    Ok(())
}

/// Adds gate and up, and down.
fn put_feed_forward(device: &Device, into: &mut Products, at: [Weight; 3], matrices: [&Matrix; 3]) -> Result<()> {
    put(device, into, at[0], &matrices[..2])?;
    if into[&at[0].0].len() != 1 {
        let got = "gate and up in different layouts".to_owned();
        return Err(Error::Unsupported { what: "weights on a GPU", got, supported: "one layout".to_owned() });
    }
    put(device, into, at[2], &matrices[2..])
}

impl DeviceWeights {
    /// Moves a model's weights to a device.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when gate and up matrices are stored in different layouts, [`Error::Memory`],
    /// [`Error::Gpu`].
    pub fn upload(device: &Device, model: &Model, host: &Arc<Weights>) -> Result<DeviceWeights> {
        let mut products = Products::new();
        let feed_forward: Vec<_> = model.layers.iter().map(|layer| [layer.gate, layer.up, layer.down]).collect();
        for (layer, at) in model.layers.iter().zip(&feed_forward) {
            let qkv = layer.qkv.iter().map(|&w| host.matrix(w)).collect::<Result<Vec<_>>>()?;
            put(device, &mut products, layer.qkv[0], &qkv)?;
            put(device, &mut products, layer.output, &[host.matrix(layer.output)?])?;
            let [gate, up, down] = *at;
            let matrices = [host.matrix(gate)?, host.matrix(up)?, host.matrix(down)?];
            put_feed_forward(device, &mut products, *at, matrices)?;
        }
        put(device, &mut products, model.head, &[host.matrix(model.head)?])?;
        let (mut norms, mut norm_at) = (Vec::new(), HashMap::new());
        for (weight, at) in host.list.iter().zip(0..) {
            if let WeightData::Vector(vector) = weight {
                norm_at.insert(at, norms.len() as u32);
                norms.extend_from_slice(vector);
            }
        }
        let (norms, narrow, host) = (device.upload("norms", &norms)?, OnceCell::new(), Arc::clone(host));
        let table = Some(model.embedding).filter(|table| *table == model.head);
        Ok(DeviceWeights { products, feed_forward, narrow, table, norms, norm_at, host })
    }

    /// Moves the narrower copies to the device, if there are any and they are not there.
    pub(super) fn narrow(&self, device: &Device) -> Result<()> {
        if self.narrow.get().is_some() || self.host.narrow.get().is_none() {
            return Ok(());
        }
        let mut copies = Products::new();
        for at in &self.feed_forward {
            let [gate, up, down] = *at;
            let matrices = [self.host.narrowed(gate)?, self.host.narrowed(up)?, self.host.narrowed(down)?];
            put_feed_forward(device, &mut copies, *at, matrices)?;
        }
        // Nobody else sets it: weights stay on their thread.
        self.narrow.get_or_init(|| copies);
        Ok(())
    }

    /// The stacks of the product that begins with matrix `w`, or of its narrower copy where there is one.
    pub(super) fn product(&self, w: Weight, narrow: bool) -> Result<&[Part]> {
        let copy = self.narrow.get().filter(|_| narrow).and_then(|copies| copies.get(&w.0));
        let parts = copy.or_else(|| self.products.get(&w.0));
        parts.map(Vec::as_slice).ok_or(Error::State("the device has no matrix at this handle"))
    }

    /// The embedding table, if the device has it.
    pub(super) fn table(&self) -> Option<&Stack> {
        match self.product(self.table?, false) {
            Ok([part]) => Some(&part.stack),
            _ => None,
        }
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
