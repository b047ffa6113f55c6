//! Keys and values of up to 64 slots as f32, in the order a block product reads them.

use fearless_simd::{f32x4, prelude::*};

use super::block::WIDEST;
use super::{Element, Rope, element};

/// Slots of a tile: with it keys or values of a head of 64 stay in the first-level cache.
pub(super) const TILE: usize = 64;

/// The slots a pass reads, in ascending order.
pub(super) trait Slots: Copy {
    fn count(self) -> usize;
    /// The slot that is read `index`-th.
    fn slot(self, index: usize) -> usize;
}

/// `count` slots from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Slots for Run {
    #[inline(always)]
    fn count(self) -> usize {
        self.count
    }

    #[inline(always)]
    fn slot(self, index: usize) -> usize {
        self.first + index
    }
}

impl Slots for &[u32] {
    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn slot(self, index: usize) -> usize {
        self[index] as usize
    }
}

/// One tile; reusable.
#[derive(Debug, Default)]
pub(super) struct Tile {
    /// `[TILE, stride]`: a slot a row.
    pub(super) rows: Vec<f32>,
    /// `[dim, TILE]`: a slot a column.
    pub(super) columns: Vec<f32>,
    /// `head_dim` padded for block products; the padding is never read as a result.
    pub(super) stride: usize,
}

impl Tile {
    pub(super) fn resize(&mut self, dim: usize) {
        self.stride = dim.next_multiple_of(WIDEST);
        self.rows.resize(TILE * self.stride, 0.0);
        self.columns.resize(TILE * self.stride, 0.0);
    }

    /// Fills `rows` from `stored` `[slots, dim]` with the slots that are read `first`-th and after it; how many.
    #[inline(always)]
    pub(super) fn fetch<S: Simd, E: Element>(
        &mut self,
        simd: S,
        stored: &[E],
        dim: usize,
        slots: impl Slots,
        first: usize,
    ) -> usize {
        let count = TILE.min(slots.count() - first);
        for (row, index) in self.rows.chunks_exact_mut(self.stride).zip(first..first + count) {
            element::fetch(simd, &stored[slots.slot(index) * dim..][..dim], &mut row[..dim]);
        }
        count
    }

    /// Turns keys in `rows` to the positions of their slots.
    pub(super) fn rotate(&mut self, rope: &Rope, dim: usize, slots: impl Slots, first: usize, count: usize) {
        for (row, index) in self.rows.chunks_exact_mut(self.stride).zip(first..first + count) {
            rope.rotate(&mut row[..dim], dim, slots.slot(index));
        }
    }

    /// Fills `columns` from `rows`.
    #[inline(always)]
    pub(super) fn transpose<S: Simd>(&mut self, simd: S, dim: usize, count: usize) {
        for slot in (0..count).step_by(4) {
            for c in (0..dim).step_by(4) {
                let [a, b, c0, d] = std::array::from_fn(
                    #[inline(always)]
                    |i| f32x4::from_slice(simd, &self.rows[(slot + i) * self.stride + c..][..4]),
                );
                let (ac, bd) = ((a.zip_low(c0), a.zip_high(c0)), (b.zip_low(d), b.zip_high(d)));
                let turned = [
                    ac.0.zip_low(bd.0),
                    ac.0.zip_high(bd.0),
                    ac.1.zip_low(bd.1),
                    ac.1.zip_high(bd.1),
                ];
                for (i, turned) in turned.iter().enumerate() {
                    turned.store_slice(&mut self.columns[(c + i) * TILE + slot..][..4]);
                }
            }
        }
    }
}
