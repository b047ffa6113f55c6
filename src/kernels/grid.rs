//! A number as two 4-bit codes: the upper one a step on a grid of sixteen, the lower one a sixteenth of that step.
//!
//! From QuantSpec (arXiv 2502.10424), in the f32 order of the simulated quantiser of rishabh-16/QuantSpec; a group of
//! equal values, there 0 / 0, has step 0 here and comes back exactly.

use half::f16;

/// Of a group of numbers the least, and a fifteenth of their range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// Value of upper code 0.
    pub zero: f32,
    /// Distance of upper codes.
    pub step: f32,
}

impl Grid {
    /// The grid of a group; codes are made on the grid as it is stored, so rounding it first costs least.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f32>) -> Grid {
        let (least, most) =
            values.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)));
        Grid { zero: least, step: (most - least) / 15.0 }
    }

    /// The nearest grid of f16 numbers.
    #[must_use]
    pub fn rounded(self) -> Grid {
        Grid { zero: f16::from_f32(self.zero).to_f32(), step: f16::from_f32(self.step).to_f32() }
    }

    /// Upper code, 0..=15, and lower code, -8..=7.
    #[must_use]
    pub fn codes(self, x: f32) -> (u8, i8) {
        if self.step == 0.0 {
            return (0, 0);
        }
        let upper = ((x - self.zero) / self.step).clamp(0.0, 15.0).round_ties_even();
        let rest = x - (upper * self.step + self.zero);
        let lower = (rest / (self.step / 16.0)).clamp(-8.0, 7.0).round_ties_even();
        (upper as u8, lower as i8)
    }

    /// What the upper code alone says.
    #[must_use]
    #[inline(always)]
    pub fn coarse(self, upper: u8) -> f32 {
        f32::from(upper) * self.step + self.zero
    }

    /// What both codes say.
    #[must_use]
    #[inline(always)]
    pub fn fine(self, upper: u8, lower: i8) -> f32 {
        f32::from(upper) * self.step + f32::from(lower) * (self.step / 16.0) + self.zero
    }
}

// proptest does not build for wasm.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Half a step of each plane, and a sixteenth where the lower code is cut off at 7.
        #[test]
        fn codes_are_within_their_step(values in prop::collection::vec(-50f32..50.0, 1..64)) {
            let grid = Grid::of(values.iter().copied());
            for x in values {
                let (upper, lower) = grid.codes(x);
                prop_assert!(upper <= 15 && (-8..=7).contains(&lower));
                let slack = 1e-5 * (x.abs() + 50.0);
                prop_assert!((grid.coarse(upper) - x).abs() <= 0.5 * grid.step + slack);
                prop_assert!((grid.fine(upper, lower) - x).abs() <= grid.step / 16.0 + slack);
            }
        }
    }

    #[test]
    fn equal_values_come_back_exactly() {
        let grid = Grid::of([0.1, 0.1].into_iter());
        let (upper, lower) = grid.codes(0.1);
        assert_eq!((upper, lower, grid.coarse(upper), grid.fine(upper, lower)), (0, 0, 0.1, 0.1));
    }
}
