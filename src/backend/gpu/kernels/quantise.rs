//! Rows into two 4-bit planes.

use bytemuck::{Pod, Zeroable};

use super::{Heads, PlaneBuffers, Stored, shaders::QUANTISE};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::TableAt,
    },
};

/// Whole groups of rows of a layer, from slot `first` on, which become what both planes say of them.
pub(crate) struct Quantise<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    pub planes: PlaneBuffers<'a>,
    pub first: u32,
    pub groups: u32,
    /// What is lost, `[1, KV heads * groups * 6]`, where somebody wants to know.
    pub noise: Option<TableAt>,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    noise: TableAt,
    kv: [u32; 2],
    kv_heads: u32,
    first: u32,
    tokens: u32,
    channels: u32,
    codes: [u32; 2],
    lower: u32,
    key_grids: [u32; 2],
    value_grids: [u32; 2],
    groups: u32,
}

impl Quantise<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer) -> Result<()> {
        let planes = &self.planes;
        let params = Params {
            noise: self.noise.unwrap_or_else(TableAt::zeroed),
            kv: [self.stored.rows.first, self.stored.rows.stride],
            kv_heads: self.heads.kv,
            first: self.first,
            tokens: planes.tokens,
            channels: planes.channels,
            codes: [planes.rows.first, planes.rows.stride],
            lower: planes.lower,
            key_grids: [planes.key_grids.first, planes.key_grids.stride],
            value_grids: [planes.value_grids.first, planes.value_grids.stride],
            groups: self.groups,
        };
        let kernel = burst.device().kernel(&QUANTISE, &[self.heads.dim, self.stored.is_f32()])?;
        let buffers = [memory, self.stored.k, self.stored.v, planes.k, planes.v, planes.grids];
        burst.dispatch(&kernel, &params, &buffers, [self.groups, self.heads.kv, 1])
    }
}
