//! Attention of one KV head for its group of query heads, straight from two 4-bit planes.
//!
//! Queries and weights carry the grids ([`folded`](super::folded)). What is left in the inner loops is to turn nibbles
//! into floats ([`codes`]).
//!
//! The read is of one plane or of both, in which case the code is `16 u + l + 8` of a step s / 16.

use fearless_simd::{dispatch, prelude::*};

use super::activations::FEW_ROWS;
use super::codes::{self, Both, Codes, Upper};
use super::direct;
use super::folded::Folded;
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

/// Whether [`attend_planes`] can take these queries, with value groups of `channels`: few rows, which are the faster
/// one by one; groups of whole bytes; a tail that is read straight from storage.
#[must_use]
pub fn planes_serve(q: &Queries, channels: usize) -> bool {
    let tail = dispatch!(lanes::narrow_level(), simd => direct_serves(simd, q));
    q.rows <= FEW_ROWS && channels.is_multiple_of(2) && tail
}

#[inline(always)]
fn direct_serves<S: Simd>(_: S, q: &Queries) -> bool {
    direct::serves::<S>(1, q.head_dim)
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
    debug_assert!(sees >= planes.rows && tail.rotate.is_none(), "rows in planes are old, and were rotated");
    let stride = q.head_dim / 2;
    let upper = |codes| Upper { codes, stride, first: 0, count: stride };
    let both = |codes, lower| Both { upper: upper(codes), lower: upper(lower) };
    let bytes = planes.channels / 2;
    let [k, v] = [planes.k, planes.v];
    dispatch!(lanes::narrow_level(), simd => match (k.lower, v.lower) {
        (Some(k_lower), Some(v_lower)) => {
            let values = |group: usize| both(v.upper, v_lower).from(group * bytes, bytes);
            run(simd, q, planes, both(k.upper, k_lower), values, tail, sees, out, out_stride, mass, scratch);
        }
        _ => {
            let values = |group: usize| upper(v.upper).from(group * bytes, bytes);
            run(simd, q, planes, upper(k.upper), values, tail, sees, out, out_stride, mass, scratch);
        }
    });
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "those of attend_planes and the instruction set")]
fn run<S: Simd, E: Element, C: Codes>(
    simd: S,
    q: &Queries,
    planes: &PlaneRows,
    keys: C,
    values: impl Fn(usize) -> C,
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
        let newer = Run { first: 0, count: count - planes.rows };
        scratch.load(q, row..row + 1);
        let AttendScratch { queries, scores, sums, folded, own, .. } = scratch;
        scores.resize(q.group * count, 0.0);
        folded.load::<S>(queries, dim);
        for (first, grids) in (0..planes.rows).step_by(planes.tokens).zip((0..).step_by(dim)) {
            let [steps, zeros] = [planes.k.steps, planes.k.zeros].map(|of| &of[grids..][..dim]);
            folded.key_group::<S, C>(simd, queries, steps, zeros);
            let Folded { queries, part, zeros, .. } = folded;
            part.resize(q.group * planes.tokens, 0.0);
            codes::score(simd, queries.len() / q.group, queries, keys, first, part);
            for (scores, (part, zero)) in
                scores.chunks_exact_mut(count).zip(part.chunks_exact(planes.tokens).zip(zeros))
            {
                let scores = &mut scores[first..][..planes.tokens];
                scores.iter_mut().zip(part).for_each(|(score, part)| *score = part + *zero);
            }
        }
        if newer.count > 0 {
            folded.part.resize(q.group * newer.count, 0.0);
            direct::score(simd, dim, queries, tail.k, newer, &mut folded.part);
            for (scores, part) in scores.chunks_exact_mut(count).zip(folded.part.chunks_exact(newer.count)) {
                scores[planes.rows..].copy_from_slice(part);
            }
        }
        own.extend(scores.chunks_exact_mut(count).map(|scores| 1.0 / softmax(simd, scores)));

        sums.clear();
        sums.resize(q.group * dim, 0.0);
        if newer.count > 0 {
            folded.part.clear();
            scores.chunks_exact(count).for_each(|weights| folded.part.extend_from_slice(&weights[planes.rows..]));
            direct::weigh(simd, dim, &folded.part, tail.v, newer, sums);
        }
        for group in 0..dim / planes.channels {
            folded.weights::<S, C>(simd, scores, count, planes, group);
            let Folded { part, zeros, sums: codes, .. } = folded;
            let padded = planes.channels.next_multiple_of(codes::block::<S>());
            codes.resize(q.group * padded, 0.0);
            codes::weigh(simd, padded, part, values(group), codes);
            for ((sums, codes), zero) in sums.chunks_exact_mut(dim).zip(codes.chunks_exact(padded)).zip(zeros) {
                let sums = &mut sums[group * planes.channels..][..planes.channels];
                for (at, code) in codes.iter().enumerate() {
                    if let Some(sum) = sums.get_mut(codes::channel::<S>(at)) {
                        *sum += code + *zero;
                    }
                }
            }
        }

        for (head, (sums, inverse)) in sums.chunks_exact(dim).zip(&*own).enumerate() {
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
        assert!(planes_serve(&q, channels), "{name} {shape:?}");
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
                check(name, [2, 7, 80, 24, 3, 12, 20], fine);
            }
        });
    }

    #[test]
    fn other_groups_are_left_to_others() {
        let q = Queries { q: &[], stride: 0, rows: 1, group: 1, head_dim: 64, scale: 1.0 };
        let serve = |rows, head_dim, channels| planes_serve(&Queries { rows, head_dim, ..q }, channels);
        lanes::each::run(|name| {
            assert!(serve(8, 64, 64), "{name}");
            assert!(!serve(9, 64, 64) && !serve(1, 18, 18) && !serve(1, 64, 1), "{name}");
        });
    }
}
