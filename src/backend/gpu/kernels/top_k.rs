//! The best columns of a table.

use bytemuck::{Pod, Zeroable};

use super::steps::TOP_K;
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, TableAt},
    },
    ops::Pins,
};

/// How scores and pins are taken.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// Plus infinity always, minus infinity never.
    Usual,
    /// As numbers like others.
    Plain,
    /// The same, and pins are neither counted nor listed.
    Free,
}

/// How many columns a group takes: `(count + extra) / unit`, at least `least`, at most `most`; without counts `most`.
pub(crate) struct TopK {
    pub scores: TableAt,
    pub counts: Option<TableAt>,
    pub extra: i32,
    pub unit: u32,
    pub least: u32,
    pub most: u32,
    pub pins: Pins,
    pub mode: Mode,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    scores: TableAt,
    counts: TableAt,
    lists: ListsAt,
    sinks: u32,
    recent: u32,
    extra: i32,
    unit: u32,
    least: u32,
    most: u32,
    mode: u32,
}

impl TopK {
    /// So many of every group.
    pub fn of(scores: TableAt, most: u32, pins: Pins) -> TopK {
        TopK { scores, counts: None, extra: 0, unit: 1, least: 0, most, pins, mode: Mode::Usual }
    }

    /// Records it; a group of `lists` is of the group of the scores that it shares.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, lists: ListsAt) -> Result<()> {
        let params = Params {
            scores: self.scores,
            counts: self.counts.unwrap_or_else(TableAt::zeroed),
            lists,
            sinks: self.pins.sinks,
            recent: self.pins.recent,
            extra: self.extra,
            unit: self.unit.max(1),
            least: self.least,
            most: self.most,
            mode: self.mode as u32,
        };
        burst.step((&TOP_K, 0), &params, memory, &[], [lists.groups, lists.most])
    }
}
