//! Places in an order, how many columns cover a share, and places that groups compete for.

use bytemuck::{Pod, Zeroable};

use super::{
    shaders::{COVER, PLACE_WIDE, SPREAD},
    steps::PLACE,
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, TableAt},
    },
    ops::Pins,
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PlaceParams {
    first: TableAt,
    then: TableAt,
    lists: ListsAt,
    places: TableAt,
}

/// Comparisons that an invocation of a step makes: a workgroup that worked for long would hold up the whole device, and
/// software adapters end all loops of a kernel after some ten thousand turns.
const FEW: u32 = 1 << 13;
/// Invocations of a step.
const LANES: u32 = 256;

impl PlaceParams {
    /// Records it: as a step, unless the columns, each of which is `compared` with so many, are too many for one workgroup.
    fn record(&self, burst: &mut Burst, memory: &Buffer, op: u32, columns: u32, compared: u32) -> Result<()> {
        let groups = self.places.groups();
        if columns.div_ceil(LANES).saturating_mul(compared) <= FEW {
            return burst.step((&PLACE, op), self, memory, &[], [groups, columns]);
        }
        let kernel = burst.device().kernel(&PLACE_WIDE, &[op])?;
        burst.dispatch(&kernel, self, &[memory], [columns.div_ceil(64), groups, 1])
    }
}

/// Records the place of every column of a group, of at most `columns`, when ordered by `first`, then by `then`.
pub(crate) fn rank(
    burst: &mut Burst,
    memory: &Buffer,
    keys: [Option<TableAt>; 2],
    places: TableAt,
    columns: u32,
) -> Result<()> {
    let [first, then] = keys.map(|key| key.unwrap_or_else(TableAt::zeroed));
    let params = PlaceParams { first, then, places, ..PlaceParams::zeroed() };
    params.record(burst, memory, 0, columns, columns)
}

/// Records minus the best place of every column, of at most `columns`, in any group's order of those it lists, of which there
/// are at most `longest`.
pub(crate) fn best_place(
    burst: &mut Burst,
    memory: &Buffer,
    scores: TableAt,
    lists: ListsAt,
    places: TableAt,
    columns: u32,
    longest: u32,
) -> Result<()> {
    let params = PlaceParams { first: scores, lists, places, ..PlaceParams::zeroed() };
    params.record(burst, memory, 1, columns, scores.groups().saturating_mul(longest))
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct CoverParams {
    scores: TableAt,
    counts: TableAt,
    share: u32,
    shift: u32,
}

/// Records how many of each group's best columns have more than a share of its sum.
pub(crate) fn cover(burst: &mut Burst, memory: &Buffer, scores: TableAt, counts: TableAt, share: f32) -> Result<()> {
    let kernel = burst.device().kernel(&COVER, &[])?;
    // As the whole number it is of a power of two; more than all is all.
    let bits = share.clamp(0.0, 1.0).to_bits();
    let (share, shift) = match (bits >> 23, bits & 0x7f_ffff) {
        _ if share.is_nan() => (0, 150),
        (0, rest) => (rest, 149),
        (exponent, rest) => (rest | 0x80_0000, 150 - exponent),
    };
    burst.dispatch(&kernel, &CoverParams { scores, counts, share, shift }, &[memory], [scores.groups(), 1, 1])
}

/// Places that groups compete for: their free columns in one row, `width` from a group's first to the next group's.
pub(crate) struct Competition {
    pub scores: TableAt,
    pub joined: TableAt,
    pub width: u32,
    pub pins: Pins,
    /// Places of an even part, and the share of it that every group gets.
    pub base: u32,
    pub floor: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SpreadParams {
    scores: TableAt,
    tops: ListsAt,
    joined: TableAt,
    winners: ListsAt,
    counts: TableAt,
    sinks: u32,
    recent: u32,
    width: u32,
    base: u32,
    floor: f32,
}

impl Competition {
    fn params(&self) -> SpreadParams {
        SpreadParams {
            scores: self.scores,
            joined: self.joined,
            sinks: self.pins.sinks,
            recent: self.pins.recent,
            width: self.width,
            base: self.base,
            floor: self.floor,
            ..SpreadParams::zeroed()
        }
    }

    /// Records the row; a group's columns weigh as much as the share that those of `tops` have of its sum.
    pub fn join(&self, burst: &mut Burst, memory: &Buffer, tops: Option<ListsAt>) -> Result<()> {
        let params = SpreadParams { tops: tops.unwrap_or_else(ListsAt::zeroed), ..self.params() };
        let kernel = burst.device().kernel(&SPREAD, &[0])?;
        burst.dispatch(&kernel, &params, &[memory], [self.scores.groups(), 1, 1])
    }

    /// Records how many columns each group takes, pins included, given the row's winners.
    pub fn won(&self, burst: &mut Burst, memory: &Buffer, winners: ListsAt, counts: TableAt) -> Result<()> {
        let params = SpreadParams { winners, counts, ..self.params() };
        let kernel = burst.device().kernel(&SPREAD, &[1])?;
        burst.dispatch(&kernel, &params, &[memory], [self.scores.groups(), 1, 1])
    }
}
