//! Dropped rows go into kept ones.

use bytemuck::{Pod, Zeroable};

use super::{
    Heads, Stored,
    shaders::{FOLD, FOLD_MOVES, NEAREST},
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, SlotsAt, TableAt},
    },
    ops::Fold,
};

/// A layer's rows, which of them are kept, and room for what is found out on the way.
pub(crate) struct FoldRows<'a> {
    pub heads: Heads,
    pub stored: Stored<'a>,
    pub slots: SlotsAt,
    /// Slots that any KV head has, and most that are kept.
    pub live: u32,
    pub kept: ListsAt,
    pub most: u32,
    /// By KV head two groups over the slots.
    pub near: TableAt,
    /// By KV head over the slots.
    pub cosines: TableAt,
    /// By KV head two entries a dropped slot.
    pub moves: ListsAt,
    pub how: Fold,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct NearestParams {
    near: TableAt,
    kept: ListsAt,
    slots: SlotsAt,
    kv: [u32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MovesParams {
    near: TableAt,
    cosines: TableAt,
    moves: ListsAt,
    slots: SlotsAt,
    filtered: u32,
    mispairs: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct FoldParams {
    kept: ListsAt,
    moves: ListsAt,
    cosines: TableAt,
    heads: u32,
    kv: [u32; 2],
    pairs: u32,
}

impl FoldRows<'_> {
    /// Records it: the nearest, what moves, the sums.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer) -> Result<()> {
        let (Stored { k, v, rows, .. }, heads) = (self.stored, self.heads);
        let kv = [rows.first, rows.stride];
        let nearest = NearestParams { near: self.near, kept: self.kept, slots: self.slots, kv };
        let kernel = burst.device().kernel(&NEAREST, &[heads.dim, self.stored.is_f32()])?;
        burst.dispatch(&kernel, &nearest, &[memory, k], [self.live.div_ceil(256), heads.kv, 1])?;
        let moves = MovesParams {
            near: self.near,
            cosines: self.cosines,
            moves: self.moves,
            slots: self.slots,
            filtered: matches!(self.how, Fold::PublishedAveraged | Fold::PublishedWeighted).into(),
            mispairs: (self.how == Fold::PublishedAveraged).into(),
        };
        let kernel = burst.device().kernel(&FOLD_MOVES, &[])?;
        burst.dispatch(&kernel, &moves, &[memory], [1, 1, 1])?;
        let how = match self.how {
            Fold::Averaged | Fold::PublishedAveraged => 0,
            Fold::Pivotal => 1,
            Fold::Weighted | Fold::PublishedWeighted => 2,
            Fold::NormalisedWeighted => 3,
        };
        let params = FoldParams {
            kept: self.kept,
            moves: self.moves,
            cosines: self.cosines,
            heads: heads.kv,
            kv,
            pairs: heads.dim / 2,
        };
        let kernel = burst.device().kernel(&FOLD, &[how, self.stored.is_f32()])?;
        burst.dispatch(&kernel, &params, &[memory, k, v], [self.most, heads.kv, 1])
    }
}
