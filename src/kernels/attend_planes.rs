//! Attention of one KV head for its group of query heads, straight from two 4-bit planes.
//!
//! A number x of a plane is `code * s + z` with a step s and a zero z that a group shares. So a query's product with a
//! key is that of `q s` with the codes, plus `q z`: the steps of a key group, which it has by channel, are multiplied
//! into the query once a group. In the same way a value's step, which it has by token, goes into its weight. What is
//! left in the inner loops is to turn nibbles into floats.
//!
//! The read is of one plane or of both, in which case the code is `16 u + l + 8` of a step s / 16.

use fearless_simd::{dispatch, prelude::*};

use super::activations::FEW_ROWS;
use super::direct::{self, Stored};
use super::softmax::softmax;
use super::tile::Run;
use super::{AttendScratch, Element, Keys, MassOut, Queries};
use crate::lanes;

/// Keys or values in planes.
#[derive(Clone, Copy)]
pub struct PlaneCodes<'a> {
    /// Upper codes, `[rows, head_dim / 2]`: the even channel in the low half of a byte.
    pub upper: &'a [u8],
    /// Lower codes plus 8, in the same way; `None`: the upper ones are read alone.
    pub lower: Option<&'a [u8]>,
    /// Distance of upper codes: of keys `[rows / tokens, head_dim]`, of values `[rows, head_dim / channels]`.
    pub steps: &'a [f32],
    /// What upper code 0 stands for, in the same order.
    pub zeros: &'a [f32],
}

/// The oldest slots of a KV head, in planes.
#[derive(Clone, Copy)]
pub struct PlaneRows<'a> {
    /// Keys.
    pub k: PlaneCodes<'a>,
    /// Values, read by as many planes as the keys.
    pub v: PlaneCodes<'a>,
    /// How many; whole groups of keys.
    pub rows: usize,
    /// Tokens of a key group.
    pub tokens: usize,
    /// Channels of a value group.
    pub channels: usize,
}

/// Buffers of [`attend_planes`].
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// Queries times the steps of a key group, `[group, head_dim]`.
    queries: Vec<f32>,
    /// Of each query the product with the zeros; of its weights with theirs.
    zeros: Vec<f32>,
    /// Steps and zeros of one value group, `[slots]`, where a token has several.
    grids: [Vec<f32>; 2],
    /// Scores or weights of some slots, `[group, slots]`.
    part: Vec<f32>,
    /// Sums over values of some channels, `[group, channels]`.
    sums: Vec<f32>,
}

/// Whether [`attend_planes`] can take these queries, with value groups of `channels`: few rows, and groups of whole
/// pairs of vectors.
#[must_use]
pub fn planes_serve(q: &Queries, channels: usize) -> bool {
    #[inline(always)]
    fn whole<S: Simd>(_: S, n: usize) -> bool {
        n.is_multiple_of(2 * S::f32s::LEN)
    }
    q.rows <= FEW_ROWS && dispatch!(lanes::narrow_level(), simd => whole(simd, q.head_dim) && whole(simd, channels))
}

/// Attention of every row over the slots in planes and those of `tail` after them, of which row r sees the first
/// `sees + r` of all; into `out` `[rows, out_stride]`, head g at `g * head_dim` of the row. Each row comes out as it
/// would alone.
#[expect(clippy::too_many_arguments, reason = "those of attend_span, and the planes")]
pub fn attend_planes<E: Element>(
    q: &Queries,
    planes: &PlaneRows,
    tail: &Keys<E>,
    sees: usize,
    out: &mut [f32],
    out_stride: usize,
    mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    debug_assert!(sees >= planes.rows && tail.rotate.is_none(), "rows in planes are old and rotated");
    let upper = |codes| Upper { codes, stride: q.head_dim / 2, first: 0 };
    let both = |codes, lower| Both { upper: upper(codes), lower: upper(lower) };
    let [k, v] = [planes.k, planes.v];
    dispatch!(lanes::narrow_level(), simd => match (k.lower, v.lower) {
        (Some(k_lower), Some(v_lower)) => {
            let codes = [both(k.upper, k_lower), both(v.upper, v_lower)];
            run(simd, q, planes, codes, tail, sees, out, out_stride, mass, scratch);
        }
        _ => run(simd, q, planes, [upper(k.upper), upper(v.upper)], tail, sees, out, out_stride, mass, scratch),
    });
}

