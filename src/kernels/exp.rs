//! The exponential function on vectors.

use fearless_simd::prelude::*;

/// `exp(x)` for x clamped to -87..88, relative error below 1e-6 (2.3e-7 at worst over the points of the test).
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let constant = |value| S::f32s::splat(simd, value);
    // Clamped as integers, one instruction each: the bits of floats order like the floats among the positive ones, and
    // among the negative ones in reverse.
    let bits = x.bitcast::<S::u32s>().min(S::u32s::splat(simd, (-87f32).to_bits()));
    let bits = bits.bitcast::<S::i32s>().min(S::i32s::splat(simd, 88f32.to_bits().cast_signed()));
    let x = bits.bitcast::<S::f32s>();
    // exp(x) = 2^n exp(r) with |r| <= ln(2) / 2. Adding 1.5 * 2^23 leaves n in the low bits, rounded to nearest.
    let shifted = x.mul_add(constant(std::f32::consts::LOG2_E), constant(12_582_912.0));
    let n = shifted - 12_582_912.0;
    // ln(2) in two parts, so that n times the first is exact.
    let r = n.mul_add(constant(-0.693_359_4), x);
    let r = n.mul_add(constant(2.121_944_4e-4), r);
    // The polynomial of degree 5 that is nearest to exp relative to it, except that exp(0) is exactly 1.
    let mut p = constant(0.008_297_584);
    for coefficient in [0.041_915_88, 0.166_675_78, 0.499_988_9, 0.999_999_7, 1.0] {
        p = p.mul_add(r, constant(coefficient));
    }
    let power = (shifted.bitcast::<S::i32s>() << 23) + 1f32.to_bits().cast_signed();
    p * power.bitcast::<S::f32s>()
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::lanes;

    #[test]
    fn exp_is_within_a_millionth() {
        lanes::each::run(|name| {
            let mut x: Vec<f32> = (-8700..=8800).map(|i| i as f32 / 100.0).chain([0.0, -0.0, 1e-20, -3e-8]).collect();
            let want: Vec<f64> = x.iter().map(|x| f64::from(*x).exp()).collect();
            dispatch!(lanes::level(), simd => lanes::map(simd, &mut x, 0.0, #[inline(always)] |x| super::exp(simd, x)));
            for (got, want) in x.iter().zip(want) {
                assert!((f64::from(*got) / want - 1.0).abs() < 1e-6, "{name}: {got} for {want}");
            }
            let mut ends = [f32::NEG_INFINITY, -1e9, 1e9, f32::INFINITY];
            dispatch!(lanes::level(), simd => lanes::map(simd, &mut ends, 0.0, #[inline(always)] |x| super::exp(simd, x)));
            assert!(ends[0] < 2e-38 && ends[1] < 2e-38 && ends[2] > 1e38 && ends[3].is_finite(), "{name}: {ends:?}");
        });
    }
}
