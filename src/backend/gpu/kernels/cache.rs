//! What moves stored rows: compaction, copies side by side, and what is done to rows when they are read: rotation of keys by
//! their slots, rounding.

use bytemuck::{Pod, Zeroable};

use super::{
    Heads, RopeTable, Stored,
    shaders::{GATHER, KEEP, ROUNDED, TURN},
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, SlotsAt},
    },
    kernels::RopeStyle,
};

/// Only the listed slots of a layer are kept.
pub(crate) struct Keep<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    pub slots: SlotsAt,
    pub kept: ListsAt,
    /// In place of lists: all are kept but the slots from one number to another.
    pub gone: Option<[u32; 2]>,
    /// Words of the score columns' slot 0 of KV head 0.
    pub columns: [Option<u32>; 2],
    /// Word of the new count of KV head 0.
    pub new_count: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct KeepParams {
    slots: SlotsAt,
    kept: ListsAt,
    columns: [u32; 4],
    kv: [u32; 2],
    words: u32,
    new_count: u32,
    gone: [u32; 2],
}

impl Keep<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer) -> Result<()> {
        let words = self.stored.words(self.heads);
        let [a, b] = self.columns.map(|column| column.unwrap_or(u32::MAX));
        let params = KeepParams {
            slots: self.slots,
            kept: if self.gone.is_some() { ListsAt::zeroed() } else { self.kept },
            columns: [a, b, u32::MAX, u32::MAX],
            kv: [self.stored.rows.first, self.stored.rows.stride],
            words,
            new_count: self.new_count,
            gone: self.gone.unwrap_or_default(),
        };
        let kernel = burst.device().kernel(&KEEP, &[])?;
        let groups = [words.div_ceil(8), self.heads.kv, 1];
        burst.dispatch(&kernel, &params, &[memory, self.stored.k, self.stored.v], groups)
    }
}

/// Listed rows of a layer side by side.
pub(crate) struct Gather<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    pub lists: ListsAt,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct GatherParams {
    lists: ListsAt,
    kv: [u32; 2],
    kv_heads: u32,
    words: u32,
    stride: u32,
}

impl Gather<'_> {
    /// Records it into keys and values that have as many rows a KV head as a list may have entries.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, into: [&Buffer; 2]) -> Result<()> {
        let (words, most) = (self.stored.words(self.heads), self.lists.most);
        let params = GatherParams {
            lists: self.lists,
            kv: [self.stored.rows.first, self.stored.rows.stride],
            kv_heads: self.heads.kv,
            words,
            stride: most,
        };
        let kernel = burst.device().kernel(&GATHER, &[])?;
        let [keys, values] = into;
        let buffers = [memory, self.stored.k, self.stored.v, keys, values];
        burst.dispatch(&kernel, &params, &buffers, [(most * words).div_ceil(64), self.heads.kv, 1])
    }
}

/// Stored keys rotated by their slots.
pub(crate) struct Turn<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    pub rope: &'a RopeTable,
    /// Slots that any KV head has.
    pub slots: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TurnParams {
    kv: [u32; 2],
    dim: u32,
    rotated: u32,
    halves: u32,
    slots: u32,
}

impl Turn<'_> {
    /// Records it into `turned`, where every row has the place it has among the keys.
    pub fn record(&self, burst: &mut Burst, turned: &Buffer) -> Result<()> {
        let params = TurnParams {
            kv: [self.stored.rows.first, self.stored.rows.stride],
            dim: self.heads.dim,
            rotated: self.rope.rotated,
            halves: u32::from(self.rope.style == RopeStyle::Halves),
            slots: self.slots,
        };
        let kernel = burst.device().kernel(&TURN, &[self.stored.is_f32()])?;
        let groups = [(self.slots * self.heads.dim / 2).div_ceil(64), self.heads.kv, 1];
        burst.dispatch(&kernel, &params, &[self.stored.k, &self.rope.table, turned], groups)
    }
}

/// Keys and values of a layer rounded to `2^bits` steps a row.
pub(crate) struct RoundRows<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    /// Slots that any KV head has.
    pub slots: u32,
    pub bits: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct RoundParams {
    kv: [u32; 2],
    pairs: u32,
    slots: u32,
    most: f32,
}

impl RoundRows<'_> {
    /// Records it into keys and values `[KV heads, slots, dim]` of f32.
    pub fn record(&self, burst: &mut Burst, [keys, values]: [&Buffer; 2]) -> Result<()> {
        let Stored { k, v, rows, .. } = self.stored;
        let most = ((1_u32 << self.bits.min(24)) - 1) as f32;
        let params = RoundParams { kv: [rows.first, rows.stride], pairs: self.heads.dim / 2, slots: self.slots, most };
        let kernel = burst.device().kernel(&ROUNDED, &[self.stored.is_f32()])?;
        burst.dispatch(&kernel, &params, &[k, v, keys, values], [self.slots.div_ceil(64), self.heads.kv, 1])
    }
}
