//! Softmax without its division: the sum is handed back, for the weighted values are fewer to divide.

use fearless_simd::prelude::*;

use super::exp::exp;
use crate::lanes;

/// `x = exp(x - max(x))`, and the sum of that (0 for an empty row).
#[inline(always)]
pub(super) fn softmax<S: Simd>(simd: S, x: &mut [f32]) -> f32 {
    let top = lanes::fold(
        simd,
        x,
        f32::NEG_INFINITY,
        #[inline(always)]
        |top, x| top.max(x),
    );
    let top = lanes::largest::<S>(top);
    lanes::map(
        simd,
        x,
        #[inline(always)]
        |x| exp(simd, x - top),
    );
    lanes::sum::<S>(lanes::fold(
        simd,
        x,
        0.0,
        #[inline(always)]
        |sum, x| sum + x,
    ))
}