/// Codes as the inner loops read them: of every so many channels the even ones, then the odd ones.
trait Codes: Stored {
    /// What a code counts, in steps.
    const STEP: f32;
    /// Steps from code 0 to the zero.
    const BELOW: f32;
    /// The same without the channels before `first`.
    fn from(self, first: usize) -> Self;
}

/// One plane.
#[derive(Clone, Copy)]
struct Upper<'a> {
    codes: &'a [u8],
    /// Bytes from a row to the next.
    stride: usize,
    /// Bytes of a row that are left out.
    first: usize,
}

impl<'a> Stored for Upper<'a> {
    type Row = &'a [u8];

    #[inline(always)]
    fn row(self, slot: usize, dim: usize) -> &'a [u8] {
        &self.codes[slot * self.stride + self.first..][..dim / 2]
    }

    #[inline(always)]
    fn pair<S: Simd>(simd: S, row: &'a [u8], at: usize) -> (S::f32s, S::f32s) {
        let codes = widened(simd, &row[at / 2..][..S::f32s::LEN]);
        (float::<S>(codes & 15), float::<S>(codes >> 4))
    }
}

impl Codes for Upper<'_> {
    const STEP: f32 = 1.0;
    const BELOW: f32 = 0.0;

    fn from(self, first: usize) -> Self {
        Upper { first: first / 2, ..self }
    }
}

/// Two planes.
#[derive(Clone, Copy)]
struct Both<'a> {
    upper: Upper<'a>,
    lower: Upper<'a>,
}

