//! Softmax without its division: the sum is handed back, for the weighted values are fewer to divide.

use fearless_simd::{dispatch, prelude::*};

use super::exp::exp;
use crate::lanes;

/// `x = softmax(x)`.
pub fn normalise(x: &mut [f32]) {
    dispatch!(lanes::level(), simd => {
        let inverse = 1.0 / softmax(simd, x);
        lanes::map(simd, x, 0.0, #[inline(always)] |x| x * inverse);
    });
}

/// `x = exp(x - max(x))`, and the sum of that (0 for an empty row).
#[inline(always)]
pub(super) fn softmax<S: Simd>(simd: S, x: &mut [f32]) -> f32 {
    softmax_of(simd, x)[0]
}

/// The same; the sum and the largest of the scores as they were (minus infinity for an empty row).
#[inline(always)]
pub(super) fn softmax_of<S: Simd>(simd: S, x: &mut [f32]) -> [f32; 2] {
    let top = lanes::fold(
        simd,
        x,
        f32::NEG_INFINITY,
        #[inline(always)]
        |x| x,
        #[inline(always)]
        |a, b| a.max(b),
    );
    let top = lanes::largest::<S>(top);
    let mut sum = S::f32s::splat(simd, 0.0);
    // The padding adds 2e-38 a lane to a sum of at least 1.
    lanes::map(
        simd,
        x,
        f32::NEG_INFINITY,
        #[inline(always)]
        |x| {
            let weight = exp(simd, x - top);
            sum += weight;
            weight
        },
    );
    [if x.is_empty() { 0.0 } else { lanes::sum::<S>(sum) }, top]
}
