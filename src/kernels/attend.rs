//! Attention of one KV head for its group of query heads over a span of slots.
//!
//! Two passes over tiles of slots, one for the scores and one for the values: each key and value is read and converted
//! once for all the queries, and the probabilities are there for whoever asks for their mass. Rows are taken so many at
//! a time that their scores stay in the second-level cache and that few of them are of slots a row does not see.

use fearless_simd::{dispatch, prelude::*};

use super::activations::FEW_ROWS;
use super::attend_blocks::Used;
use super::block::{self, Rows, RowsMut};
use super::direct;
use super::folded::Folded;
use super::softmax::softmax_of;
use super::tile::{Run, Slots, TILE, Tiles};
use super::{Element, Rope};
use crate::lanes;

/// Scores kept between the passes: 512 kB.
pub(super) const SCORES: usize = 128 * 1024;

/// Rows taken at a time: half as many scores a row are computed in vain.
const ROWS: usize = 16;

/// Keys and values of one KV head, `[slots, head_dim]` each.
#[derive(Clone, Copy)]
pub struct Keys<'a, E> {
    /// `[slots, head_dim]`
    pub k: &'a [E],
    /// `[slots, head_dim]`
    pub v: &'a [E],
    /// Rotate each key to the position of its slot while reading (StreamingLLM keeps keys unrotated).
    pub rotate: Option<&'a Rope>,
}

/// Queries of one group of heads.
#[derive(Clone, Copy)]
pub struct Queries<'a> {
    /// `[rows, stride]`, head g of row r at `r * stride + g * head_dim`.
    pub q: &'a [f32],
    /// Floats from a row to the next.
    pub stride: usize,
    /// Query positions.
    pub rows: usize,
    /// Query heads that share the KV head.
    pub group: usize,
    /// Components of a head.
    pub head_dim: usize,
    /// Factor on the scores, `1 / sqrt(head_dim)` as a rule.
    pub scale: f32,
}

/// Row r sees slots `(sees + r).saturating_sub(window)..sees + r`, the last of them its own; or, when the rows' own slots
/// are not there, `..sees` all alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Slots that row 0 sees, itself included; at least 1.
    pub sees: usize,
    /// The most recent slots only; `usize::MAX` for all.
    pub window: usize,
    /// All rows see the same.
    pub fixed: bool,
}

impl Span {
    /// Every slot up to each row's own, of which row 0 sees `sees`.
    #[must_use]
    pub fn causal(sees: usize) -> Span {
        Span { sees, window: usize::MAX, fixed: false }
    }

    /// The slots of row `row`.
    #[must_use]
    pub fn of(&self, row: usize) -> std::ops::Range<usize> {
        let end = if self.fixed { self.sees } else { self.sees + row };
        end.saturating_sub(self.window.max(1))..end
    }
}

/// Where softmax probabilities are added up: slot s of head g at `columns[g * stride + s]`.
pub struct MassOut<'a> {
    /// `[group, stride]`
    pub columns: &'a mut [f32],
    /// Floats from a head to the next, at least the slots.
    pub stride: usize,
    /// Rows below it do not count.
    pub first_row: usize,
}

/// Buffers of the attention kernels, reused from call to call.
#[derive(Debug, Default)]
pub struct AttendScratch {
    pub(super) tiles: Tiles,
    /// `[queries, head_dim]`, scaled.
    pub(super) queries: Vec<f32>,
    /// `[queries, slots]`
    pub(super) scores: Vec<f32>,
    /// `[queries, head_dim]`, before the division by the sum of the weights.
    pub(super) sums: Vec<f32>,
    /// Which blocks are converted.
    pub(super) used: Used,
    /// One over the sum of each query's weights.
    pub(super) own: Vec<f32>,
    /// Of a span the log-sum-exp of each query's scores, `[rows, group]`.
    pub lse: Vec<f32>,
    /// Queries and weights that carry the grids of two planes.
    pub(super) folded: Folded,
}

