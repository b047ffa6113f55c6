//! What is known of tokens besides their ids: pictures and rounds.

use bytemuck::{Pod, Zeroable};

use super::shaders::{BY_ROUND, TAGGED};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, SlotsAt, TableAt},
    },
};

/// Tags by original position.
#[derive(Clone, Copy)]
pub(crate) struct TagWords<'a> {
    /// A word a position: the round, and in the upper half the picture.
    pub words: &'a Buffer,
    /// How many there are, the round of all behind them, and that of the pass's newest row.
    pub known: u32,
    pub last_round: u32,
    pub newest: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TagsAt {
    known: u32,
    last_round: u32,
    newest: u32,
    unused: u32,
}

impl TagWords<'_> {
    fn at(&self) -> TagsAt {
        TagsAt { known: self.known, last_round: self.last_round, newest: self.newest, unused: 0 }
    }
}

/// Which slots get the value `inside`, the others `outside`.
#[derive(Clone, Copy)]
pub(crate) struct Tagged<'a> {
    pub tags: TagWords<'a>,
    pub slots: SlotsAt,
    /// Those of these rounds and the newest; `None`: of pictures.
    pub rounds: Option<ListsAt>,
    pub inside: f32,
    pub outside: f32,
    /// Slots that any KV head has.
    pub most: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct TaggedParams {
    result: TableAt,
    slots: SlotsAt,
    listed: ListsAt,
    tags: TagsAt,
    inside: u32,
    outside: u32,
}

impl Tagged<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, result: TableAt) -> Result<()> {
        let params = TaggedParams {
            result,
            slots: self.slots,
            listed: self.rounds.unwrap_or_else(ListsAt::zeroed),
            tags: self.tags.at(),
            inside: self.inside.to_bits(),
            outside: self.outside.to_bits(),
        };
        let kernel = burst.device().kernel(&TAGGED, &[self.rounds.is_some().into()])?;
        let groups = [self.most.div_ceil(64), self.slots.heads, 1];
        burst.dispatch(&kernel, &params, &[memory, self.tags.words], groups)
    }
}

/// Sums over the slots of each round before the newest.
#[derive(Clone, Copy)]
pub(crate) struct ByRound<'a> {
    pub tags: TagWords<'a>,
    pub slots: SlotsAt,
    pub scores: TableAt,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ByRoundParams {
    scores: TableAt,
    result: TableAt,
    slots: SlotsAt,
    tags: TagsAt,
}

impl ByRound<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, result: TableAt) -> Result<()> {
        let params = ByRoundParams { scores: self.scores, result, slots: self.slots, tags: self.tags.at() };
        let kernel = burst.device().kernel(&BY_ROUND, &[])?;
        let groups = [self.tags.newest, self.scores.groups(), 1];
        burst.dispatch(&kernel, &params, &[memory, self.tags.words], groups)
    }
}