impl<'a> Stored for Both<'a> {
    type Row = [&'a [u8]; 2];

    #[inline(always)]
    fn row(self, slot: usize, dim: usize) -> [&'a [u8]; 2] {
        [self.upper.row(slot, dim), self.lower.row(slot, dim)]
    }

    #[inline(always)]
    fn pair<S: Simd>(simd: S, row: [&'a [u8]; 2], at: usize) -> (S::f32s, S::f32s) {
        let [upper, lower] = row.map(
            #[inline(always)]
            |row| widened(simd, &row[at / 2..][..S::f32s::LEN]),
        );
        (float::<S>((upper & 15) << 4 | (lower & 15)), float::<S>((upper & 0xf0) | (lower >> 4)))
    }
}

impl Codes for Both<'_> {
    const STEP: f32 = 1.0 / 16.0;
    const BELOW: f32 = 0.5;

    fn from(self, first: usize) -> Self {
        Both { upper: self.upper.from(first), lower: self.lower.from(first) }
    }
}

/// As many bytes as an f32 vector has lanes, one a lane.
#[inline(always)]
fn widened<S: Simd>(simd: S, bytes: &[u8]) -> S::u32s {
    /// More bytes than any vector has.
    const MOST: usize = 64;
    let mut padded = [0; MOST];
    padded[..S::f32s::LEN].copy_from_slice(bytes);
    S::u8s::from_slice(simd, &padded[..S::u8s::LEN]).widen().0.widen().0
}

/// Small whole numbers; as signed ones they convert in one instruction everywhere.
#[inline(always)]
fn float<S: Simd>(codes: S::u32s) -> S::f32s {
    codes.bitcast::<S::i32s>().to_float::<S::f32s>()
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "those of attend_planes and the instruction set")]
fn run<S: Simd, E: Element, C: Codes>(
    simd: S,
    q: &Queries,
    planes: &PlaneRows,
    [keys, values]: [C; 2],
    tail: &Keys<E>,
    sees: usize,
    out: &mut [f32],
    out_stride: usize,
    mut mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    let dim = q.head_dim;
    for row in 0..q.rows {
        let count = sees + row;
        scratch.load(q, row..row + 1);
        let AttendScratch { queries, scores, sums, folded, .. } = scratch;
        scores.resize(q.group * count, 0.0);
        let newer = Run { first: 0, count: count - planes.rows };
        for (first, grids) in (0..planes.rows).step_by(planes.tokens).zip((0..).step_by(dim)) {
            folded.key_group::<S, C>(simd, queries, [&planes.k.steps[grids..][..dim], &planes.k.zeros[grids..][..dim]]);
            let slots = Run { first, count: planes.tokens };
            folded.part.resize(q.group * slots.count, 0.0);
            direct::score(simd, dim, &folded.queries, keys, slots, &mut folded.part);
            let parts = folded.part.chunks_exact(slots.count).zip(&folded.zeros);
            for (scores, (part, zero)) in scores.chunks_exact_mut(count).zip(parts) {
                scores[first..][..slots.count].iter_mut().zip(part).for_each(|(score, part)| *score = part + zero);
            }
        }
        if newer.count > 0 {
            folded.part.resize(q.group * newer.count, 0.0);
            direct::score(simd, dim, queries, tail.k, newer, &mut folded.part);
            for (scores, part) in scores.chunks_exact_mut(count).zip(folded.part.chunks_exact(newer.count)) {
                scores[planes.rows..].copy_from_slice(part);
            }
        }
        scratch.own.extend(scores.chunks_exact_mut(count).map(|scores| 1.0 / softmax(simd, scores)));

        sums.clear();
        sums.resize(q.group * dim, 0.0);
        for group in 0..dim / planes.channels {
            folded.weights::<S, C>(simd, scores, count, planes, group);
            folded.sums.resize(q.group * planes.channels, 0.0);
            let slots = Run { first: 0, count: planes.rows };
            let first = group * planes.channels;
            direct::weigh(simd, planes.channels, &folded.part, values.from(first), slots, &mut folded.sums);
            let parts = folded.sums.chunks_exact(planes.channels).zip(&folded.zeros);
            for (sums, (part, zero)) in sums.chunks_exact_mut(dim).zip(parts) {
                in_order(simd, part, *zero, &mut sums[first..][..planes.channels]);
            }
        }
        if newer.count > 0 {
            folded.part.clear();
            scores.chunks_exact(count).for_each(|weights| folded.part.extend_from_slice(&weights[planes.rows..]));
            folded.sums.resize(q.group * dim, 0.0);
            direct::weigh(simd, dim, &folded.part, tail.v, newer, &mut folded.sums);
            sums.iter_mut().zip(&folded.sums).for_each(|(sum, part)| *sum += part);
        }

        for (head, (sums, inverse)) in sums.chunks_exact(dim).zip(&scratch.own).enumerate() {
            for (out, sum) in out[row * out_stride + head * dim..].iter_mut().zip(sums) {
                *out = sum * inverse;
            }
            if let Some(mass) = mass.as_mut().filter(|mass| row >= mass.first_row) {
                let columns = &mut mass.columns[head * mass.stride..][..count];
                let weights = &scores[head * count..][..count];
                columns.iter_mut().zip(weights).for_each(|(mass, weight)| *mass += weight * inverse);
            }
        }
    }
}

impl Folded {
    /// Multiplies the steps of a key group into `queries` `[group, dim]`, in the order of codes.
    #[inline(always)]
    fn key_group<S: Simd, C: Codes>(&mut self, simd: S, queries: &[f32], [steps, zeros]: [&[f32]; 2]) {
        let (dim, pair) = (steps.len(), 2 * S::f32s::LEN);
        self.queries.resize(queries.len(), 0.0);
        self.zeros.clear();
        for (query, folded) in queries.chunks_exact(dim).zip(self.queries.chunks_exact_mut(dim)) {
            let mut sum = S::f32s::splat(simd, 0.0);
            for at in (0..dim).step_by(pair) {
                let [q, s, z] = [query, steps, zeros].map(
                    #[inline(always)]
                    |of| f32::pair(simd, &of[at..][..pair]),
                );
                sum = (z.0 - s.0 * C::BELOW).mul_add(q.0, (z.1 - s.1 * C::BELOW).mul_add(q.1, sum));
                let (even, odd) = (q.0 * (s.0 * C::STEP)).deinterleave(q.1 * (s.1 * C::STEP));
                even.store_slice(&mut folded[at..][..pair / 2]);
                odd.store_slice(&mut folded[at + pair / 2..][..pair / 2]);
            }
            self.zeros.push(lanes::sum::<S>(sum));
        }
    }

