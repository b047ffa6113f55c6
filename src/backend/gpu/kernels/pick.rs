//! Tokens of logits.

use bytemuck::{Pod, Zeroable};

use super::shaders::PICK;
use crate::{
    Result,
    backend::gpu::device::{Buffer, Burst},
    kernels::Pick,
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    columns: u32,
    top_k: u32,
    temperature: f32,
    top_p: f32,
    draw: f32,
    first: u32,
}

/// Records that a token is picked of each row of `logits`, `[rows, columns]`: its id, and 1 if all of the row are finite, as
/// tokens `first..` of `picked`.
///
/// # Errors
/// From the device.
pub fn record_pick(
    burst: &mut Burst,
    how: Pick,
    [rows, columns]: [u32; 2],
    logits: &Buffer,
    picked: &Buffer,
    first: u32,
) -> Result<()> {
    let Pick { temperature, top_k, top_p, draw } = how;
    let params = Params { columns, top_k, temperature, top_p, draw, first };
    let kernel = burst.device().kernel(&PICK, &[u32::from(temperature > 0.0)])?;
    burst.dispatch(&kernel, &params, &[logits, picked], [rows, 1, 1])
}
