//! How far two back ends may be apart, operation by operation, given equal operands.
//!
//! | operation | of a number | in all | why |
//! |---|---|---|---|
//! | sets, positions, counts; `column`, `stamp`, `halve`, `used`, `rank`, `cover`, `mark`, `pictures`, `rounds`; `regroup` by sum or largest, `pool` by largest, `by_block` | 0 | 0 | the same steps, or none |
//! | `accumulate`, `regroup` by mean, `per_query`, `pool` by mean | 2e-7 | 0 | a fused product, or a division that is rounded once more |
//! | `tilt` | 4e-7 | 0 | an exponential of two units |
//! | `key_norms`, `js_distance`, `by_round` | 1e-6 | 1e-12 | sums in another order |
//! | `entropy` | 1e-6 | 1e-7 | a logarithm near 0 |
//! | `page_scores` | 1e-6 | 1e-5 | up to 128 products of size 3 that cancel |
//! | `probe`, `block_scores`, `unmasked_mass`, mass that attention leaves | 1e-5 | 1e-8 | exponentials of scores that are off by some 1e-6 |
//! | output and log-sum-exp of attention | 1e-6 | 4e-6 of the largest | WGSL's `exp`: (3 + 2 &#124;x&#124;) units |
//! | queries, keys and values as they come | 0 | 5e-7 of the largest | rotation: a product more or less fused |
//! | products with weights | 0 | 2e-5 of the largest | a sum of up to some thousand products in another order |
//! | stored as f16 | 1/1024 | 6e-8 more | WGSL may round either way |
//! | over keys that are rotated when they are read, as f16: weights | 3e-3 | 1e-8 | the rotated key is rounded to f16 on the device and not on the CPU: 2^-11 of products of 64 numbers of size 3 |
//! | the same, output and log-sum-exp | 0 | 3e-3 of the largest | the same |
//! | `fold`: rows that others went into | 0 | 1e-6 of the largest | weights are cosines; as f16 the rounding alone |
//! | `pick`: the draw, and where top-p ends | 0 | 1e-5 of the probability | sums of a vocabulary's weights in another order |
//! | quantised rows | 0 | a step of the lower plane, of 1/240 of the range | a tie may turn |

/// Most by which a number may differ: `of` it, and `least` besides, the latter in shares of the largest number of the
/// comparison, or of 1, where `scaled`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative.
    pub of: f32,
    /// In all.
    pub least: f32,
    /// Whether `least` grows with the numbers.
    pub scaled: bool,
}

const fn relative(of: f32, least: f32) -> Tolerance {
    Tolerance { of, least, scaled: false }
}

const fn scaled(of: f32, least: f32) -> Tolerance {
    Tolerance { of, least, scaled: true }
}

/// Bit by bit, but for the sign of zero.
pub const EXACT: Tolerance = relative(0.0, 0.0);
/// A step that is rounded once more or less.
pub const ROUNDED: Tolerance = relative(2e-7, 0.0);
/// An exponential.
pub const EXPONENTIAL: Tolerance = relative(4e-7, 0.0);
/// Sums in another order.
pub const SUM: Tolerance = relative(1e-6, 1e-12);
/// A logarithm near 0.
pub const ENTROPY: Tolerance = relative(1e-6, 1e-7);
/// Products that cancel.
pub const PAGES: Tolerance = relative(1e-6, 1e-5);
/// Weights of a softmax.
pub const WEIGHTS: Tolerance = relative(1e-5, 1e-8);
/// Output of attention, and its log-sum-exps.
pub const OUTPUT: Tolerance = scaled(1e-6, 4e-6);
/// Rotation.
pub const ROTATED: Tolerance = scaled(0.0, 5e-7);
/// Products with weights.
pub const PRODUCT: Tolerance = scaled(0.0, 2e-5);
/// Output over keys that are rotated when they are read, rounded to f16.
pub const TURNED_OUTPUT: Tolerance = scaled(0.0, 3e-3);
/// Weights of a softmax over such keys.
pub const TURNED_WEIGHTS: Tolerance = relative(3e-3, 1e-8);
/// A draw, as a share of the probability.
pub const DRAW: f32 = 1e-5;
/// Rows that others went into.
pub const FOLDED: Tolerance = scaled(0.0, 1e-6);
/// The same stored as f16.
pub const FOLDED_F16: Tolerance = relative(1.0 / 1024.0, 6e-8);

impl Tolerance {
    /// The same for numbers that are then stored as f16.
    #[must_use]
    pub const fn as_f16(self) -> Tolerance {
        Tolerance { of: self.of + 1.0 / 1024.0, least: self.least + 6e-8, ..self }
    }

    /// How much of what is allowed a difference takes, 0 to 1; more where it differs, and of numbers that are none.
    pub(super) fn used(&self, got: f32, want: f32, largest: f32) -> f32 {
        if got == want {
            return 0.0;
        }
        let least = if self.scaled { self.least * largest.max(1.0) } else { self.least };
        let used = (got - want).abs() / (self.of * want.abs() + least);
        if used.is_nan() { f32::INFINITY } else { used }
    }
}