    /// Multiplies the steps of value group `group` of every token into the weights `[heads, count]` of the slots in
    /// planes.
    #[inline(always)]
    fn weights<S: Simd, C: Codes>(&mut self, simd: S, weights: &[f32], count: usize, planes: &PlaneRows, group: usize) {
        let groups = planes.v.steps.len() / planes.rows.max(1);
        let grids = [planes.v.steps, planes.v.zeros];
        if groups > 1 {
            for (own, grids) in self.grids.iter_mut().zip(grids) {
                own.clear();
                own.extend(grids.iter().skip(group).step_by(groups));
            }
        }
        let [steps, zeros] = if groups > 1 { self.grids.each_ref().map(|own| &own[..]) } else { grids };
        self.part.clear();
        self.zeros.clear();
        for weights in weights.chunks_exact(count) {
            let from = self.part.len();
            self.part.extend_from_slice(&weights[..planes.rows]);
            let mut sum = S::f32s::splat(simd, 0.0);
            let part = self.part[from..].chunks_mut(S::f32s::LEN);
            for ((part, steps), zeros) in part.zip(steps.chunks(S::f32s::LEN)).zip(zeros.chunks(S::f32s::LEN)) {
                let [w, s, z] = [&*part, steps, zeros].map(
                    #[inline(always)]
                    |of| lanes::load_or(simd, of, 0.0),
                );
                sum = (z - s * C::BELOW).mul_add(w, sum);
                part.copy_from_slice(&(w * (s * C::STEP)).as_slice()[..part.len()]);
            }
            self.zeros.push(lanes::sum::<S>(sum));
        }
    }
}

