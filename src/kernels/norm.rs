//! RMS normalisation (arXiv:1910.07467).

use fearless_simd::{dispatch, prelude::*};

use crate::lanes;

/// `out = x / sqrt(mean(x²) + eps) * weight`, one row `[width]`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    debug_assert!(x.len() == weight.len() && x.len() == out.len(), "norm of {} values", x.len());
    dispatch!(lanes::level(), simd => run(simd, x, weight, eps, out));
}

#[inline(always)]
fn run<S: Simd>(simd: S, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let squares = lanes::fold(
        simd,
        x,
        0.0,
        #[inline(always)]
        |x| x * x,
        #[inline(always)]
        |a, b| a + b,
    );
    let inverse = 1.0 / (lanes::sum::<S>(squares) / x.len() as f32 + eps).sqrt();
    out.copy_from_slice(x);
    lanes::map2(
        simd,
        out,
        weight,
        #[inline(always)]
        |x, weight| x * inverse * weight,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rows_have_unit_mean_square_times_weight() {
        lanes::each::run(|name| {
            for width in [1, 7, 16, 33, 576] {
                let mut random = Random(width as u64);
                let (x, weight) = (random.floats(width), random.floats(width));
                let mut out = vec![0.0; width];
                rms_norm(&x, &weight, 1e-5, &mut out);
                let square: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
                let inverse = 1.0 / (square / width as f64 + 1e-5).sqrt();
                for ((got, x), weight) in out.iter().zip(&x).zip(&weight) {
                    let want = f64::from(*x) * inverse * f64::from(*weight);
                    // A few roundings, values up to 2.
                    assert!((f64::from(*got) - want).abs() < 1e-6, "{name}: width {width}, {got} for {want}");
                }
            }
        });
    }
}
