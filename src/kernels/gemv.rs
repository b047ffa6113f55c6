//! Few rows times a matrix, on 8-bit activations: decode, which is bound by how fast weights can be unpacked.
//!
//! Each 32-bit lane belongs to a row of the group. Weights go into 16-bit multiplications where they lie: masked, not
//! shifted down, with the power of two that is left taken out of the block's scale. All sums of a block are whole
//! multiples of 256 below 2³², so their conversion to f32 is exact.
//!
//! A model's weights are more than the caches hold, and one sequential read does not fill the memory bus: on the machine
//! of the first measurements 12 GB/s, four at once 20 GB/s. So four groups, a quarter of the matrix apart, are read
//! side by side.

use fearless_simd::{dispatch, f32x8, i16x8, i16x16, i32x8, prelude::*, u16x8, u16x16};

use super::activations::Rounded;
use super::matrix::{BLOCK, Eight, LANES, Store, Words};
use super::{Activations, Matrix};
use crate::lanes::{self, dot, widened_half};

/// `out[i, r] = Σ_c x[i, c] · w[r, c]`.
pub(super) fn gemv(w: &Matrix, x: &Activations, out: &mut [f32]) {
    dispatch!(lanes::level(), simd => run(simd, w, x, out));
}

/// Groups read side by side.
const STREAMS: usize = 4;

#[inline(always)]
fn run<S: Simd>(simd: S, w: &Matrix, x: &Activations, out: &mut [f32]) {
    let apart = w.groups().div_ceil(STREAMS);
    for first in 0..apart {
        // Past the end the last group again; its sums are dropped.
        let groups: [usize; STREAMS] = std::array::from_fn(|s| (first + s * apart).min(w.groups() - 1));
        let starts = groups.map(|group| group * w.blocks());
        for row in 0..x.rows() {
            let sums = match &w.store {
                Store::Half(columns) => {
                    let x = x.row(row);
                    sums(
                        simd,
                        starts,
                        x.len(),
                        #[inline(always)]
                        |at, block, sum| half(simd, &columns[at], &x[block], sum),
                    )
                }
                Store::Single(columns) => {
                    let x = x.row(row);
                    sums(
                        simd,
                        starts,
                        x.len(),
                        #[inline(always)]
                        |at, block, sum| single(simd, &columns[at], &x[block], sum),
                    )
                }
                Store::Q8 { scale, words } => {
                    let x = x.rounded(row);
                    sums(
                        simd,
                        starts,
                        x.len(),
                        #[inline(always)]
                        |at, block, sum| q8(simd, &scale[at], &words[at], &x[block], sum),
                    )
                }
                Store::Q4 { affine, words } => {
                    let (x, raised) = (x.rounded(row), x.raised(row));
                    sums(
                        simd,
                        starts,
                        x.len(),
                        #[inline(always)]
                        |at, block, sum| q4(simd, &affine[at], &words[at], &x[block], &raised[block], sum),
                    )
                }
            };
            for (s, (group, sums)) in groups.iter().zip(sums).enumerate() {
                if first + s * apart == *group {
                    let out = &mut out[row * w.rows()..][..w.rows()][group * LANES..];
                    let there = out.len().min(LANES);
                    out[..there].copy_from_slice(&sums.as_slice()[..there]);
                }
            }
        }
    }
}

/// Adds up the blocks of some groups; `add` gets where a block is in the store, its place in the row, and the sum so far.
#[inline(always)]
fn sums<S: Simd>(
    simd: S,
    starts: [usize; STREAMS],
    blocks: usize,
    add: impl Fn(usize, usize, f32x8<S>) -> f32x8<S>,
) -> [f32x8<S>; STREAMS] {
    let mut sums = [f32x8::splat(simd, 0.0); STREAMS];
    for block in 0..blocks {
        for (sum, start) in sums.iter_mut().zip(starts) {
            *sum = add(start + block, block, *sum);
        }
    }
    sums
}

#[inline(always)]
fn half<S: Simd>(simd: S, columns: &[Eight; BLOCK], x: &[f32; BLOCK], sum: f32x8<S>) -> f32x8<S> {
    // Four sums, for one alone would wait for each multiplication before it.
    let mut sums = [f32x8::splat(simd, 0.0); 4];
    for (columns, x) in columns.as_chunks::<4>().0.iter().zip(x.as_chunks::<4>().0) {
        for ((sum, bits), x) in sums.iter_mut().zip(columns).zip(x) {
            let (low, high) = u16x8::from_slice(simd, bits).bitcast::<i16x8<S>>().widen();
            *sum = widened_half!(low.combine(high), f32x8<S>).mul_add(f32x8::splat(simd, *x), *sum);
        }
    }
    sum + ((sums[0] + sums[1]) + (sums[2] + sums[3]))
}

#[inline(always)]
fn single<S: Simd>(simd: S, columns: &[[f32; LANES]; BLOCK], x: &[f32; BLOCK], sum: f32x8<S>) -> f32x8<S> {
    columns.iter().zip(x).fold(
        sum,
        #[inline(always)]
        |sum, (column, x)| f32x8::from_slice(simd, column).mul_add(f32x8::splat(simd, *x), sum),
    )
}

#[inline(always)]
fn q8<S: Simd>(simd: S, scale: &Eight, words: &[Words; 8], x: &Rounded, sum: f32x8<S>) -> f32x8<S> {
    let mut whole = i32x8::splat(simd, 0);
    for (words, [low, high]) in words.iter().zip(x.pairs.as_chunks::<2>().0) {
        let words = u16x16::from_slice(simd, words);
        whole += dot(words << 8, i32x8::splat(simd, *low)) + dot(words & 0xff00, i32x8::splat(simd, *high));
    }
    let (low, high) = u16x8::from_slice(simd, scale).bitcast::<i16x8<S>>().widen();
    let scale = widened_half!(low.combine(high), f32x8<S>) * (x.scale / 256.0);
    whole.to_float::<f32x8<S>>().mul_add(scale, sum)
}

#[inline(always)]
fn q4<S: Simd>(
    simd: S,
    affine: &Words,
    words: &[Words; 4],
    x: &Rounded,
    raised: &[i32; BLOCK / 2],
    sum: f32x8<S>,
) -> f32x8<S> {
    let mut whole = i32x8::splat(simd, 0);
    for (words, pairs) in words.iter().zip(raised.as_chunks::<4>().0) {
        let words = u16x16::from_slice(simd, words);
        let pairs = pairs.map(|pair| i32x8::splat(simd, pair));
        whole += (dot(words & 0x000f, pairs[0]) + dot(words & 0x00f0, pairs[1]))
            + (dot(words & 0x0f00, pairs[2]) + dot(words >> 12, pairs[3]));
    }
    let (scale, min) = u16x16::from_slice(simd, affine).bitcast::<i16x16<S>>().widen();
    let scale = widened_half!(scale, f32x8<S>) * (x.scale / 256.0);
    let sum = whole.to_float::<f32x8<S>>().mul_add(scale, sum);
    widened_half!(min, f32x8<S>).mul_add(f32x8::splat(simd, x.sum), sum)
}
