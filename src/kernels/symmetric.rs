//! A group of weights as 4-bit codes around zero: round-to-nearest, the largest magnitude is code 7 or -7.

use half::f16;

/// The step of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Symmetric {
    /// Distance of codes.
    pub step: f32,
}

impl Symmetric {
    /// A seventh of the largest magnitude of a group.
    #[must_use]
    pub fn of(values: &[f32]) -> Symmetric {
        Symmetric { step: values.iter().fold(0f32, |most, x| most.max(x.abs())) / 7.0 }
    }

    /// The same with the nearest f16 as its step; codes are made on the step as it is stored.
    #[must_use]
    pub fn rounded(self) -> Symmetric {
        Symmetric { step: f16::from_f32(self.step).to_f32() }
    }

    /// The nearest code, -8..=7; a group of zeros has code 0.
    #[must_use]
    pub fn code(self, x: f32) -> i8 {
        if self.step == 0.0 { 0 } else { (x / self.step).round_ties_even().clamp(-8.0, 7.0) as i8 }
    }
}

// proptest does not build for wasm.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn codes_are_within_half_a_step(values in prop::collection::vec(-3f32..3.0, 1..64)) {
            let group = Symmetric::of(&values);
            for x in values {
                let code = group.code(x);
                prop_assert!((-7..=7).contains(&code));
                prop_assert!((f32::from(code) * group.step - x).abs() <= 0.5 * group.step + 1e-6);
            }
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        assert_eq!(Symmetric::of(&[0.0, 0.0]).code(0.0), 0);
    }
}