/// Sums over codes plus what their zeros come to, in the order of channels.
#[inline(always)]
fn in_order<S: Simd>(simd: S, sums: &[f32], zero: f32, out: &mut [f32]) {
    let half = S::f32s::LEN;
    for (sums, out) in sums.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half)) {
        let (even, odd) = f32::pair(simd, sums);
        let (first, second) = (even + zero).interleave(odd + zero);
        first.store_slice(&mut out[..half]);
        second.store_slice(&mut out[half..]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grid;
    use super::super::attend::tests::{TOLERANCE, naive};
    use super::*;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Random codes and grids, and the numbers they stand for by the definition in `grid.rs`.
    struct Made {
        packed: [Vec<u8>; 2],
        grids: [Vec<f32>; 2],
        numbers: Vec<f32>,
    }

    impl Made {
        /// `grid` says which of `grids` a number of a row is on.
        fn new(
            random: &mut Random,
            [rows, dim]: [usize; 2],
            grids: usize,
            grid: impl Fn(usize, usize) -> usize,
        ) -> Made {
            let steps: Vec<f32> = (0..grids).map(|_| random.float().abs() / 8.0).collect();
            let zeros: Vec<f32> = (0..grids).map(|_| random.float() - 1.0).collect();
            let codes: Vec<[u8; 2]> =
                (0..rows * dim).map(|_| [0, 4].map(|i| (random.bits() >> i & 15) as u8)).collect();
            let pack = |plane: usize| codes.chunks(2).map(|two| two[0][plane] | two[1][plane] << 4).collect();
            let numbers = codes.iter().enumerate().flat_map(|(i, code)| {
                let at = grid(i / dim, i % dim);
                let grid = Grid { zero: zeros[at], step: steps[at] };
                [grid.coarse(code[0]), grid.fine(code[0], code[1].cast_signed() - 8)]
            });
            Made { packed: [pack(0), pack(1)], numbers: numbers.collect(), grids: [steps, zeros] }
        }

        fn codes(&self, fine: bool) -> PlaneCodes<'_> {
            let [steps, zeros] = &self.grids;
            PlaneCodes { upper: &self.packed[0], lower: fine.then_some(&self.packed[1]), steps, zeros }
        }

        /// The numbers, then the tail's.
        fn and(&self, fine: bool, tail: &[f32]) -> Vec<f32> {
            self.numbers.iter().skip(usize::from(fine)).step_by(2).chain(tail).copied().collect()
        }
    }

    /// `[rows, group, dim, quantised, tail, tokens, channels]`
    fn check(name: &str, shape: [usize; 7], fine: bool) {
        let [rows, group, dim, quantised, newer, tokens, channels] = shape;
        let mut random = Random((quantised + newer) as u64);
        let k = Made::new(&mut random, [quantised, dim], quantised / tokens * dim, |row, c| row / tokens * dim + c);
        let per = dim / channels;
        let v = Made::new(&mut random, [quantised, dim], quantised * per, |row, c| row * per + c / channels);
        let (tail_k, tail_v) = (random.floats(newer * dim), random.floats(newer * dim));
        let planes = PlaneRows { k: k.codes(fine), v: v.codes(fine), rows: quantised, tokens, channels };
        let stride = group * dim + 3;
        let query = random.floats(rows * stride);
        let q = Queries { q: &query, stride, rows, group, head_dim: dim, scale: 1.0 / (dim as f32).sqrt() };
        if !planes_serve(&q, channels) {
            return;
        }
        let (total, first_row) = (quantised + newer, rows / 2);
        let tail = Keys { k: &tail_k[..], v: &tail_v[..], rotate: None };
        let run = |q: &Queries, sees: usize, first_row: usize| {
            let (mut out, mut masses) = (vec![f32::NAN; q.rows * stride], vec![0.0; group * (total + 2)]);
            let mass = MassOut { columns: &mut masses, stride: total + 2, first_row };
            attend_planes(q, &planes, &tail, sees, &mut out, stride, Some(mass), &mut AttendScratch::default());
            (out, masses)
        };
        let sees = total + 1 - rows;
        let (out, masses) = run(&q, sees, first_row);
        let (all_k, all_v) = (k.and(fine, &tail_k), v.and(fine, &tail_v));
        let kv = Keys { k: &all_k[..], v: &all_v[..], rotate: None };
        let mut want_mass = vec![0.0; masses.len()];
        for row in 0..rows {
            let alone = run(&Queries { q: &query[row * stride..], rows: 1, ..q }, sees + row, 0).0;
            let seen: Vec<usize> = (0..sees + row).collect();
            for head in 0..group {
                let (want, weights) = naive(&query[row * stride + head * dim..][..dim], q.scale, &kv, &seen);
                let got = &out[row * stride + head * dim..][..dim];
                assert_eq!(got, &alone[head * dim..][..dim], "{name}: row {row} of {rows} is not what it is alone");
                for (got, want) in got.iter().zip(&want) {
                    assert!((f64::from(*got) - want).abs() < TOLERANCE, "{name} {shape:?} {fine}: {got} for {want}");
                }
                for (slot, weight) in seen.iter().zip(&weights).filter(|_| row >= first_row) {
                    want_mass[head * (total + 2) + slot] += weight;
                }
            }
        }
        for (got, want) in masses.iter().zip(want_mass) {
            assert!(
                (f64::from(*got) - want).abs() < TOLERANCE * rows as f64,
                "{name} {shape:?}: mass {got} for {want}"
            );
        }
    }

    #[test]
    fn planes_are_as_in_the_definition() {
        lanes::each::run(|name| {
            for fine in [false, true] {
                check(name, [1, 3, 64, 256, 70, 64, 64], fine);
                check(name, [5, 3, 64, 128, 77, 64, 64], fine);
                check(name, [8, 2, 16, 40, 16, 8, 16], fine);
                check(name, [1, 1, 128, 96, 1, 32, 32], fine);
                check(name, [3, 9, 32, 33, 9, 3, 16], fine);
                check(name, [2, 4, 16, 30, 2, 5, 8], fine);
            }
        });
    }

    #[test]
    fn other_groups_are_left_to_others() {
        let q = Queries { q: &[], stride: 0, rows: 1, group: 1, head_dim: 64, scale: 1.0 };
        let serve = |rows, head_dim, channels| planes_serve(&Queries { rows, head_dim, ..q }, channels);
        lanes::each::run(|name| {
            assert!(serve(8, 64, 64), "{name}");
            assert!(!serve(9, 64, 64) && !serve(1, 18, 18) && !serve(1, 64, 2), "{name}");
        });
    }
}
