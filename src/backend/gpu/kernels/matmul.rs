//! Weights on the device and products with them.

use bytemuck::{Pod, Zeroable};

use super::shaders::MATMUL;
use crate::{
    Error, Result,
    backend::gpu::device::{Buffer, Burst, Device},
    kernels::{BLOCK, LANES, Layout, Matrix, Store},
};

/// Matrices of the same layout and width, one below the other, so that one dispatch can have them all: Q, K and V; gate
/// and up.
pub struct Stack {
    layout: Layout,
    rows: u32,
    pub(super) cols: u32,
    /// Codes or floats, as [`Matrix`] has them.
    pub(super) weights: Buffer,
    /// Scales, of [`Layout::Q4`] scales and minima.
    pub(super) scales: Buffer,
}

impl Stack {
    /// Moves matrices to the device.
    ///
    /// # Errors
    /// [`Error::Shape`] when layouts or widths differ, or one that is not the last has rows beyond a multiple of 8; those
    /// of [`Device::buffer`].
    pub fn upload(device: &Device, matrices: &[&Matrix]) -> Result<Stack> {
        let alike = |pair: &[&Matrix]| {
            let [a, b] = [pair[0], pair[1]];
            a.layout() == b.layout() && a.cols() == b.cols() && a.rows().is_multiple_of(LANES)
        };
        let (Some(first), true) = (matrices.first(), matrices.windows(2).all(alike)) else {
            let got = matrices.iter().map(|m| format!("{:?} [{}, {}]", m.layout(), m.rows(), m.cols())).collect();
            let want = "matrices of one layout and width, rows in multiples of 8".to_owned();
            return Err(Error::Shape { op: "weights", want, got });
        };
        let (mut weights, mut scales): (Vec<u8>, Vec<u8>) = Default::default();
        for matrix in matrices {
            match &matrix.store {
                Store::Half(columns) => weights.extend_from_slice(bytemuck::cast_slice(columns)),
                Store::Single(columns) => weights.extend_from_slice(bytemuck::cast_slice(columns)),
                Store::Q8 { scale, words } => {
                    scales.extend_from_slice(bytemuck::cast_slice(scale));
                    weights.extend_from_slice(bytemuck::cast_slice(words));
                }
                Store::Q4 { affine, words } => {
                    scales.extend_from_slice(bytemuck::cast_slice(affine));
                    weights.extend_from_slice(bytemuck::cast_slice(words));
                }
            }
        }
        Ok(Stack {
            layout: first.layout(),
            rows: matrices.iter().map(|matrix| matrix.rows() as u32).sum(),
            cols: first.cols() as u32,
            weights: device.upload("weights", &weights)?,
            scales: device.upload("scales", &scales)?,
        })
    }

    /// Rows of all together.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The layout as `kernels/weights.wgsl` numbers it.
    pub(super) fn layout(&self) -> u32 {
        match self.layout {
            Layout::Half => 0,
            Layout::Single => 1,
            Layout::Q8 => 2,
            Layout::Q4 => 3,
        }
    }

    /// Words of eight rows: of their weights, and of their scales.
    fn group_words(&self) -> [u32; 2] {
        let blocks = self.cols.div_ceil(BLOCK as u32);
        let [weights, scales] = match self.layout {
            Layout::Half => [128, 0],
            Layout::Single => [256, 0],
            Layout::Q8 => [64, 4],
            Layout::Q4 => [32, 8],
        };
        [blocks * weights, blocks * scales]
    }
}

/// What becomes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is the output.
    Store,
    /// It is added to the output.
    Add,
    /// The first half of the rows is a gate, the second goes through it: `silu(gate) * up`.
    Gate,
}

/// A normalisation of the activations before the product.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// Weights.
    pub weights: &'a Buffer,
    /// Number where those of this norm begin.
    pub first: u32,
    /// Epsilon.
    pub eps: f32,
}

/// `out = x * transpose(w)`; nothing is rounded.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// Activations, `[rows, cols]`.
    pub x: &'a Buffer,
    /// Number where row 0 begins.
    pub x_first: u32,
    /// Rows.
    pub rows: u32,
    /// Normalised before.
    pub norm: Option<Norm<'a>>,
    /// Weights.
    pub w: &'a Stack,
    /// Then.
    pub ending: Ending,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    outputs: u32,
    x_first: u32,
    norm_first: u32,
    weights_first: u32,
    scales_first: u32,
    up: [u32; 2],
    out_first: u32,
    out_stride: u32,
    eps: f32,
}

impl Product<'_> {
    /// Records it into `out` `[rows, outputs]`, whose row 0 begins at number `first`; rows are `stride` numbers apart,
    /// at least as many as there are outputs.
    ///
    /// # Errors
    /// [`Error::Shape`] when parts do not fit together.
    pub fn record(&self, burst: &mut Burst, out: &Buffer, first: u32, stride: Option<u32>) -> Result<()> {
        let w = self.w;
        let gated = self.ending == Ending::Gate;
        let outputs = if gated { w.rows / 2 } else { w.rows };
        let stride = stride.unwrap_or(outputs);
        let needs = |first: u32, width: u32| u64::from(first) + u64::from(self.rows) * u64::from(width);
        let gap = stride.saturating_sub(outputs);
        let out_ends = needs(first, stride).saturating_sub(gap.into());
        let norm_ends = self.norm.is_none_or(|norm| needs(norm.first, 0) + u64::from(w.cols) <= norm.weights.words());
        let halves = !gated || w.rows.is_multiple_of(2 * LANES as u32);
        if needs(self.x_first, w.cols) > self.x.words() || out_ends > out.words() || !norm_ends || !halves {
            let want = format!("{} rows of {} times [{}, {}]", self.rows, w.cols, w.rows, w.cols);
            return Err(Error::Shape { op: "matmul", want, got: "shorter buffers, or half a matrix".to_owned() });
        }
        let groups = outputs.div_ceil(LANES as u32);
        let params = Params {
            rows: self.rows,
            cols: w.cols,
            outputs,
            x_first: self.x_first,
            norm_first: self.norm.map_or(u32::MAX, |norm| norm.first),
            weights_first: 0,
            scales_first: 0,
            up: w.group_words().map(|words| words * groups),
            out_first: first,
            out_stride: stride,
            eps: self.norm.map_or(0.0, |norm| norm.eps),
        };
        let tile = match self.rows {
            0 | 1 => 1,
            2..=4 => 4,
            _ => 8,
        };
        let kernel = burst.device().kernel(&MATMUL, &[tile, w.layout(), self.ending as u32])?;
        let nothing = burst.device().nothing.clone();
        let norms = self.norm.map_or(&nothing, |norm| norm.weights);
        burst.dispatch(
            &kernel,
            &params,
            &[self.x, norms, &w.weights, &w.scales, out],
            [groups, self.rows.div_ceil(tile), 1],
        )
    }
}
