//! Keys and values as f32, in the order a block product reads them: in tiles of 64 slots, converted once for all the
//! queries that read them.

use fearless_simd::{f32x4, prelude::*};

use super::block::{self, Panels, WIDEST};
use super::{Element, Rope, element};

/// Slots of a tile: with it keys or values of a head of 64 stay in the first-level cache.
pub(super) const TILE: usize = 128;

/// The slots a pass reads, in ascending order.
pub(super) trait Slots: Copy {
    /// Whether they may lie far from each other.
    const APART: bool;
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
    const APART: bool = false;

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
    const APART: bool = true;

    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn slot(self, index: usize) -> usize {
        self[index] as usize
    }
}

/// The keys and values of some slots; reusable.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    /// Per tile keys `[dim, slots]` in panels with room for `stride` lines.
    keys: Vec<f32>,
    /// Per tile values `[slots, dim]` in panels with room for [`TILE`] lines.
    values: Vec<f32>,
    /// `[TILE, stride]`: a key a row, before it is turned.
    rows: Vec<f32>,
    /// `head_dim` padded to whole panels.
    stride: usize,
    /// Columns of a panel.
    width: usize,
}

impl Tiles {
    pub(super) fn keys(&self, tile: usize) -> Panels<'_> {
        Panels { data: &self.keys[tile * TILE * self.stride..], stride: self.width * self.stride }
    }

    pub(super) fn values(&self, tile: usize) -> Panels<'_> {
        Panels { data: &self.values[tile * TILE * self.stride..], stride: self.width * TILE }
    }

    /// The keys from the `index`-th slot on, the first of a panel.
    pub(super) fn keys_from(&self, index: usize) -> Panels<'_> {
        debug_assert!(index.is_multiple_of(self.width), "slot {index} begins no panel");
        Panels { data: &self.keys[index * self.stride..], stride: self.width * self.stride }
    }

    /// The values from the `index`-th slot on, and how many of them are in its tile.
    pub(super) fn values_from(&self, index: usize) -> (Panels<'_>, usize) {
        let (tile, line) = (index / TILE, index % TILE);
        let data = &self.values[tile * TILE * self.stride + line * self.width..];
        (Panels { data, stride: self.width * TILE }, TILE - line)
    }

    #[inline(always)]
    fn resize<S: Simd>(&mut self, dim: usize) {
        self.width = block::width::<S>();
        self.stride = dim.next_multiple_of(WIDEST);
        self.rows.resize(TILE * self.stride, 0.0);
    }

    /// Takes in the keys at `slots` of `stored` `[slots, dim]`.
    #[inline(always)]
    pub(super) fn load_keys<S: Simd, E: Element>(
        &mut self,
        simd: S,
        stored: &[E],
        dim: usize,
        slots: impl Slots,
        rotate: Option<&Rope>,
    ) {
        self.resize::<S>(dim);
        let (stride, width) = (self.stride, self.width);
        self.keys.resize(slots.count().div_ceil(TILE) * TILE * stride, 0.0);
        for (tile, first) in self.keys.chunks_exact_mut(TILE * stride).zip((0..slots.count()).step_by(TILE)) {
            let count = TILE.min(slots.count() - first);
            for (row, index) in self.rows.chunks_exact_mut(stride).zip(first..first + count) {
                let slot = slots.slot(index);
                element::fetch(simd, &stored[slot * dim..][..dim], &mut row[..dim]);
                if let Some(rope) = rotate {
                    rope.rotate(&mut row[..dim], dim, slot);
                }
            }
            for (rows, slot) in self.rows.chunks_exact(4 * stride).zip((0..count).step_by(4)) {
                turn(simd, rows, stride, dim, &mut tile[slot / width * width * stride + slot % width..], width);
            }
        }
    }

    /// Takes in the values in the same way.
    #[inline(always)]
    pub(super) fn load_values<S: Simd, E: Element>(&mut self, simd: S, stored: &[E], dim: usize, slots: impl Slots) {
        self.resize::<S>(dim);
        let (stride, width) = (self.stride, self.width);
        self.values.resize(slots.count().div_ceil(TILE) * TILE * stride, 0.0);
        for (tile, first) in self.values.chunks_exact_mut(TILE * stride).zip((0..slots.count()).step_by(TILE)) {
            for index in 0..TILE.min(slots.count() - first) {
                let row = &stored[slots.slot(first + index) * dim..][..dim];
                for (part, panel) in row.chunks(width).zip(tile.chunks_exact_mut(width * TILE)) {
                    element::fetch(simd, part, &mut panel[index * width..][..part.len()]);
                }
            }
        }
    }
}

/// Four rows become four columns of a panel.
#[inline(always)]
fn turn<S: Simd>(simd: S, rows: &[f32], stride: usize, dim: usize, panel: &mut [f32], width: usize) {
    for c in (0..dim).step_by(4) {
        let [i, j, k, l]: [f32x4<S>; 4] = std::array::from_fn(
            #[inline(always)]
            |i| f32x4::from_slice(simd, &rows[i * stride + c..][..4]),
        );
        let (ik, jl) = ([i.zip_low(k), i.zip_high(k)], [j.zip_low(l), j.zip_high(l)]);
        for half in 0..2 {
            ik[half].zip_low(jl[half]).store_slice(&mut panel[(c + 2 * half) * width..][..4]);
            ik[half].zip_high(jl[half]).store_slice(&mut panel[(c + 2 * half + 1) * width..][..4]);
        }
    }
}
