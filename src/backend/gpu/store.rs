//! A pass begins, and its rows enter the cache.

use std::ops::Range;

use super::{
    Buffer, Gpu, PassRows, STEP, at_least,
    kernels::{Append, Column, RopeTable, row_words},
    memory::SlotsAt,
    mirror::Call,
};
use crate::{Error, Result, method::Positions, ops::Kv};

impl Gpu {
    /// Begins a pass of `rows` rows at position `first` without a model: [`store`](Gpu::store) brings its queries.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Gpu`].
    pub fn begin(&mut self, first: u32, rows: u32) -> Result<()> {
        let most = self.live.iter().max().copied().unwrap_or(0).saturating_add(rows);
        if most > self.memory.capacity() {
            // With some more, for a text that grows.
            self.grow(most.saturating_add(most / 4)).or_else(|_| self.grow(most))?;
        }
        self.pass = PassRows { first, rows, ..PassRows::default() };
        self.mirror.note(Call::Begin);
        self.handles.clear();
        self.memory.begin_pass();
        let numbers = u64::from(rows) * u64::from(self.heads.query * self.heads.dim);
        at_least(&self.device, &mut self.room.q, numbers)?;
        self.rotate_up_to(most.max(first + rows))
    }

    /// Makes the table of rotations long enough.
    fn rotate_up_to(&mut self, positions: u32) -> Result<()> {
        if let Some((rope, table)) = &mut self.rope
            && rope.positions() < positions as usize
        {
            rope.grow((positions as usize).next_multiple_of(1024))?;
            *table = RopeTable::upload(&self.device, rope)?;
        }
        Ok(())
    }

    /// Makes room for `slots` slots in every KV head; what is there is kept. Where it cannot be had, all is as it was.
    pub(super) fn grow(&mut self, slots: u32) -> Result<()> {
        // What was recorded writes to the old buffers.
        if let Some(burst) = self.burst.take() {
            burst.submit()?;
        }
        let (old, new) = (self.memory.capacity(), slots.next_multiple_of(STEP));
        let (heads, words) = (self.shape.layers as u32 * self.heads.kv, row_words(self.store, self.heads.dim));
        let live = self.live.iter().max().copied().unwrap_or(0);
        let rows = u64::from(heads) * u64::from(new) * u64::from(words);
        let larger = [self.device.buffer("KV cache", rows)?, self.device.buffer("KV cache", rows)?];
        let planes = self.planes.as_ref().map(|planes| planes.grown(&self.device, new)).transpose()?;
        self.memory.grow(&self.device, self.heads.query, new)?;
        let head = |h| (h * old * words, h * new * words, live * words);
        for (stored, larger) in self.stored.iter().zip(&larger).filter(|_| live > 0) {
            self.device.burst().copy(stored, larger, &(0..heads).map(head).collect::<Vec<_>>())?;
        }
        std::mem::replace(&mut self.stored, larger).iter().for_each(Buffer::destroy);
        self.planes = planes;
        Ok(())
    }

    /// Takes in the rows of a layer: rotates queries and keys, appends keys and values unless they are `None` because
    /// another host stores them. `q` is `[rows, query_heads * head_dim]`, `k` and `v` `[rows, kv_heads * head_dim]`;
    /// `rows` are rows of the pass.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Gpu`].
    pub fn store(&mut self, kv: Kv, q: &[f32], own: Option<(&[f32], &[f32])>, rows: Range<u32>) -> Result<()> {
        let [wide, narrow] = [self.heads.query, self.heads.kv].map(|heads| (heads * self.heads.dim) as usize);
        let zeros = vec![0.0; rows.len() * narrow];
        let (k, v) = own.unwrap_or((&zeros, &zeros));
        let mut qkv = Vec::with_capacity(rows.len() * (wide + 2 * narrow));
        for row in 0..rows.len() {
            qkv.extend_from_slice(&q[row * wide..][..wide]);
            qkv.extend_from_slice(&k[row * narrow..][..narrow]);
            qkv.extend_from_slice(&v[row * narrow..][..narrow]);
        }
        at_least(&self.device, &mut self.room.qkv, qkv.len() as u64)?;
        self.record(|on, burst| burst.write(&on.room.qkv, 0, &qkv))?;
        self.append(kv, rows, own.is_some())
    }

    /// The same with what is in the buffer of queries, keys and values.
    pub(super) fn append(&mut self, kv: Kv, rows: Range<u32>, stores: bool) -> Result<()> {
        let (first, total) = (self.pass.first, self.pass.rows);
        if rows.start == 0 && stores {
            // Sets are of the slots there were when they were asked for.
            self.list_all(kv)?;
        }
        self.pass.elsewhere = !stores;
        let layer = kv.0 as usize;
        let (slots, next) = (self.memory.slots(kv), self.memory.next_count(kv));
        // After the first piece the layer's count is the new one.
        let (before, old, new) = if rows.start == 0 || !stores {
            (self.live[layer], slots.count, next)
        } else {
            (self.live[layer] - total, next, slots.count)
        };
        let columns = self.memory.columns(kv).map(|there| there.map(|(at, fresh)| Column::new(at, fresh)));
        self.record(|on, burst| {
            let append = Append {
                heads: on.heads,
                qkv: &on.room.qkv,
                rows: rows.clone(),
                pass_rows: total,
                position: first + rows.start,
                angle: match on.positions {
                    Positions::Text => first + rows.start,
                    Positions::Slot => before + rows.start,
                },
                rope: on.rope.as_ref().map(|(_, table)| table),
                keys_unrotated: on.positions == Positions::Slot,
                stored: on.stored(kv),
                slots: SlotsAt { count: old, ..slots },
                new_count: new,
                columns: &columns,
                stores,
            };
            append.record(burst, &on.memory.words, &on.room.q)
        })?;
        if rows.start == 0 && stores {
            self.memory.turn(kv);
            self.whole[layer] &= self.live[layer] == first;
            self.live[layer] += total;
            self.mirror.note(Call::Append { kv, first, rows: total });
        }
        if self.live[layer] > self.memory.capacity() {
            return Err(Error::State("a pass has more rows than there is room for"));
        }
        Ok(())
    }
}
