//! What a sparse read missed.

use bytemuck::{Pod, Zeroable};

use super::{Heads, shaders::SHADOW};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, SlotsAt, TableAt},
    },
};

/// A sparse read of a pass of one row beside full attention of the same.
pub(crate) struct Shadow<'a> {
    pub heads: Heads,
    pub slots: SlotsAt,
    /// What was read; `None`: of all slots the newest `window`.
    pub lists: Option<ListsAt>,
    pub window: u32,
    /// Scores of full attention, so many numbers from a query head to the next.
    pub scores: &'a Buffer,
    pub stride: u32,
    /// Log-sum-exps and output of full attention, and the sparse read's output.
    pub lse: &'a Buffer,
    pub full: &'a Buffer,
    pub output: &'a Buffer,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    missed: TableAt,
    lists: ListsAt,
    heads: u32,
    stride: u32,
    window: u32,
    slots: u32,
    kv_heads: u32,
    dim: u32,
}

impl Shadow<'_> {
    /// Records it into a table `[query heads, 2]`: recall and error.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, missed: TableAt) -> Result<()> {
        let params = Params {
            missed,
            lists: self.lists.unwrap_or_else(ListsAt::zeroed),
            heads: self.heads.query,
            stride: self.stride,
            window: self.window,
            slots: self.slots.count,
            kv_heads: self.heads.kv,
            dim: self.heads.dim,
        };
        let kernel = burst.device().kernel(&SHADOW, &[])?;
        let buffers = [memory, self.scores, self.lse, self.full, self.output];
        burst.dispatch(&kernel, &params, &buffers, [self.heads.query, 1, 1])
    }
}