/// Attention of every row over its span, into `out` `[rows, out_stride]`, head g at `g * head_dim` of the row.
pub fn attend_span<E: Element>(
    q: &Queries,
    kv: &Keys<E>,
    span: Span,
    out: &mut [f32],
    out_stride: usize,
    mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    debug_assert!(span.sees >= 1, "a row sees at least itself");
    let level = if q.rows <= FEW_ROWS { lanes::narrow_level() } else { lanes::level() };
    dispatch!(level, simd => run(simd, q, kv, span, out, out_stride, mass, scratch));
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "those of attend_span and the instruction set")]
fn run<S: Simd, E: Element>(
    simd: S,
    q: &Queries,
    kv: &Keys<E>,
    span: Span,
    out: &mut [f32],
    out_stride: usize,
    mut mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    let all = Run { first: span.of(0).start, count: span.of(q.rows - 1).end - span.of(0).start };
    // Few rows one by one, so that each comes out as it would alone.
    let most = if q.rows <= FEW_ROWS { 1 } else { (SCORES / (q.group * all.count)).clamp(1, ROWS) };
    scratch.convert(simd, q, kv, all, most);
    scratch.lse.clear();
    for first in (0..q.rows).step_by(most) {
        let rows = first..q.rows.min(first + most);
        // From the tile on in which the first slot of the first row is.
        let start = all.first + (span.of(rows.start).start - all.first) / TILE * TILE;
        let slots = Run { first: start, count: span.of(rows.end - 1).end - start };
        scratch.load(q, rows.clone());
        let tile = (start - all.first) / TILE;
        score(simd, q.head_dim, kv, slots, tile, scratch);
        for (scores, index) in scratch.scores.chunks_exact_mut(slots.count).zip(0..) {
            let seen = span.of(first + index / q.group);
            scores[..seen.start - start].fill(0.0);
            scores[seen.end - start..].fill(0.0);
            let [sum, top] = softmax_of(simd, &mut scores[seen.start - start..seen.end - start]);
            scratch.own.push(1.0 / sum);
            scratch.lse.push(top + sum.ln());
        }
        weigh(simd, q.head_dim, kv, slots, tile, scratch);
        for ((sums, inverse), index) in scratch.sums.chunks_exact(q.head_dim).zip(&scratch.own).zip(0..) {
            let (row, head) = (first + index / q.group, index % q.group);
            for (out, sum) in out[row * out_stride + head * q.head_dim..].iter_mut().zip(sums) {
                *out = sum * inverse;
            }
            if let Some(mass) = mass.as_mut().filter(|mass| row >= mass.first_row) {
                let column = &mut mass.columns[head * mass.stride + start..][..slots.count];
                let scores = &scratch.scores[index * slots.count..][..slots.count];
                lanes::map2(
                    simd,
                    column,
                    scores,
                    #[inline(always)]
                    |mass, weight| mass + weight * *inverse,
                );
            }
        }
    }
}

impl AttendScratch {
    /// Makes tiles of the keys and values at `slots` for `rows` rows at a time, unless so few queries are better served
    /// straight from storage.
    #[inline(always)]
    pub(super) fn convert<S: Simd, E: Element>(
        &mut self,
        simd: S,
        q: &Queries,
        kv: &Keys<E>,
        slots: impl Slots,
        rows: usize,
    ) {
        let direct = direct::serves::<S>(rows * q.group, q.head_dim);
        if !direct || kv.rotate.is_some() {
            self.tiles.load_keys(simd, kv.k, q.head_dim, slots, kv.rotate);
        }
        if !direct {
            self.tiles.load_values(simd, kv.v, q.head_dim, slots);
        }
    }

    /// Takes the queries of `rows` in, scaled.
    pub(super) fn load(&mut self, q: &Queries, rows: std::ops::Range<usize>) {
        self.own.clear();
        self.queries.clear();
        for row in rows {
            let heads = &q.q[row * q.stride..][..q.group * q.head_dim];
            self.queries.extend(heads.iter().map(|component| component * q.scale));
        }
    }

