//! f32 to f16 and back, f16 as its bits.

use ::half::f16;
use fearless_simd::{dispatch, prelude::*};

use super::Element;
use crate::lanes;

/// Rounds `values` to f16, ties to even; beyond f16's range gives an infinity.
pub fn encode(values: &[f32], bits: &mut [u16]) {
    debug_assert_eq!(values.len(), bits.len(), "f16 encode");
    for (bits, value) in bits.iter_mut().zip(values) {
        *bits = f16::from_f32(*value).to_bits();
    }
}

/// The exact values of finite f16.
pub fn decode(bits: &[u16], values: &mut [f32]) {
    debug_assert_eq!(values.len(), bits.len(), "f16 decode");
    dispatch!(lanes::level(), simd => run(simd, bits, values));
}

#[inline(always)]
fn run<S: Simd>(simd: S, bits: &[u16], values: &mut [f32]) {
    let mut whole = values.chunks_exact_mut(S::u16s::LEN);
    let mut stored = bits.chunks_exact(S::u16s::LEN);
    for (values, bits) in whole.by_ref().zip(stored.by_ref()) {
        let (first, second) = u16::pair(simd, bits);
        first.store_slice(&mut values[..S::f32s::LEN]);
        second.store_slice(&mut values[S::f32s::LEN..]);
    }
    for (value, bits) in whole.into_remainder().iter_mut().zip(stored.remainder()) {
        *value = f16::from_bits(*bits).to_f32();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_finite_half_is_exact_both_ways() {
        lanes::each::run(|name| {
            let bits: Vec<u16> = (0..=u16::MAX).filter(|bits| f16::from_bits(*bits).is_finite()).collect();
            let bits = &bits[1..];
            let mut values = vec![0.0; bits.len()];
            decode(bits, &mut values);
            for (bits, value) in bits.iter().zip(&values) {
                assert_eq!(value.to_bits(), f16::from_bits(*bits).to_f32().to_bits(), "{name}: {bits:#x}");
            }
            let mut back = vec![0; bits.len()];
            encode(&values, &mut back);
            assert_eq!(back, bits, "{name}");
        });
    }

    #[test]
    fn encoding_rounds_to_even() {
        lanes::each::run(|name| {
            let mut random = crate::kernels::matrix::tests::Random(5);
            let special =
                [0.0, -0.0, 1e-9, 65504.0, 65519.9, 65520.0, 1e30, -1e30, 1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0];
            let values: Vec<f32> =
                special.into_iter().chain((0..40_001).map(|i| random.float() * 2f32.powi(i % 44 - 27))).collect();
            let mut bits = vec![0; values.len()];
            encode(&values, &mut bits);
            for (bits, value) in bits.iter().zip(&values) {
                assert_eq!(*bits, f16::from_f32(*value).to_bits(), "{name}: {value:e}");
            }
        });
    }
}
