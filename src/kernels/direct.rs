//! Scores and weighted values for the few queries of a decode step, straight from storage.
//!
//! A tile laid out for block products pays off when many queries read it. Here a key serves one to four, so it is
//! converted in registers and used at once.

use std::{hint::black_box, ops::Range};

use fearless_simd::{f32x4, prelude::*};

use super::Element;
use super::tile::Slots;

/// Most queries of a pass: with four slots each their sums fit the registers of AVX2.
const PASS: usize = 4;
/// Up to so many queries two passes beat a tile.
const FEW: usize = 2 * PASS;
/// Slots worked on before the next: their rows stay in the first-level cache.
pub(super) const NEAR: usize = 128;
/// Bytes that memory hands over at once.
const LINE: usize = 64;
/// Part of [`Element::RAW`] that goes into the queries; the rest goes into the scores, lest a product overflow.
const EARLY: f32 = f32::from_bits((127 + 96) << 23);
/// Slots scored together, the lanes of one result.
pub(super) const SLOTS: usize = 4;

/// Whether `queries` of `dim` components can be served here: rows must be whole pairs of vectors, others need the
/// padding of a tile.
#[inline(always)]
pub(super) fn serves<S: Simd>(queries: usize, dim: usize) -> bool {
    queries <= FEW && dim.is_multiple_of(2 * S::f32s::LEN)
}

/// The scores `[queries, slots]` of `q` `[queries, dim]` with the keys of `slots`. Scales `q`.
///
/// Not inlined, nor is [`weigh`]: within more code the same lines compile to 10% slower ones.
pub(super) fn score<S: Simd, E: Element>(
    simd: S,
    dim: usize,
    q: &mut [f32],
    keys: &[E],
    slots: impl Slots,
    out: &mut [f32],
) {
    let early = E::RAW.min(EARLY);
    q.iter_mut().for_each(|q| *q *= early);
    simd.vectorize(
        #[inline(always)]
        || {
            for (q, out) in q.chunks(PASS * dim).zip(out.chunks_mut(PASS * slots.count())) {
                // Vectors of four have too few registers for the sums of four slots.
                match (q.len() / dim, S::f32s::LEN) {
                    (1, _) => score_pass::<S, E, 1, 4>(simd, dim, q, keys, slots, out),
                    (2, _) => score_pass::<S, E, 2, 4>(simd, dim, q, keys, slots, out),
                    (3, 4) => score_pass::<S, E, 3, 2>(simd, dim, q, keys, slots, out),
                    (3, _) => score_pass::<S, E, 3, 4>(simd, dim, q, keys, slots, out),
                    (_, 4) => score_pass::<S, E, PASS, 2>(simd, dim, q, keys, slots, out),
                    _ => score_pass::<S, E, PASS, 4>(simd, dim, q, keys, slots, out),
                }
            }
        },
    );
}

/// Adds to the sums `[queries, dim]` the values of `slots`, weighted by `weights` `[queries, slots]`.
pub(super) fn weigh<S: Simd, E: Element>(
    simd: S,
    dim: usize,
    weights: &[f32],
    values: &[E],
    slots: impl Slots,
    out: &mut [f32],
) {
    simd.vectorize(
        #[inline(always)]
        || {
            for (weights, out) in weights.chunks(PASS * slots.count()).zip(out.chunks_mut(PASS * dim)) {
                match out.len() / dim {
                    1 => weigh_pass::<S, E, 1>(simd, dim, weights, values, slots, out),
                    2 => weigh_pass::<S, E, 2>(simd, dim, weights, values, slots, out),
                    3 => weigh_pass::<S, E, 3>(simd, dim, weights, values, slots, out),
                    _ => weigh_pass::<S, E, PASS>(simd, dim, weights, values, slots, out),
                }
            }
        },
    );
}

/// Reads a number of every line of rows that lie apart. No machine foresees where they are, and the work on a row leaves
/// few others under way at the same time; these reads wait for memory together.
#[inline(always)]
fn await_rows<E: Element, L: Slots>(dim: usize, rows: &[E], slots: L, indices: Range<usize>) {
    if L::APART {
        for index in indices {
            for line in rows[slots.slot(index) * dim..][..dim].chunks(LINE / size_of::<E>()) {
                black_box(line[0]);
            }
        }
    }
}

