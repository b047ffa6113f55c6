//! 4-bit copies of matrices that a file stores wider: what guesses may be computed with (QuantSpec, arXiv 2502.10424,
//! whose code narrows the feed-forward matrices alone, by GPTQ in groups of 128).
//!
//! Here it is round-to-nearest around zero, in the groups of 32 columns that the 4-bit layout has anyway.

use super::{WeightData, Weights};
use crate::{
    Result,
    kernels::{BLOCK, Layout, Matrix, Symmetric},
    ops::Weight,
};
use half::f16;

impl Weights {
    /// Makes the copies, once, of those of `which` that are wider than 4 bits; the others need none. Whether there are
    /// any.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory); [`Error::Shape`](crate::Error::Shape) for rows that are no whole groups.
    pub fn narrow(&self, which: impl Iterator<Item = Weight>) -> Result<bool> {
        if self.narrow.get().is_none() {
            let mut copies: Vec<Option<Matrix>> = self.list.iter().map(|_| None).collect();
            for at in which.map(|weight| weight.0 as usize) {
                if let Some(WeightData::Matrix(matrix)) = self.list.get(at)
                    && matrix.layout() != Layout::Q4
                {
                    copies[at] = Some(narrowed(matrix)?);
                }
            }
            // Whoever was faster made the same.
            let _ = self.narrow.set(copies);
        }
        Ok(self.narrow.get().is_some_and(|copies| copies.iter().any(Option::is_some)))
    }
}

fn narrowed(matrix: &Matrix) -> Result<Matrix> {
    let mut narrow = Matrix::new(Layout::Q4, matrix.rows(), matrix.cols())?;
    let mut values = vec![0.0; matrix.cols()];
    for row in 0..matrix.rows() {
        matrix.row(row, &mut values);
        for (block, values) in values.as_chunks::<BLOCK>().0.iter().enumerate() {
            let group = Symmetric::of(values).rounded();
            // The layout counts from 0: its minimum is code -8.
            let (scale, min) = (f16::from_f32(group.step), f16::from_f32(-8.0 * group.step));
            narrow.set_q4(row, block, scale, min, &values.map(|x| (group.code(x) + 8).cast_unsigned()));
        }
    }
    Ok(narrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_near_and_only_of_wide_matrices() {
        let mut wide = Matrix::new(Layout::Half, 9, 64).unwrap();
        let value = |row: usize, col: usize| ((row * 64 + col) as f32 * 0.37).sin();
        (0..9).for_each(|row| wide.set_half(row, &(0..64).map(|col| value(row, col)).collect::<Vec<_>>()));
        let list = vec![WeightData::Matrix(Matrix::new(Layout::Q4, 8, 32).unwrap()), WeightData::Matrix(wide)];
        let weights = Weights { list, ..Weights::default() };
        assert!(!Weights::default().narrow(std::iter::empty()).unwrap());
        assert!(weights.narrow([Weight(0), Weight(1)].into_iter()).unwrap());
        let copies = weights.narrow.get().unwrap();
        assert!(copies[0].is_none());
        let copy = copies[1].as_ref().unwrap();
        assert_eq!(copy.layout(), Layout::Q4);
        let mut row = [0.0; 64];
        for r in 0..9 {
            copy.row(r, &mut row);
            // Half a step, a seventh of at most 1, and what f16 makes of step and minimum.
            assert!(row.iter().enumerate().all(|(c, x)| (x - value(r, c)).abs() <= 0.5 / 7.0 + 2e-3));
        }
    }
}
