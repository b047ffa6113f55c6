//! Lists made by a rule, and what is made of lists number by number.

use bytemuck::{Pod, Zeroable};

use super::{
    shaders::LISTED,
    steps::{LISTING, MARK},
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, SlotsAt, TableAt},
    },
};

/// Which numbers are listed; numbered as in the shader.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Slots but those of a range.
    Except(u32, u32),
    /// Slots but those at positions of a range.
    Outside(u32, u32),
    /// What is in either.
    Either(ListsAt, ListsAt),
    /// What is in any list of the group.
    OfGroup(ListsAt),
    /// Slots at these positions; where there are none, the newest.
    AtPositions(ListsAt),
    /// Slots of these pages of `size`, at most `most`, and the newest `recent`, which are in no page.
    Expand { pages: ListsAt, size: u32, most: u32, recent: u32 },
    /// The first where the score is below the cut, else the second.
    Choose { scores: TableAt, cut: f32, yes: ListsAt, no: ListsAt },
    /// Pairs of `blocks` blocks, of vertical and slash lines.
    Pairs { vertical: ListsAt, slash: ListsAt, blocks: u32 },
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    slots: SlotsAt,
    first: ListsAt,
    second: ListsAt,
    scores: TableAt,
    lists: ListsAt,
    limit: u32,
    low: u32,
    high: u32,
    size: u32,
    most: u32,
    recent: u32,
    blocks: u32,
    cut: f32,
}

impl Rule {
    /// Records the lists of numbers below `limit`, or of a layer's slots.
    pub fn record(self, burst: &mut Burst, memory: &Buffer, slots: SlotsAt, limit: u32, lists: ListsAt) -> Result<()> {
        let mut params = Params { slots, lists, limit, size: 1, most: u32::MAX, ..Params::zeroed() };
        let op = match self {
            Rule::Except(low, high) => {
                (params.low, params.high) = (low, high);
                0
            }
            Rule::Outside(low, high) => {
                (params.low, params.high) = (low, high);
                1
            }
            Rule::Either(a, b) => {
                (params.first, params.second) = (a, b);
                2
            }
            Rule::OfGroup(a) => {
                params.first = a;
                3
            }
            Rule::AtPositions(a) => {
                params.first = a;
                4
            }
            Rule::Expand { pages, size, most, recent } => {
                (params.first, params.size, params.most, params.recent) = (pages, size.max(1), most, recent);
                5
            }
            Rule::Choose { scores, cut, yes, no } => {
                (params.scores, params.cut, params.first, params.second) = (scores, cut, yes, no);
                6
            }
            Rule::Pairs { vertical, slash, blocks } => {
                (params.first, params.second, params.blocks) = (vertical, slash, blocks.max(1));
                7
            }
        };
        burst.step((&LISTING, op), &params, memory, &[], [lists.groups, limit])
    }
}

/// Numbers a dispatch brings, in fours.
const FOURS: usize = 13;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ListedParams {
    list: ListsAt,
    numbers: [[u32; 4]; FOURS],
    first: u32,
    count: u32,
    length: u32,
}

/// Records a list of given numbers, with what is before it and so without a submission of its own.
pub(crate) fn listed(burst: &mut Burst, memory: &Buffer, list: ListsAt, numbers: &[u32]) -> Result<()> {
    let kernel = burst.device().kernel(&LISTED, &[])?;
    let mut first = 0;
    loop {
        let count = (numbers.len() - first).min(4 * FOURS);
        let mut params = ListedParams {
            list,
            first: first as u32,
            count: count as u32,
            length: numbers.len() as u32,
            ..Zeroable::zeroed()
        };
        params.numbers.as_flattened_mut()[..count].copy_from_slice(&numbers[first..first + count]);
        burst.dispatch(&kernel, &params, &[memory], [1, 1, 1])?;
        first += count;
        if first == numbers.len() {
            return Ok(());
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MarkParams {
    slots: SlotsAt,
    lists: ListsAt,
    table: TableAt,
    positions: ListsAt,
    inside: u32,
    outside: u32,
}

/// Records a table of at most `columns` columns with one value for those that are listed and another for all others.
pub(crate) fn mark(
    burst: &mut Burst,
    memory: &Buffer,
    lists: ListsAt,
    table: TableAt,
    columns: u32,
    [inside, outside]: [f32; 2],
) -> Result<()> {
    let params =
        MarkParams { lists, table, inside: inside.to_bits(), outside: outside.to_bits(), ..MarkParams::zeroed() };
    burst.step((&MARK, 0), &params, memory, &[], [lists.groups, columns])
}

/// Records the positions of listed slots.
pub(crate) fn positions(
    burst: &mut Burst,
    memory: &Buffer,
    slots: SlotsAt,
    lists: ListsAt,
    positions: ListsAt,
) -> Result<()> {
    let params = MarkParams { slots, lists, positions, ..MarkParams::zeroed() };
    burst.step((&MARK, 1), &params, memory, &[], [lists.groups, lists.most])
}
