//! Tables changed where they are, and tables made of others column by column.

use bytemuck::{Pod, Zeroable};

use super::{
    Heads, Stored,
    shaders::KEY_NORMS,
    steps::{CHANGE, DERIVE},
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{SlotsAt, TableAt},
    },
    ops::{Fresh, Pooling, Reduce},
};

/// What becomes of a table by KV head.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    Fill(Fresh),
    /// Decays, then the other table is added.
    Accumulate(TableAt, f32),
    /// Gets a value where the other table is not 0.
    Stamp(TableAt, f32),
    Halve,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ChangeParams {
    changed: TableAt,
    source: TableAt,
    slots: SlotsAt,
    value: u32,
}

impl Change {
    /// Records it for a table of the layer that has these slots, at most `most` columns.
    pub fn record(self, burst: &mut Burst, memory: &Buffer, changed: TableAt, slots: SlotsAt, most: u32) -> Result<()> {
        let (op, source, value) = match self {
            Change::Fill(Fresh::Value(value)) => (0, changed, value),
            Change::Fill(Fresh::Position) => (1, changed, 0.0),
            Change::Accumulate(source, decay) => (2, source, decay),
            Change::Stamp(at, value) => (3, at, value),
            Change::Halve => (4, changed, 0.0),
            Change::Fill(Fresh::Random) => (5, changed, 0.0),
        };
        let params = ChangeParams { changed, source, slots, value: value.to_bits() };
        burst.step((&CHANGE, op), &params, memory, &[], [changed.groups(), most])
    }
}

/// What a table is made of another by.
#[derive(Clone, Copy)]
pub(crate) enum Derive {
    Regroup(Reduce),
    /// 1 where a score is at least this share of an even part, but 0 in the newest so many.
    Used(f32, u32),
    /// Divided by the queries that could see a slot, of the newest so many.
    PerQuery(u32),
    /// Over so many columns, without the newest.
    Pool(Pooling, u32, u32),
    Tilt(f32),
    /// Sums of so many consecutive columns.
    Block(u32),
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct DeriveParams {
    source: TableAt,
    result: TableAt,
    number: f32,
    count: u32,
    newest: u32,
}

impl Derive {
    /// Records it; the result has at most `most` columns.
    pub fn record(self, burst: &mut Burst, memory: &Buffer, source: TableAt, result: TableAt, most: u32) -> Result<()> {
        let (op, number, count, newest) = match self {
            Derive::Regroup(Reduce::Sum) => (0, 0.0, 0, 0),
            Derive::Regroup(Reduce::Mean) => (1, 0.0, 0, 0),
            Derive::Regroup(Reduce::Max) => (2, 0.0, 0, 0),
            Derive::Used(share, fresh) => (3, share, 0, fresh),
            Derive::PerQuery(rows) => (4, 0.0, rows, 0),
            Derive::Pool(Pooling::Mean, kernel, recent) => (5, 0.0, kernel, recent),
            Derive::Pool(Pooling::Max, kernel, recent) => (6, 0.0, kernel, recent),
            Derive::Tilt(rate) => (7, rate, 0, 0),
            Derive::Block(size) => (8, 0.0, size, 0),
        };
        let params = DeriveParams { source, result, number, count, newest };
        burst.step((&DERIVE, op), &params, memory, &[], [result.groups(), most])
    }
}

/// Minus the norms of a layer's keys.
pub(crate) struct KeyNorms<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    /// Slots that any KV head has.
    pub slots: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct NormsParams {
    norms: TableAt,
    kv: [u32; 2],
    pairs: u32,
}

impl KeyNorms<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, norms: TableAt) -> Result<()> {
        let Stored { k, rows, .. } = self.stored;
        let params = NormsParams { norms, kv: [rows.first, rows.stride], pairs: self.heads.dim / 2 };
        let kernel = burst.device().kernel(&KEY_NORMS, &[self.stored.is_f32()])?;
        burst.dispatch(&kernel, &params, &[memory, k], [self.slots.div_ceil(64), self.heads.kv, 1])
    }
}
