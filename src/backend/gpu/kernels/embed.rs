//! Embeddings of tokens that were picked on the device.

use bytemuck::{Pod, Zeroable};

use super::{Stack, shaders::EMBED};
use crate::{
    Result,
    backend::gpu::device::{Buffer, Burst},
};

/// Which tokens, and where to.
#[derive(Clone, Copy)]
pub struct Embed {
    /// Number of the first among those that were picked.
    pub first: u32,
    /// How many.
    pub rows: u32,
    /// Number where the first one's row begins.
    pub x_first: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    cols: u32,
    first_picked: u32,
    x_first: u32,
}

impl Embed {
    /// Records that their rows of `table` are written to `x`.
    ///
    /// # Errors
    /// From the device.
    pub fn record(self, burst: &mut Burst, picked: &Buffer, table: &Stack, x: &Buffer) -> Result<()> {
        let params = Params { cols: table.cols, first_picked: self.first, x_first: self.x_first };
        let kernel = burst.device().kernel(&EMBED, &[table.layout()])?;
        burst.dispatch(&kernel, &params, &[picked, &table.weights, &table.scales, x], [self.rows, 1, 1])
    }
}