/// `G` queries, `N` slots at a time.
#[inline(always)]
fn score_pass<S: Simd, E: Element, const G: usize, const N: usize>(
    simd: S,
    dim: usize,
    q: &[f32],
    keys: &[E],
    slots: impl Slots,
    out: &mut [f32],
) {
    let (count, late) = (slots.count(), E::RAW / E::RAW.min(EARLY));
    let q: [&[f32]; G] = std::array::from_fn(|g| &q[g * dim..][..dim]);
    for first in (0..count).step_by(N) {
        if first % NEAR == 0 {
            await_rows(dim, keys, slots, first..count.min(first + NEAR));
        }
        // Past the end the last key again; its scores are dropped.
        let keys: [&[E]; N] = std::array::from_fn(|i| &keys[slots.slot((first + i).min(count - 1)) * dim..][..dim]);
        // Four sums a query make a vector; with fewer slots the others stay 0.
        let mut sums = [[S::f32s::splat(simd, 0.0); 4]; G];
        for at in (0..dim).step_by(2 * S::f32s::LEN) {
            let q = q.map(
                #[inline(always)]
                |q| f32::raw(simd, &q[at..][..2 * S::f32s::LEN]),
            );
            for (slot, key) in keys.iter().enumerate() {
                let key = E::raw(simd, &key[at..][..2 * S::f32s::LEN]);
                for (sums, q) in sums.iter_mut().zip(&q) {
                    sums[slot] = key.1.mul_add(q.1, key.0.mul_add(q.0, sums[slot]));
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(count)) {
            let there = N.min(count - first);
            let totals = totals(simd, sums) * late;
            out[first..][..there].copy_from_slice(&totals.as_slice()[..there]);
        }
    }
}

/// The sums across the lanes of four vectors.
#[inline(always)]
pub(super) fn totals<S: Simd>(simd: S, sums: &[S::f32s; SLOTS]) -> f32x4<S> {
    let [a, b, c, d] = sums.map(
        #[inline(always)]
        |sum| {
            let blocks = sum.as_slice().chunks_exact(4);
            blocks
                .map(
                    #[inline(always)]
                    |block| f32x4::from_slice(simd, block),
                )
                .reduce(
                    #[inline(always)]
                    |a, b| a + b,
                )
                .unwrap_or(f32x4::splat(simd, 0.0))
        },
    );
    let (ac, bd) = (a.zip_low(c) + a.zip_high(c), b.zip_low(d) + b.zip_high(d));
    ac.zip_low(bd) + ac.zip_high(bd)
}

#[inline(always)]
fn weigh_pass<S: Simd, E: Element, const G: usize>(
    simd: S,
    dim: usize,
    weights: &[f32],
    values: &[E],
    slots: impl Slots,
    out: &mut [f32],
) {
    let (count, step) = (slots.count(), 2 * S::f32s::LEN);
    let weights: [&[f32]; G] = std::array::from_fn(|g| &weights[g * count..][..count]);
    for first in (0..count).step_by(NEAR) {
        let near = NEAR.min(count - first);
        await_rows(dim, values, slots, first..first + near);
        let mut scaled = [[0.0; NEAR]; G];
        for (scaled, weights) in scaled.iter_mut().zip(&weights) {
            for (scaled, weight) in scaled.iter_mut().zip(&weights[first..][..near]) {
                *scaled = weight * E::RAW;
            }
        }
        for at in (0..dim).step_by(step) {
            let mut sums: [_; G] = std::array::from_fn(
                #[inline(always)]
                |g| f32::raw(simd, &out[g * dim + at..][..step]),
            );
            for index in 0..near {
                let value = E::raw(simd, &values[slots.slot(first + index) * dim + at..][..step]);
                for (sum, scaled) in sums.iter_mut().zip(&scaled) {
                    let weight = S::f32s::splat(simd, scaled[index]);
                    *sum = (value.0.mul_add(weight, sum.0), value.1.mul_add(weight, sum.1));
                }
            }
            for (sum, out) in sums.iter().zip(out.chunks_exact_mut(dim)) {
                sum.0.store_slice(&mut out[at..][..step / 2]);
                sum.1.store_slice(&mut out[at + step / 2..][..step / 2]);
            }
        }
    }
}
