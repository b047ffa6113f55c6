//! Estimates from a pass's queries and the stored keys.

use bytemuck::{Pod, Zeroable};

use super::{
    Heads, Stored,
    shaders::{BLOCK_MEANS, BLOCK_SCORES, PAGE_SCORES, PROBE},
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{SlotsAt, TableAt},
    },
};

/// Queries and the keys they look at.
#[derive(Clone, Copy)]
pub(crate) struct Looks<'a> {
    pub heads: Heads,
    /// `[rows of the pass, query heads, dim]`
    pub q: &'a Buffer,
    /// Of which only keys are read.
    pub stored: Stored<'a>,
    /// Slots that any KV head has.
    pub slots: u32,
}

/// Where the newest rows look, given their log-sum-exps.
pub(crate) struct Probe<'a> {
    pub looks: Looks<'a>,
    pub lse: &'a Buffer,
    /// Newest rows of the pass, and the number where their queries begin.
    pub rows: u32,
    pub q_first: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ProbeParams {
    vertical: TableAt,
    slash: TableAt,
    kv: [u32; 2],
    kv_heads: u32,
    heads: u32,
    rows: u32,
    q_first: u32,
    scale: f32,
}

impl Probe<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, out: [TableAt; 2]) -> Result<()> {
        let Looks { heads, q, stored, slots } = self.looks;
        let Stored { k, rows, .. } = stored;
        let params = ProbeParams {
            vertical: out[0],
            slash: out[1],
            kv: [rows.first, rows.stride],
            kv_heads: heads.kv,
            heads: heads.query,
            rows: self.rows,
            q_first: self.q_first,
            scale: heads.scale(),
        };
        let kernel = burst.device().kernel(&PROBE, &[heads.dim, stored.is_f32()])?;
        burst.dispatch(&kernel, &params, &[memory, q, k, self.lse], [slots.div_ceil(64), heads.query, 1])
    }
}

/// Softmax over key blocks of mean queries with mean keys.
pub(crate) struct BlockScores<'a> {
    pub looks: Looks<'a>,
    /// Room for the means of all heads.
    pub means: &'a Buffer,
    pub size: u32,
    /// Rows of the pass, and where the first block of queries begins.
    pub rows: u32,
    pub first_row: u32,
    pub query_blocks: u32,
    /// A block of queries sees the blocks of keys up to its own, not all.
    pub causal: bool,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MeansParams {
    kv: [u32; 2],
    kv_heads: u32,
    heads: u32,
    words: u32,
    size: u32,
    slots: u32,
    blocks: u32,
    rows: u32,
    first_row: u32,
    query_blocks: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct BlockParams {
    result: TableAt,
    kv_heads: u32,
    heads: u32,
    words: u32,
    blocks: u32,
    query_blocks: u32,
    causal: u32,
    scale: f32,
}

impl BlockScores<'_> {
    fn blocks(&self) -> u32 {
        self.looks.slots.div_ceil(self.size)
    }

    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, result: TableAt) -> Result<()> {
        let Looks { heads, q, stored, slots } = self.looks;
        let Stored { k, rows, .. } = stored;
        let (blocks, words) = (self.blocks(), heads.dim / 2);
        let means = MeansParams {
            kv: [rows.first, rows.stride],
            kv_heads: heads.kv,
            heads: heads.query,
            words,
            size: self.size,
            slots,
            blocks,
            rows: self.rows,
            first_row: self.first_row,
            query_blocks: self.query_blocks,
        };
        let kernel = burst.device().kernel(&BLOCK_MEANS, &[stored.is_f32()])?;
        let groups = [(blocks.max(self.query_blocks) * words).div_ceil(64), heads.kv + heads.query, 1];
        burst.dispatch(&kernel, &means, &[q, k, self.means], groups)?;
        let params = BlockParams {
            result,
            kv_heads: heads.kv,
            heads: heads.query,
            words,
            blocks,
            query_blocks: self.query_blocks,
            causal: self.causal.into(),
            scale: heads.scale(),
        };
        let kernel = burst.device().kernel(&BLOCK_SCORES, &[])?;
        burst.dispatch(&kernel, &params, &[memory, self.means], [self.query_blocks, heads.query, 1])
    }
}

/// The most a key of each page could score.
pub(crate) struct PageScores<'a> {
    pub looks: Looks<'a>,
    pub counts: SlotsAt,
    /// Slots of a page, and those that are in none.
    pub page: u32,
    pub newest: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PageParams {
    result: TableAt,
    slots: SlotsAt,
    kv: [u32; 2],
    heads: u32,
    words: u32,
    page: u32,
    newest: u32,
}

impl PageScores<'_> {
    /// Pages of the longest head.
    pub fn pages(&self) -> u32 {
        self.looks.slots.saturating_sub(self.newest).div_ceil(self.page)
    }

    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, result: TableAt) -> Result<()> {
        let Looks { heads, q, stored, .. } = self.looks;
        let Stored { k, rows, .. } = stored;
        let words = heads.dim / 2;
        let params = PageParams {
            result,
            slots: self.counts,
            kv: [rows.first, rows.stride],
            heads: heads.query,
            words,
            page: self.page,
            newest: self.newest,
        };
        let kernel = burst.device().kernel(&PAGE_SCORES, &[stored.is_f32()])?;
        let groups = [self.pages().div_ceil(64 / words), heads.kv, 1];
        burst.dispatch(&kernel, &params, &[memory, q, k], groups)
    }
}
