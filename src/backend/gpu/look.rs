//! What is on the device in the middle of a pass: where it is, and how to read it or write over it there.

use std::ops::Range;

use super::{
    Gpu,
    device::{Buffer, Pending},
    kernels::{Heads, row_words},
};
use crate::{
    Result,
    cache::Store,
    ops::{Kv, Scores, Set},
};

/// Rows of numbers in a buffer.
#[derive(Clone)]
pub(in crate::backend) struct Place {
    pub buffer: Buffer,
    /// Word of the first.
    pub first: u64,
    /// Words from a row to the next.
    pub stride: u64,
    /// f32 (or a word each) or f16, two a word.
    pub store: Store,
}

impl Place {
    /// Words of `rows` rows, of which the last has `numbers`.
    pub fn range(&self, rows: usize, numbers: usize) -> Range<u64> {
        let last = if self.store == Store::F16 { numbers as u64 / 2 } else { numbers as u64 };
        self.first..self.first + (rows as u64).saturating_sub(1) * self.stride + last
    }
}

/// Codes and grids of a KV head's rows in planes.
pub(in crate::backend) struct PlanePlaces {
    /// Of keys and of values the upper codes, one row of the place a row; the lower ones are `lower` words behind.
    pub codes: [Place; 2],
    pub lower: u64,
    /// Of keys and of values, one behind the other: a step and a zero each.
    pub grids: [Place; 2],
}

impl Gpu {
    fn place(buffer: &Buffer, first: u32, stride: u32) -> Place {
        Place { buffer: buffer.clone(), first: first.into(), stride: stride.into(), store: Store::F32 }
    }

    /// A table by group, and how many there are; `None` while nothing was written to it.
    pub(in crate::backend) fn table_place(&self, scores: Scores) -> Result<Option<(Place, usize)>> {
        let table = self.handles.table(scores)?;
        let place = Gpu::place(&self.memory.words, table.at.at, table.at.stride);
        Ok((!table.blank).then_some((place, table.at.groups() as usize)))
    }

    /// Lists of a set by group, each its count and its numbers, made now if they were not; how many groups there are.
    pub(in crate::backend) fn set_place(&mut self, set: Set) -> Result<(Place, usize)> {
        let lists = self.listed(set)?.at;
        Ok((Gpu::place(&self.memory.words, lists.at, lists.stride), lists.groups as usize))
    }

    /// Queries of the pass from row `row` on.
    pub(in crate::backend) fn queries_place(&self, row: u32) -> Place {
        let width = self.heads.query * self.heads.dim;
        Gpu::place(&self.room.q, row * width, width)
    }

    /// Output of the newest attention, and its log-sum-exps.
    pub(in crate::backend) fn output_places(&self) -> [Place; 2] {
        let Heads { query, dim, .. } = self.heads;
        [Gpu::place(&self.room.output, 0, query * dim), Gpu::place(&self.room.lse, 0, query)]
    }

    /// The residual stream from row `row` of the pass on.
    pub(in crate::backend) fn residual_place(&self, row: u32) -> Place {
        Gpu::place(&self.room.x, row * self.pass.width, self.pass.width)
    }

    /// The MLP's hidden rows of a chunk.
    pub(in crate::backend) fn hidden_place(&self) -> Place {
        Gpu::place(&self.room.hidden, 0, self.pass.hidden)
    }

    /// The logits.
    pub(in crate::backend) fn logits_place(&self) -> Place {
        Gpu::place(&self.room.logits, 0, self.pass.logits.columns)
    }

    /// Of each row that was picked of since a pass arrived the token, and 1 if all logits are finite.
    pub(in crate::backend) fn picked_place(&self) -> Place {
        Gpu::place(&self.room.picked, 0, 2)
    }

    /// Keys and values of a KV head from slot `slot` on.
    pub(in crate::backend) fn row_places(&self, kv: Kv, head: u32, slot: u32) -> [Place; 2] {
        let (rows, words) = (self.rows(kv), row_words(self.store, self.heads.dim));
        let first = u64::from(rows.first + head * rows.stride + slot) * u64::from(words);
        [0, 1].map(|i| Place { buffer: self.stored[i].clone(), first, stride: words.into(), store: self.store })
    }

    /// Slots of a layer by KV head, one word each, and their positions by KV head.
    pub(in crate::backend) fn slot_places(&self, kv: Kv) -> [Place; 2] {
        let slots = self.memory.slots(kv);
        [(slots.count, 1), (slots.position, slots.stride)]
            .map(|(first, stride)| Gpu::place(&self.memory.words, first, stride))
    }

    /// Planes of a KV head, if there are any.
    pub(in crate::backend) fn plane_places(&self, kv: Kv, head: u32) -> Option<PlanePlaces> {
        let (planes, words) = (self.planes.as_ref()?.layer(kv), self.heads.dim / 8);
        let grid_words = row_words(self.store, 2);
        let codes = [planes.k, planes.v]
            .map(|buffer| Gpu::place(buffer, (planes.rows.first + head * planes.rows.stride) * words, words));
        let grids = [planes.key_grids, planes.value_grids].map(|rows| Place {
            store: self.store,
            ..Gpu::place(planes.grids, (rows.first + head * rows.stride) * grid_words, grid_words)
        });
        Some(PlanePlaces { codes, lower: planes.lower.into(), grids })
    }

    /// Submits what is recorded, and asks for these words as they are then.
    pub(in crate::backend) fn ask<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = (&'a Buffer, Range<u64>)>,
    ) -> Result<Pending> {
        let mut burst = self.burst.take().unwrap_or_else(|| self.device.burst());
        wanted.into_iter().try_for_each(|(buffer, range)| burst.read(buffer, range))?;
        burst.submit()
    }
}
