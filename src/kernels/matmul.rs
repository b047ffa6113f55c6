//! `out = x · wᵀ`: the product of activations with a weight matrix.

use super::activations::FEW_ROWS;
use super::gemm::gemm;
use super::gemm_words::{self, Pairs, gemm_words};
use super::gemv::gemv;
use super::{Activations, Layout, Matrix, Precision};
use crate::lanes;

/// Buffers of [`matmul`], reused from call to call.
#[derive(Debug, Default)]
pub struct GemmScratch {
    pub(super) panel: Vec<f32>,
    pub(super) pairs: Vec<Pairs>,
}

/// `out[i, r] = Σ_c x[i, c] · w[r, c]` into `out` `[x.rows(), w.rows()]`.
///
/// Except for floats, up to eight rows of `x` are rounded to 8 bits in blocks of 32; more are taken as they
/// are or, on 128-bit vectors, rounded to 16 bits. In [`Precision::Exact`] nothing is rounded, and a row's products are
/// the same bits whichever rows are beside it.
pub fn matmul(w: &Matrix, x: &Activations, out: &mut [f32], scratch: &mut GemmScratch) {
    debug_assert_eq!(w.cols(), x.cols(), "product of [{}, {}] with rows of {}", w.rows(), w.cols(), x.cols());
    debug_assert_eq!(out.len(), x.rows() * w.rows(), "product out");
    if x.precision() == Precision::Exact {
        gemm(w, x, out, scratch);
    } else if x.rows() <= FEW_ROWS {
        gemv(w, x, out);
    } else if matches!(w.layout(), Layout::Q8 | Layout::Q4) && gemm_words::serves(lanes::level()) {
        gemm_words(w, x, out, &mut scratch.pairs);
    } else {
        gemm(w, x, out, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::tests::{Random, sample};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn exact_products_are_plain_sums_whatever_the_number_of_rows() {
        lanes::each::run(|name| {
            for (layout, rows, cols) in [(Layout::Half, 41, 300), (Layout::Q8, 37, 352), (Layout::Q4, 65, 608)] {
                let mut random = Random(rows as u64);
                let (w, plain) = sample(layout, rows, cols, &mut random);
                let values = random.floats(13 * cols);
                let product = |values: &[f32]| {
                    let n = values.len() / cols;
                    let (mut x, mut out) = (Activations::new(Precision::Exact), vec![f32::NAN; n * rows]);
                    x.load(values, n, cols);
                    matmul(&w, &x, &mut out, &mut GemmScratch::default());
                    out
                };
                let all = product(&values);
                for (x, out) in values.chunks(cols).zip(all.chunks(rows)) {
                    assert_eq!(product(x), out, "{name}: {layout:?}");
                    for (got, w) in out.iter().zip(plain.chunks(cols)) {
                        let terms = || x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                        let bound = 1e-6 * terms().map(f64::abs).sum::<f64>();
                        assert!((f64::from(*got) - terms().sum::<f64>()).abs() <= bound, "{name}: {layout:?}");
                    }
                }
            }
        });
    }

    #[test]
    fn products_are_those_of_the_plain_weights() {
        lanes::each::run(|name| {
            for (layout, n, rows, cols) in [
                (Layout::Half, 1, 9, 33),
                (Layout::Half, 5, 41, 300),
                (Layout::Single, 1, 19, 70),
                (Layout::Single, 9, 33, 300),
                (Layout::Q8, 1, 1, 32),
                (Layout::Q8, 3, 20, 96),
                (Layout::Q8, 13, 37, 352),
                (Layout::Q4, 1, 24, 576),
                (Layout::Q4, 2, 15, 64),
                (Layout::Q4, 9, 65, 32),
                (Layout::Q4, 128, 33, 608),
            ] {
                let mut random = Random(rows as u64);
                let (w, plain) = sample(layout, rows, cols, &mut random);
                let values = random.floats(n * cols);
                let (mut x, mut out) = (Activations::default(), vec![f32::NAN; n * rows]);
                x.load(&values, n, cols);
                matmul(&w, &x, &mut out, &mut GemmScratch::default());
                for ((out, x), i) in out.chunks(rows).zip(values.chunks(cols)).zip(0..) {
                    for ((got, w), r) in out.iter().zip(plain.chunks(cols)).zip(0..) {
                        let terms = || x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                        let want: f64 = terms().sum();
                        // Rounding x to 8 bits: half of 1/127 of a block's largest x per term, in random directions.
                        // To 16 bits: 1/32767 instead. In f32: a rounding per term.
                        let norm = w.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
                        let exact = 1e-6 * terms().map(f64::abs).sum::<f64>();
                        let rounded = |most: f64| 4.0 / (2.0 * most) / 3f64.sqrt() * norm;
                        let bound = match (layout, n <= FEW_ROWS) {
                            (Layout::Half | Layout::Single, _) => exact,
                            (_, true) => rounded(127.0) + 1e-5,
                            (_, false) if gemm_words::serves(lanes::level()) => rounded(32767.0) + exact,
                            (_, false) => exact,
                        };
                        let error = (f64::from(*got) - want).abs();
                        assert!(
                            error <= bound,
                            "{name}: {layout:?} [{n}, {rows}, {cols}] at {i}, {r}: {got} for {want}"
                        );
                    }
                }
            }
        });
    }
}
