//! The KV cache: for every layer and KV head its slots, with the original position of each, its key and value row,
//! and the score columns methods keep. Slots are ascending in position. Dropping compacts; columns move with their
//! slots, so nobody renumbers anything.

mod columns;
mod edit;
mod noise;
mod pages;
mod planes;
mod rows;
mod saved;
mod tiers;

pub use noise::Noise;
pub use pages::Bounds;
pub use planes::{Plane, Planes};
pub use rows::{Rows, Store};

use crate::{
    Error, Result,
    ops::{Fresh, Kept, Kv},
    trace::{ALL_HEADS, Detail, Kind, Tracer},
};
use columns::fill;
use std::borrow::Cow;

/// The cache of one KV head of one layer.
#[derive(Clone, Debug)]
pub struct Head {
    /// Original position of every slot, ascending.
    pub position: Vec<u32>,
    /// The oldest rows, where they are quantised.
    pub planes: Option<Planes>,
    /// Keys of the other slots.
    pub k: Rows,
    /// Their values.
    pub v: Rows,
    columns: Vec<Vec<f32>>,
    bounds: Bounds,
    far: tiers::Far,
}

impl Head {
    fn new(store: Store) -> Head {
        Head {
            position: Vec::new(),
            planes: None,
            k: Rows::new(store),
            v: Rows::new(store),
            columns: Vec::new(),
            bounds: Bounds::default(),
            far: tiers::Far::default(),
        }
    }
    /// Page bounds, as of the newest [`Cache::update_bounds`].
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }
    /// Live slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.position.len()
    }
    /// Slots in two planes, the oldest.
    #[must_use]
    pub fn quantised(&self) -> usize {
        self.planes.as_ref().map_or(0, |planes| planes.rows)
    }
    /// True when no slot is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.position.is_empty()
    }
}

/// All layers.
#[derive(Clone, Debug)]
pub struct Cache {
    heads: Vec<Head>,
    kv_heads: usize,
    head_dim: usize,
    reserved: usize,
    columns: Vec<(Cow<'static, str>, Fresh)>,
    /// Keys and values of a group that is being quantised, and a row as it is stored.
    group: [Vec<f32>; 3],
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(layers: usize, kv_heads: usize, head_dim: usize, store: Store) -> Cache {
        Cache {
            heads: vec![Head::new(store); layers * kv_heads],
            kv_heads,
            head_dim,
            reserved: 0,
            columns: Vec::new(),
            group: Default::default(),
        }
    }

    /// Forgets all slots and reserves room for `rows` in every KV head.
    ///
    /// # Errors
    /// [`Error::Memory`] when the room cannot be had; then none is held.
    pub fn reset(&mut self, rows: usize) -> Result<()> {
        self.reserved = 0;
        self.columns.clear();
        for head in &mut self.heads {
            head.position.clear();
            head.planes = None;
            head.k.clear();
            head.v.clear();
            head.columns.clear();
            head.bounds.clear();
            head.far.clear();
        }
        let reserved = self.reserve(rows);
        if reserved.is_err() {
            let store = self.store();
            self.heads.fill(Head::new(store));
        }
        reserved
    }

    /// Makes room for `rows` in every KV head, those that are there included.
    ///
    /// # Errors
    /// [`Error::Memory`] when the room cannot be had; what is there stays.
    pub fn reserve(&mut self, rows: usize) -> Result<()> {
        (0..self.heads.len()).try_for_each(|h| self.grow(h, rows))?;
        self.reserved = self.reserved.max(rows);
        Ok(())
    }

    fn store(&self) -> Store {
        match self.heads.first() {
            Some(Head { k: Rows::F32(_), .. }) => Store::F32,
            Some(Head { k: Rows::Device(_, bytes), .. }) => Store::Device(*bytes),
            _ => Store::F16,
        }
    }

    fn grow(&mut self, head: usize, rows: usize) -> Result<()> {
        let head = &mut self.heads[head];
        let numbers = rows.saturating_sub(head.quantised()).saturating_mul(self.head_dim);
        head.k.reserve_total(numbers)?;
        head.v.reserve_total(numbers)?;
        let more = rows.saturating_sub(head.position.len());
        // By doubling: of quantised rows these grow with the text, whatever was reserved.
        let columns = head.columns.iter_mut().try_for_each(|column| column.try_reserve(more));
        head.position
            .try_reserve(more)
            .and(columns)
            .map_err(|_| Error::Memory { what: "KV cache", bytes: 4 * rows as u64 })
    }

    /// The KV heads of a layer.
    #[must_use]
    pub fn layer(&self, kv: Kv) -> &[Head] {
        let at = kv.0 as usize * self.kv_heads;
        &self.heads[at..at + self.kv_heads]
    }

    /// One KV head of a layer, to change its rows; its page bounds are forgotten.
    pub fn head_mut(&mut self, kv: Kv, head: usize) -> &mut Head {
        let head = &mut self.heads[kv.0 as usize * self.kv_heads + head];
        head.bounds.clear();
        head
    }

    /// Most live slots of any KV head.
    #[must_use]
    pub fn live(&self, kv: Kv) -> usize {
        self.layer(kv).iter().map(Head::len).max().unwrap_or(0)
    }

    /// Makes room for `more` rows in a layer at once, so that appending them in pieces moves nothing.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn make_room(&mut self, kv: Kv, more: usize) -> Result<()> {
        let at = kv.0 as usize * self.kv_heads;
        (at..at + self.kv_heads).try_for_each(|h| self.grow(h, self.heads[h].len() + more))
    }

