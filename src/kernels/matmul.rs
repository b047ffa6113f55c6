//! `out = x · wᵀ`: the product of activations with a weight matrix.

use super::{Activations, Matrix};

/// Buffers of [`matmul`], reused from call to call.
#[derive(Debug, Default)]
pub struct GemmScratch {
    row: Vec<f32>,
}

/// `out[i, r] = Σ_c x[i, c] · w[r, c]` into `out` `[x.rows(), w.rows()]`.
pub fn matmul(w: &Matrix, x: &Activations, out: &mut [f32], scratch: &mut GemmScratch) {
    debug_assert_eq!(w.cols(), x.cols(), "product of [{}, {}] with rows of {}", w.rows(), w.cols(), x.cols());
    debug_assert_eq!(out.len(), x.rows() * w.rows(), "product out");
    scratch.row.resize(w.cols(), 0.0);
    for r in 0..w.rows() {
        w.row(r, &mut scratch.row);
        for i in 0..x.rows() {
            out[i * w.rows() + r] = x.row(i).iter().zip(&scratch.row).map(|(x, w)| x * w).sum();
        }
    }
}
