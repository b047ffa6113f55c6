//! Many rows times a quantised matrix on 16-bit activations: prefill where vectors have 128 bits and no fused
//! multiply-add (wasm simd128, SSE).
//!
//! One instruction there multiplies eight pairs of 16-bit words and adds each two products, where f32 takes two for
//! four; that makes this 1.5 times as fast as [`gemm`](super::gemm). Rounding a block of 32 activations to 16 bits
//! costs 2⁻¹⁶ of its largest, a sixteenth of the step of an f16 there; sums of a block are whole numbers below 2²⁸.

use fearless_simd::{Level, dispatch, f32x8, i16x8, i16x16, i32x8, prelude::*, u16x8, u16x16};

use super::activations::Rounded;
use super::matrix::{BLOCK, LANES, Store, Words};
use super::{Activations, Matrix};
use crate::lanes::{self, dot, widened_half};

/// Rows that share the loads of the weights: their sums fill half of 16 registers.
const ROWS: usize = 4;

/// A block of weights as words: pair p of row r, columns 2p and 2p + 1, at `[p][2r..2r + 2]`.
pub(super) type Pairs = [Words; BLOCK / 2];

/// Whether this is faster than f32 on `level`.
pub(super) fn serves(level: Level) -> bool {
    match level {
        #[cfg(target_arch = "wasm32")]
        Level::WasmSimd128(_) => true,
        #[cfg(target_arch = "x86_64")]
        Level::Sse2(_) | Level::Sse4_2(_) => true,
        _ => false,
    }
}

/// `out[i, r] = Σ_c x[i, c] · w[r, c]`; `w` is quantised.
pub(super) fn gemm_words(w: &Matrix, x: &Activations, out: &mut [f32], panel: &mut Vec<Pairs>) {
    panel.resize(w.blocks(), [[0; 2 * LANES]; BLOCK / 2]);
    dispatch!(lanes::level(), simd => run(simd, w, x, out, panel));
}

#[inline(always)]
fn run<S: Simd>(simd: S, w: &Matrix, x: &Activations, out: &mut [f32], panel: &mut [Pairs]) {
    for group in 0..w.groups() {
        unpack(simd, &w.store, group * w.blocks(), panel);
        for row in (0..x.rows()).step_by(ROWS) {
            let out = &mut out[row * w.rows() + group * LANES..];
            match ROWS.min(x.rows() - row) {
                1 => strip::<S, 1>(simd, w, group, x, row, panel, out),
                2 => strip::<S, 2>(simd, w, group, x, row, panel, out),
                3 => strip::<S, 3>(simd, w, group, x, row, panel, out),
                _ => strip::<S, ROWS>(simd, w, group, x, row, panel, out),
            }
        }
    }
}

/// The blocks of one group from block `first` of the store on.
#[inline(always)]
fn unpack<S: Simd>(simd: S, store: &Store, first: usize, panel: &mut [Pairs]) {
    match store {
        Store::Half(_) | Store::Single(_) => debug_assert!(false, "floats are no whole numbers"),
        Store::Q8 { words, .. } => {
            for (pairs, words) in panel.iter_mut().zip(&words[first..]) {
                for (pairs, words) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(words) {
                    let words = u16x16::from_slice(simd, words).bitcast::<i16x16<S>>();
                    ((words << 8) >> 8).bitcast::<u16x16<S>>().store_slice(&mut pairs[0]);
                    (words >> 8).bitcast::<u16x16<S>>().store_slice(&mut pairs[1]);
                }
            }
        }
        Store::Q4 { words, .. } => {
            for (pairs, words) in panel.iter_mut().zip(&words[first..]) {
                for (pairs, words) in pairs.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                    let words = u16x16::from_slice(simd, words);
                    for (pairs, shift) in pairs.iter_mut().zip([0, 4, 8, 12]) {
                        ((words >> shift) & 15).store_slice(pairs);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn strip<S: Simd, const M: usize>(
    simd: S,
    w: &Matrix,
    group: usize,
    x: &Activations,
    row: usize,
    panel: &[Pairs],
    out: &mut [f32],
) {
    let first = group * w.blocks();
    let rows: [&[Rounded]; M] = std::array::from_fn(|i| x.rounded(row + i));
    let mut sums = [f32x8::splat(simd, 0.0); M];
    for (block, pairs) in panel.iter().enumerate() {
        let x: [&Rounded; M] = std::array::from_fn(
            #[inline(always)]
            |i| &rows[i][block],
        );
        let mut whole = [i32x8::splat(simd, 0); M];
        for (p, pair) in pairs.iter().enumerate() {
            let pair = u16x16::from_slice(simd, pair);
            for (whole, x) in whole.iter_mut().zip(x) {
                *whole += dot(pair, i32x8::splat(simd, x.pairs[p]));
            }
        }
        let (scale, min) = match &w.store {
            Store::Q4 { affine, .. } => {
                let (scale, min) = u16x16::from_slice(simd, &affine[first + block]).bitcast::<i16x16<S>>().widen();
                (widened_half!(scale, f32x8<S>), Some(widened_half!(min, f32x8<S>)))
            }
            Store::Q8 { scale, .. } => {
                let (low, high) = u16x8::from_slice(simd, &scale[first + block]).bitcast::<i16x8<S>>().widen();
                (widened_half!(low.combine(high), f32x8<S>), None)
            }
            Store::Half(_) | Store::Single(_) => (f32x8::splat(simd, 0.0), None),
        };
        for ((sum, whole), x) in sums.iter_mut().zip(whole).zip(x) {
            *sum = (whole.to_float::<f32x8<S>>() * scale).mul_add(f32x8::splat(simd, x.scale), *sum);
            if let Some(min) = min {
                *sum = min.mul_add(f32x8::splat(simd, x.sum), *sum);
            }
        }
    }
    let there = LANES.min(w.rows() - group * LANES);
    for (i, sums) in sums.iter().enumerate() {
        out[i * w.rows()..][..there].copy_from_slice(&sums.as_slice()[..there]);
    }
}
