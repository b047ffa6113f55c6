//! The right-hand side of a product, loaded once for all the matrices that read it (Q, K and V; gate and up).

use super::matrix::BLOCK;

/// Rows up to which a product runs on 8-bit activations ([`Activations`] makes them), above it on f32.
pub(crate) const FEW_ROWS: usize = 3;

/// Input rows `[n, cols]`, padded with zeros to whole blocks; reusable.
#[derive(Debug, Default)]
pub struct Activations {
    rows: usize,
    cols: usize,
    /// `[rows, stride]`
    pub(crate) values: Vec<f32>,
}

impl Activations {
    /// Takes `x` `[n, cols]` in.
    pub fn load(&mut self, x: &[f32], n: usize, cols: usize) {
        debug_assert_eq!(x.len(), n * cols, "activations [{n}, {cols}]");
        (self.rows, self.cols) = (n, cols);
        let stride = self.stride();
        self.values.clear();
        self.values.resize(n * stride, 0.0);
        if cols == 0 {
            return;
        }
        for (padded, row) in self
            .values
            .chunks_exact_mut(stride)
            .zip(x.chunks_exact(cols))
        {
            padded[..cols].copy_from_slice(row);
        }
    }

    /// Rows loaded.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns loaded.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Floats from a row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.cols.next_multiple_of(BLOCK)
    }

    /// Row `row`, padded to whole blocks.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride()..][..self.stride()]
    }
}