    /// Takes in one head's alone.
    pub(super) fn load_head(&mut self, q: &Queries, rows: std::ops::Range<usize>, head: usize) {
        self.own.clear();
        self.queries.clear();
        for row in rows {
            let query = &q.q[row * q.stride + head * q.head_dim..][..q.head_dim];
            self.queries.extend(query.iter().map(|component| component * q.scale));
        }
    }
}

/// The scores of the loaded queries with every key of `slots`, of which `tile` is the first tile.
#[inline(always)]
pub(super) fn score<S: Simd, E: Element>(
    simd: S,
    dim: usize,
    kv: &Keys<E>,
    slots: impl Slots,
    tile: usize,
    scratch: &mut AttendScratch,
) {
    let AttendScratch { tiles, queries, scores, .. } = scratch;
    let (m, count) = (queries.len() / dim, slots.count());
    scores.resize(m * count, 0.0);
    if count == 0 {
        return;
    }
    if kv.rotate.is_none() && direct::serves::<S>(m, dim) {
        return direct::score(simd, dim, queries, kv.k, slots, scores);
    }
    for (first, tile) in (0..count).step_by(TILE).zip(tile..) {
        let q = Rows { data: queries, stride: dim };
        let out = RowsMut { data: &mut scores[first..], stride: count };
        block::product(simd, [m, dim, TILE.min(count - first)], q, tiles.keys(tile), out, false);
    }
}