    /// Stores rows for positions from `first` on; `k` and `v` are `[rows, kv_heads * head_dim]`.
    pub fn append(&mut self, kv: Kv, k: &[f32], v: &[f32], first: u32) {
        let width = self.kv_heads * self.head_dim;
        for h in 0..self.kv_heads {
            let head = &mut self.heads[kv.0 as usize * self.kv_heads + h];
            let part = h * self.head_dim..(h + 1) * self.head_dim;
            for (i, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
                head.k.push(&k[part.clone()]);
                head.v.push(&v[part.clone()]);
                head.position.push(first + i as u32);
            }
            for (column, (_, fresh)) in head.columns.iter_mut().zip(&self.columns) {
                fill(column, *fresh, &head.position, h as u32);
            }
        }
    }

    /// Notes `rows` rows that a device stored, for positions from `first` on.
    pub fn append_elsewhere(&mut self, kv: Kv, first: u32, rows: u32) {
        let width = self.head_dim;
        for head in &mut self.heads[kv.0 as usize * self.kv_heads..][..self.kv_heads] {
            for position in first..first + rows {
                head.k.push_unknown(width);
                head.v.push_unknown(width);
                head.position.push(position);
            }
        }
    }

    /// Brings the page bounds of a layer up to date with all but its newest `recent` slots, in pages of `page` slots.
    pub fn update_bounds(&mut self, kv: Kv, page: usize, recent: usize) {
        let at = kv.0 as usize * self.kv_heads;
        for head in &mut self.heads[at..at + self.kv_heads] {
            let end = head.len().saturating_sub(recent);
            head.bounds.update(&head.k, self.head_dim, page, end, self.reserved);
        }
    }

    /// Bytes of one row, key and value.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        self.heads.first().map_or(0, |h| (2 * self.head_dim * h.k.number_bytes()) as u64)
    }

    /// Rows and bytes held.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let rows = self.heads.iter().map(|h| h.len() as u64).sum();
        let full: u64 = self.heads.iter().map(|h| (h.len() - h.quantised()) as u64).sum();
        let planes: u64 = self.heads.iter().map(|h| self.plane_bytes(h, false)).sum();
        let allocated: u64 = self.heads.iter().map(|h| (h.k.capacity_bytes() + h.v.capacity_bytes()) as u64).sum();
        let bytes = full * self.row_bytes() + planes;
        let planes: u64 = self.heads.iter().filter_map(|h| h.planes.as_ref()).map(Planes::allocated).sum();
        let bounds: u64 = self.heads.iter().map(|h| h.bounds.bytes() as u64).sum();
        let far = self.heads.iter().map(|h| h.far.count() as u64).sum::<u64>() * self.row_bytes();
        Kept { rows, bytes: bytes + bounds, allocated: allocated + planes, far, ..Kept::default() }
    }

    /// Bytes of a head's quantised rows, or of what a `coarse` read takes of them.
    #[must_use]
    pub fn plane_bytes(&self, head: &Head, coarse: bool) -> u64 {
        let number = head.k.number_bytes();
        let [upper, lower] = head.planes.as_ref().map_or([0; 2], |planes| planes.bytes(number));
        if coarse { upper } else { upper + lower }
    }

    /// Records that a layer stored `rows` rows from `first` on.
    pub fn record_append(&self, kv: Kv, first: u32, rows: u32, tracer: &mut Tracer) {
        if tracer.detail >= Detail::Sets {
            tracer.record(Kind::Append, kv.0, u32::from(ALL_HEADS), 0, first, rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::records;

    fn filled(rows: u32) -> Cache {
        let mut cache = Cache::new(1, 2, 2, Store::F16);
        cache.reset(4).unwrap();
        let row: Vec<f32> = (0..rows).flat_map(|p| [p as f32, 0.5, -(p as f32), 0.25]).collect();
        cache.make_room(Kv(0), rows as usize).unwrap();
        cache.append(Kv(0), &row, &row, 0);
        cache
    }

    #[test]
    fn dropping_moves_rows_positions_and_columns_together() {
        let mut cache = filled(6);
        let column = cache.column(Kv(0), "age", Fresh::Position);
        let mut tracer = Tracer::default();
        tracer.detail = Detail::Sets;
        let lists: [&[u32]; 2] = [&[0, 3, 5], &[1, 2, 4]];
        cache.keep(Kv(0), |h| lists[h], &mut tracer);
        for (h, kept) in lists.iter().enumerate() {
            let head = &cache.layer(Kv(0))[h];
            assert_eq!(head.position, *kept);
            assert_eq!(cache.scores(Kv(0), h, column), kept.iter().map(|&p| p as f32).collect::<Vec<_>>());
            for (slot, &p) in kept.iter().enumerate() {
                assert_eq!(
                    head.k.row(slot, 2),
                    [if h == 0 { p as f32 } else { -(p as f32) }, if h == 0 { 0.5 } else { 0.25 }]
                );
            }
        }
        let gone: Vec<Vec<u32>> = tracer.take(|b| {
            (0..2)
                .map(|h| records(b).filter(|r| r.head == h).flat_map(|r| r.positions().collect::<Vec<_>>()).collect())
                .collect()
        });
        assert_eq!(gone, [vec![1, 2, 4], vec![0, 3, 5]]);
        assert_eq!(cache.kept(), Kept { rows: 6, bytes: 6 * 8, allocated: 2 * 4 * 8, ..Kept::default() });
    }

    #[test]
    fn new_slots_start_fresh_and_appending_in_pieces_is_the_same() {
        let mut cache = filled(2);
        let column = cache.column(Kv(0), "one", Fresh::Value(1.0));
        cache.append(Kv(0), &[0.0; 4], &[0.0; 4], 2);
        cache.append(Kv(0), &[0.0; 4], &[0.0; 4], 3);
        assert_eq!(cache.scores(Kv(0), 1, column), [1.0; 4]);
        assert_eq!(cache.layer(Kv(0))[0].position, [0, 1, 2, 3]);
    }
}
