//! What a KV cache stores.

use fearless_simd::prelude::*;

use super::half;
use crate::lanes::{HALF, placed_half, widened_half};

/// A stored key or value component: `f32`, or the bits of an f16 as `u16`.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// Rounds a row for storage.
    fn store(values: &[f32], out: &mut [Self]);
    /// Reads a row back.
    fn fetch(stored: &[Self], out: &mut [f32]);
    /// What [`raw`](Element::raw) must be multiplied by, a power of two.
    #[doc(hidden)]
    const RAW: f32;
    /// Two vectors from as many components as they have lanes.
    #[doc(hidden)]
    fn pair<S: Simd>(simd: S, stored: &[Self]) -> (S::f32s, S::f32s);
    /// The same, divided by [`RAW`](Element::RAW): what takes fewest instructions.
    #[doc(hidden)]
    fn raw<S: Simd>(simd: S, stored: &[Self]) -> (S::f32s, S::f32s);
}

impl Element for f32 {
    const RAW: f32 = 1.0;

    fn store(values: &[f32], out: &mut [f32]) {
        out.copy_from_slice(values);
    }

    fn fetch(stored: &[f32], out: &mut [f32]) {
        out.copy_from_slice(stored);
    }

    #[inline(always)]
    fn pair<S: Simd>(simd: S, stored: &[f32]) -> (S::f32s, S::f32s) {
        let (first, second) = stored.split_at(S::f32s::LEN);
        (S::f32s::from_slice(simd, first), S::f32s::from_slice(simd, second))
    }

    #[inline(always)]
    fn raw<S: Simd>(simd: S, stored: &[f32]) -> (S::f32s, S::f32s) {
        Self::pair(simd, stored)
    }
}

impl Element for u16 {
    const RAW: f32 = HALF;

    fn store(values: &[f32], out: &mut [u16]) {
        half::encode(values, out);
    }

    fn fetch(stored: &[u16], out: &mut [f32]) {
        half::decode(stored, out);
    }

    #[inline(always)]
    fn pair<S: Simd>(simd: S, stored: &[u16]) -> (S::f32s, S::f32s) {
        let (low, high) = S::u16s::from_slice(simd, stored).bitcast::<S::i16s>().widen();
        (widened_half!(low, S::f32s), widened_half!(high, S::f32s))
    }

    #[inline(always)]
    fn raw<S: Simd>(simd: S, stored: &[u16]) -> (S::f32s, S::f32s) {
        let (low, high) = S::u16s::from_slice(simd, stored).bitcast::<S::i16s>().widen();
        (placed_half!(low, S::f32s), placed_half!(high, S::f32s))
    }
}

/// [`Element::fetch`] inside a kernel.
#[inline(always)]
pub(super) fn fetch<S: Simd, E: Element>(simd: S, stored: &[E], out: &mut [f32]) {
    let step = 2 * S::f32s::LEN;
    let mut whole = out.chunks_exact_mut(step);
    let mut blocks = stored.chunks_exact(step);
    for (out, stored) in whole.by_ref().zip(blocks.by_ref()) {
        let (first, second) = E::pair(simd, stored);
        first.store_slice(&mut out[..step / 2]);
        second.store_slice(&mut out[step / 2..]);
    }
    E::fetch(blocks.remainder(), whole.into_remainder());
}