/// The sums of the values of `slots`, weighted by the scores.
#[inline(always)]
pub(super) fn weigh<S: Simd, E: Element>(
    simd: S,
    dim: usize,
    kv: &Keys<E>,
    slots: impl Slots,
    tile: usize,
    scratch: &mut AttendScratch,
) {
    let AttendScratch { tiles, queries, scores, sums, .. } = scratch;
    let (m, count) = (queries.len() / dim, slots.count());
    sums.clear();
    sums.resize(m * dim, 0.0);
    if count == 0 {
        return;
    }
    if direct::serves::<S>(m, dim) {
        return direct::weigh(simd, dim, scores, kv.v, slots, sums);
    }
    for (first, tile) in (0..count).step_by(TILE).zip(tile..) {
        let weights = Rows { data: &scores[first..], stride: count };
        let out = RowsMut { data: sums, stride: dim };
        block::product(simd, [m, TILE.min(count - first), dim], weights, tiles.values(tile), out, true);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::kernels::RopeStyle;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// One query over `slots`, in f64: its output and probabilities.
    pub(in crate::kernels) fn naive<E: Element>(
        query: &[f32],
        scale: f32,
        kv: &Keys<E>,
        slots: &[usize],
    ) -> (Vec<f64>, Vec<f64>) {
        let dim = query.len();
        let row = |stored: &[E], slot: usize| {
            let mut row = vec![0.0; dim];
            E::fetch(&stored[slot * dim..][..dim], &mut row);
            row
        };
        let scores: Vec<f64> = slots
            .iter()
            .map(|slot| {
                let mut key = row(kv.k, *slot);
                if let Some(rope) = kv.rotate {
                    rope.rotate(&mut key, dim, *slot);
                }
                query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(k)).sum::<f64>() * f64::from(scale)
            })
            .collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - top).exp()).sum();
        let weights: Vec<f64> = scores.iter().map(|score| (score - top).exp() / sum).collect();
        let mut out = vec![0.0; dim];
        for (slot, weight) in slots.iter().zip(&weights) {
            out.iter_mut().zip(row(kv.v, *slot)).for_each(|(out, v)| *out += weight * f64::from(v));
        }
        (out, weights)
    }

    /// Random keys, values and queries; the queries are further apart than their width.
    pub(in crate::kernels) struct Made<E> {
        shape: [usize; 4],
        k: Vec<E>,
        v: Vec<E>,
        q: Vec<f32>,
        rope: Rope,
    }

    impl<E: Element> Made<E> {
        pub(in crate::kernels) fn new(shape @ [rows, slots, group, dim]: [usize; 4]) -> Made<E> {
            let mut random = Random((rows * 31 + slots) as u64);
            let mut stored = || {
                let mut stored = vec![E::default(); slots * dim];
                E::store(&random.floats(slots * dim), &mut stored);
                stored
            };
            let (k, v) = (stored(), stored());
            let rope = Rope::new(dim, &vec![0.3; dim / 2], slots, RopeStyle::Interleaved).unwrap();
            Made { shape, k, v, q: random.floats(rows * (group * dim + 3)), rope }
        }

        pub(in crate::kernels) fn keys(&self, rotate: bool) -> Keys<'_, E> {
            Keys { k: &self.k, v: &self.v, rotate: rotate.then_some(&self.rope) }
        }

        pub(in crate::kernels) fn queries(&self) -> Queries<'_> {
            let [rows, _, group, head_dim] = self.shape;
            let scale = 2.0 / (head_dim as f32).sqrt();
            Queries { q: &self.q, stride: group * head_dim + 3, rows, group, head_dim, scale }
        }
    }

    /// f32 sums of values below 1 with weights that add up to 1; scores up to 8 with an error of 1e-7 each.
    pub(in crate::kernels) const TOLERANCE: f64 = 2e-6;

    #[allow(clippy::too_many_arguments)]
    fn check<E: Element>(name: &str, rows: usize, group: usize, dim: usize, slots: usize, window: usize, rotate: bool) {
        let made = Made::<E>::new([rows, slots, group, dim]);
        let (q, kv) = (made.queries(), made.keys(rotate));
        let out_stride = group * dim + 1;
        let span = Span { sees: slots + 1 - rows, window, fixed: false };
        let first_row = rows / 3;
        let mut masses = vec![0.0; group * (slots + 2)];
        let mut out = vec![f32::NAN; rows * out_stride];
        let mass = MassOut { columns: &mut masses, stride: slots + 2, first_row };
        let mut scratch = AttendScratch::default();
        attend_span(&q, &kv, span, &mut out, out_stride, Some(mass), &mut scratch);
        let mut want_mass = vec![0.0; masses.len()];
        for row in 0..rows {
            let seen: Vec<usize> = span.of(row).collect();
            assert!(seen.last() == Some(&(span.sees + row - 1)));
            for head in 0..group {
                let (want, weights) = naive(&q.q[row * q.stride + head * dim..][..dim], q.scale, &kv, &seen);
                let got = &out[row * out_stride + head * dim..][..dim];
                for (got, want) in got.iter().zip(&want) {
                    let error = (f64::from(*got) - want).abs();
                    assert!(error < TOLERANCE, "{name}: {rows} rows, {slots} slots: {got} for {want}");
                }
                for (slot, weight) in seen.iter().zip(&weights).filter(|_| row >= first_row) {
                    want_mass[head * (slots + 2) + slot] += weight;
                }
            }
        }
        for (got, want) in masses.iter().zip(want_mass) {
            assert!((f64::from(*got) - want).abs() < TOLERANCE * rows as f64, "{name}: mass {got} for {want}");
        }
    }

    #[test]
    fn spans_are_as_in_the_definition() {
        lanes::each::run(|name| {
            for (rows, group, dim, slots, window, rotate) in [
                (1, 3, 64, 1, usize::MAX, false),
                (1, 3, 64, 200, usize::MAX, false),
                (1, 1, 64, 131, usize::MAX, true),
                (1, 8, 16, 65, 20, false),
                (1, 3, 64, 70, 0, false),
                (7, 3, 64, 7, usize::MAX, false),
                (33, 2, 80, 170, usize::MAX, true),
                (50, 7, 4, 60, 5, false),
                (128, 4, 18, 600, 100, false),
            ] {
                check::<f32>(name, rows, group, dim, slots, window, rotate);
                check::<u16>(name, rows, group, dim, slots, window, rotate);
            }
        });
    }
}
