//! Rotary position embedding (RoPE, arXiv:2104.09864) from a table.

use crate::{Error, Result};

/// Which components form a rotated pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeStyle {
    /// 2i with 2i + 1: GGUF llama files, whose Q and K rows are permuted for it.
    Interleaved,
    /// i with i + d/2: "NeoX" models.
    Halves,
}

/// Cosines and sines of positions `0..positions`.
#[derive(Debug)]
pub struct Rope {
    style: RopeStyle,
    /// `[rotated / 2]`, radians per position.
    frequencies: Vec<f32>,
    /// `[positions, rotated / 2]` of cosine and sine.
    table: Vec<[f32; 2]>,
    positions: usize,
}

impl Rope {
    /// A table for the first `rotated` components of a head, `frequencies` `[rotated / 2]` in radians per position.
    ///
    /// # Errors
    /// [`Error::Shape`] if the two lengths do not agree, [`Error::Memory`] if the memory cannot be had.
    pub fn new(rotated: usize, frequencies: &[f32], positions: usize, style: RopeStyle) -> Result<Rope> {
        if frequencies.is_empty() || frequencies.len() * 2 != rotated {
            return Err(Error::Shape {
                op: "rope",
                want: format!("{rotated} / 2 frequencies, at least one"),
                got: format!("{}", frequencies.len()),
            });
        }
        let mut rope = Rope { style, frequencies: frequencies.to_vec(), table: Vec::new(), positions: 0 };
        rope.grow(positions)?;
        Ok(rope)
    }

    /// Positions in the table.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Cosine and sine of each pair, `[positions, rotated / 2]`.
    #[must_use]
    pub fn table(&self) -> &[[f32; 2]] {
        &self.table
    }

    /// Which components form a pair.
    #[must_use]
    pub fn style(&self) -> RopeStyle {
        self.style
    }

    /// Components of a head that are rotated, the first ones.
    #[must_use]
    pub fn rotated(&self) -> usize {
        2 * self.frequencies.len()
    }

    /// Makes the table reach `positions`; never shrinks it.
    ///
    /// # Errors
    /// [`Error::Memory`] if the memory cannot be had.
    pub fn grow(&mut self, positions: usize) -> Result<()> {
        let wanted = positions.saturating_mul(self.frequencies.len());
        self.table.try_reserve_exact(wanted.saturating_sub(self.table.len())).map_err(|_| Error::Memory {
            what: "rope table",
            bytes: wanted.saturating_mul(size_of::<[f32; 2]>()) as u64,
        })?;
        for position in self.positions..positions {
            // In f64: an f32 angle of some thousand radians is off by 1e-4.
            self.table.extend(self.frequencies.iter().map(|frequency| {
                let (sin, cos) = (position as f64 * f64::from(*frequency)).sin_cos();
                [cos as f32, sin as f32]
            }));
        }
        self.positions = self.positions.max(positions);
        Ok(())
    }

    /// Rotates every head of `x` `[heads * head_dim]` to `position`.
    pub fn rotate(&self, x: &mut [f32], head_dim: usize, position: usize) {
        debug_assert!(2 * self.frequencies.len() <= head_dim, "head of {head_dim}");
        debug_assert!(position < self.positions, "position {position} of {}", self.positions);
        let half = self.frequencies.len();
        let angles = &self.table[position * half..][..half];
        for head in x.chunks_exact_mut(head_dim) {
            match self.style {
                RopeStyle::Interleaved => {
                    for (pair, [cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                        let [a, b] = *pair;
                        *pair = [a * cos - b * sin, a * sin + b * cos];
                    }
                }
                RopeStyle::Halves => {
                    let (first, rest) = head.split_at_mut(half);
                    for ((a, b), [cos, sin]) in first.iter_mut().zip(rest).zip(angles) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn pairs_turn_by_position_times_frequency() {
        let frequencies = [1.0, 0.25];
        for (style, pairs) in [(RopeStyle::Interleaved, [(0, 1), (2, 3)]), (RopeStyle::Halves, [(0, 2), (1, 3)])] {
            let mut rope = Rope::new(4, &frequencies, 2, style).unwrap();
            rope.grow(1000).unwrap();
            rope.grow(5).unwrap();
            assert_eq!(rope.positions(), 1000);
            // Two heads of 6, of which 4 turn.
            let x: Vec<f32> = (0..12).map(|i| i as f32 - 5.5).collect();
            let mut out = x.clone();
            rope.rotate(&mut out, 6, 999);
            for head in [0, 6] {
                for ((a, b), frequency) in pairs.into_iter().zip(frequencies) {
                    let (sin, cos) = (999.0 * f64::from(frequency)).sin_cos();
                    let (xa, xb) = (f64::from(x[head + a]), f64::from(x[head + b]));
                    // Three roundings of values below 16.
                    assert!((f64::from(out[head + a]) - (xa * cos - xb * sin)).abs() < 3e-6);
                    assert!((f64::from(out[head + b]) - (xa * sin + xb * cos)).abs() < 3e-6);
                }
                assert_eq!(out[head + 4..head + 6], x[head + 4..head + 6]);
            }
            let mut one = x[6..].to_vec();
            rope.rotate(&mut one, 6, 999);
            assert_eq!(one, out[6..]);
        }
    }

    #[test]
    fn wrong_shapes_are_errors() {
        assert!(matches!(Rope::new(6, &[1.0, 0.5], 1, RopeStyle::Halves), Err(Error::Shape { .. })));
        assert!(matches!(Rope::new(0, &[], 1, RopeStyle::Halves), Err(Error::Shape { .. })));
    }
}
