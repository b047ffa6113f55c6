//! The most a key of a page can score, from the page's smallest and largest components.

use fearless_simd::{dispatch, prelude::*};

use crate::lanes;

/// `out[p]` = the sum over components of the larger of `q * min` and `q * max` of page p; `min` and `max` are
/// `[pages, q.len()]`. No key within those bounds has a larger product with `q`.
pub fn page_bound(q: &[f32], min: &[f32], max: &[f32], out: &mut [f32]) {
    debug_assert!(min.len() == max.len() && min.len() == out.len() * q.len(), "{} pages", out.len());
    dispatch!(lanes::narrow_level(), simd => run(simd, q, min, max, out));
}

#[inline(always)]
fn run<S: Simd>(simd: S, q: &[f32], min: &[f32], max: &[f32], out: &mut [f32]) {
    let (lanes, dim) = (S::f32s::LEN, q.len());
    for ((min, max), out) in min.chunks_exact(dim).zip(max.chunks_exact(dim)).zip(out) {
        let mut sum = S::f32s::splat(simd, 0.0);
        for ((q, min), max) in q.chunks(lanes).zip(min.chunks(lanes)).zip(max.chunks(lanes)) {
            let [q, min, max] = [q, min, max].map(
                #[inline(always)]
                |x| lanes::load_or(simd, x, 0.0),
            );
            sum += (q * min).max(q * max);
        }
        *out = lanes::sum::<S>(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_bound_is_the_sum_of_the_larger_products() {
        lanes::each::run(|name| {
            for (dim, pages) in [(64, 5), (18, 3), (3, 1), (80, 0)] {
                let mut random = Random(dim as u64);
                let (q, a, b) = (random.floats(dim), random.floats(dim * pages), random.floats(dim * pages));
                let min: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a.min(*b)).collect();
                let max: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect();
                let mut out = vec![f32::NAN; pages];
                page_bound(&q, &min, &max, &mut out);
                for (page, got) in out.iter().enumerate() {
                    let at = |x: &[f32], i: usize| f64::from(x[page * dim + i]);
                    let want: f64 = (0..dim)
                        .map(|i| (f64::from(q[i]), i))
                        .map(|(q, i)| if q >= 0.0 { q * at(&max, i) } else { q * at(&min, i) })
                        .sum();
                    assert!((f64::from(*got) - want).abs() < 1e-5, "{name}: {got} for {want}");
                }
            }
        });
    }
}
