//! Keys and values of up to 64 slots as f32, in the order a block product reads them.

use fearless_simd::{f32x4, prelude::*};

use super::block::{self, Panels, WIDEST};
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
    /// `[TILE, stride]`: a key a row.
    rows: Vec<f32>,
    /// Keys `[dim, slots]` or values `[slots, dim]`, the panels with room for `stride` or [`TILE`] lines.
    panels: Vec<f32>,
    /// `head_dim` padded to whole panels.
    stride: usize,
    /// Floats of a panel.
    panel: usize,
}

impl Tile {
    pub(super) fn resize(&mut self, dim: usize) {
        self.stride = dim.next_multiple_of(WIDEST);
        self.rows.resize(TILE * self.stride, 0.0);
        self.panels.resize(TILE * self.stride, 0.0);
    }

    pub(super) fn panels(&self) -> Panels<'_> {
        Panels { data: &self.panels, stride: self.panel }
    }

    /// Takes in keys `[dim, slots]` of `stored` `[slots, dim]`, those that are read `first`-th and after it; how many.
    #[inline(always)]
    pub(super) fn keys<S: Simd, E: Element>(
        &mut self,
        simd: S,
        stored: &[E],
        dim: usize,
        slots: impl Slots,
        first: usize,
        rotate: Option<&Rope>,
    ) -> usize {
        let count = TILE.min(slots.count() - first);
        for (row, index) in self.rows.chunks_exact_mut(self.stride).zip(first..first + count) {
            let slot = slots.slot(index);
            element::fetch(simd, &stored[slot * dim..][..dim], &mut row[..dim]);
            if let Some(rope) = rotate {
                rope.rotate(&mut row[..dim], dim, slot);
            }
        }
        let width = block::width::<S>();
        self.panel = width * self.stride;
        for (rows, slot) in self.rows.chunks_exact(4 * self.stride).zip((0..count).step_by(4)) {
            let panel = &mut self.panels[slot / width * self.panel + slot % width..];
            for c in (0..dim).step_by(4) {
                let [i, j, k, l]: [f32x4<S>; 4] = std::array::from_fn(
                    #[inline(always)]
                    |i| f32x4::from_slice(simd, &rows[i * self.stride + c..][..4]),
                );
                let (ik, jl) = ([i.zip_low(k), i.zip_high(k)], [j.zip_low(l), j.zip_high(l)]);
                for half in 0..2 {
                    ik[half].zip_low(jl[half]).store_slice(&mut panel[(c + 2 * half) * width..][..4]);
                    ik[half].zip_high(jl[half]).store_slice(&mut panel[(c + 2 * half + 1) * width..][..4]);
                }
            }
        }
        count
    }

    /// Takes in values `[slots, dim]` in the same way.
    #[inline(always)]
    pub(super) fn values<S: Simd, E: Element>(
        &mut self,
        simd: S,
        stored: &[E],
        dim: usize,
        slots: impl Slots,
        first: usize,
    ) -> usize {
        let count = TILE.min(slots.count() - first);
        let width = block::width::<S>();
        self.panel = width * TILE;
        for index in 0..count {
            let row = &stored[slots.slot(first + index) * dim..][..dim];
            for (part, panel) in row.chunks(width).zip(self.panels.chunks_exact_mut(self.panel)) {
                element::fetch(simd, part, &mut panel[index * width..][..part.len()]);
            }
        }
        count
    }
}
