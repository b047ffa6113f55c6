//! The residual sum.

use fearless_simd::dispatch;

use crate::lanes;

/// `x += y`.
pub fn add_assign(x: &mut [f32], y: &[f32]) {
    debug_assert_eq!(x.len(), y.len(), "sum");
    dispatch!(lanes::level(), simd => lanes::map2(simd, x, y, #[inline(always)] |x, y| x + y));
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn sums_are_exact() {
        lanes::each::run(|name| {
            for len in [0, 1, 8, 37] {
                let mut x: Vec<f32> = (0..len).map(|i| i as f32).collect();
                add_assign(&mut x, &vec![0.5; len]);
                assert!(x.iter().enumerate().all(|(i, x)| *x == i as f32 + 0.5), "{name}: {x:?}");
            }
        });
    }
}
