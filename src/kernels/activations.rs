//! The right-hand side of a product, loaded once for all the matrices that read it (Q, K and V; gate and up).

use fearless_simd::{dispatch, prelude::*};

use super::gemm_words;
use super::matrix::BLOCK;
use crate::lanes;

/// Up to so many rows a product reads 8-bit activations, above it f32 or, where that is faster, 16-bit ones. A token and
/// up to seven guesses are that few: each row of their check is computed exactly as a decode step would.
pub(super) const FEW_ROWS: usize = 8;

/// What a product may round its activations to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Whatever is fastest: 8 bits of up to eight rows, of more rows f32 or 16 bits.
    #[default]
    Fast,
    /// f32 always, several times slower in decode: for comparisons that rounding would blur.
    Exact,
}

/// Input rows `[n, cols]`, padded with zeros to whole blocks; reusable.
#[derive(Debug, Default)]
pub struct Activations {
    precision: Precision,
    rows: usize,
    cols: usize,
    /// `[rows, blocks]`
    values: Vec<[f32; BLOCK]>,
    /// `[rows, blocks]`, to 8 bits for at most [`FEW_ROWS`] rows; of more to 16 bits where [`gemm_words`] serves, else
    /// empty, as it is in [`Precision::Exact`].
    rounded: Vec<Rounded>,
    /// `[rows, blocks]` of at most [`FEW_ROWS`] rounded rows, else empty: the pairs of `rounded` times 256, 16, 1, 256, 256,
    /// 16, ... A 4-bit kernel masks nibbles where they are, so that the product of nibble p % 4 of a word comes out times
    /// 256 whichever it is.
    raised: Vec<[i32; BLOCK / 2]>,
}

/// A block as `scale * q`, q in -127..=127 or -32767..=32767.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounded {
    pub(super) scale: f32,
    /// Of the values before rounding: what the `min` of a 4-bit block multiplies.
    pub(super) sum: f32,
    /// q of columns 2p (low half) and 2p + 1 as i16.
    pub(super) pairs: [i32; BLOCK / 2],
}

impl Activations {
    /// Activations for products of this precision.
    #[must_use]
    pub fn new(precision: Precision) -> Activations {
        Activations { precision, ..Activations::default() }
    }

    /// What products may round to.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Takes `x` `[n, cols]` in.
    pub fn load(&mut self, x: &[f32], n: usize, cols: usize) {
        debug_assert_eq!(x.len(), n * cols, "activations [{n}, {cols}]");
        (self.rows, self.cols) = (n, cols);
        self.values.clear();
        for row in x.chunks_exact(cols.max(1)) {
            let (whole, rest) = row.as_chunks::<BLOCK>();
            self.values.extend_from_slice(whole);
            if !rest.is_empty() {
                let mut last = [0.0; BLOCK];
                last[..rest.len()].copy_from_slice(rest);
                self.values.push(last);
            }
        }
        self.rounded.clear();
        self.raised.clear();
        if self.precision == Precision::Exact {
            return;
        }
        let level = lanes::level();
        if n <= FEW_ROWS {
            dispatch!(level, simd => self.rounded.extend(self.values.iter().map(
                #[inline(always)]
                |block| round::<_, 127>(simd, block),
            )));
            self.raised.extend(self.rounded.iter().map(raise));
        } else if gemm_words::serves(level) {
            dispatch!(level, simd => self.rounded.extend(self.values.iter().map(
                #[inline(always)]
                |block| round::<_, 32767>(simd, block),
            )));
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

    /// Blocks of a row.
    pub(super) fn blocks(&self) -> usize {
        self.cols.div_ceil(BLOCK)
    }

    /// All rows, padded to whole blocks, `[rows, blocks]`.
    pub(super) fn values(&self) -> &[[f32; BLOCK]] {
        &self.values
    }

    /// Row `row`, padded to whole blocks.
    pub(super) fn row(&self, row: usize) -> &[[f32; BLOCK]] {
        &self.values[row * self.blocks()..][..self.blocks()]
    }

    /// The raised pairs of row `row`, of at most [`FEW_ROWS`].
    pub(super) fn raised(&self, row: usize) -> &[[i32; BLOCK / 2]] {
        &self.raised[row * self.blocks()..][..self.blocks()]
    }

    /// Row `row` rounded, where it is.
    pub(super) fn rounded(&self, row: usize) -> &[Rounded] {
        &self.rounded[row * self.blocks()..][..self.blocks()]
    }
}

#[inline(always)]
fn round<S: Simd, const MOST: i32>(simd: S, block: &[f32; BLOCK]) -> Rounded {
    let top = lanes::fold(
        simd,
        block,
        0.0,
        #[inline(always)]
        |x| x.abs(),
        #[inline(always)]
        |a, b| a.max(b),
    );
    let top = lanes::largest::<S>(top);
    let sum = lanes::fold(
        simd,
        block,
        0.0,
        #[inline(always)]
        |x| x,
        #[inline(always)]
        |a, b| a + b,
    );
    let sum = lanes::sum::<S>(sum);
    let inverse = MOST as f32 / top;
    // Not for a block of zeros, nor for one so small that its steps cannot be counted.
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    let mut q = [0i32; BLOCK];
    for (q, x) in q.chunks_exact_mut(S::f32s::LEN).zip(block.chunks_exact(S::f32s::LEN)) {
        (S::f32s::from_slice(simd, x) * inverse).round_ties_even().to_int::<S::i32s>().store_slice(q);
    }
    // What becomes of infinities, which a damaged model can make, is any whole number.
    let pairs = std::array::from_fn(|p| (q[2 * p] & 0xffff) | q[2 * p + 1] << 16);
    Rounded { scale: top / MOST as f32, sum, pairs }
}

/// The pairs of a block times their powers of 16, which leave 8-bit q in 16 bits.
fn raise(block: &Rounded) -> [i32; BLOCK / 2] {
    std::array::from_fn(|p| {
        let (low, high) = (i32::from(block.pairs[p] as i16), block.pairs[p] >> 16);
        let factor = [256, 16, 1, 256][p % 4];
        (low.wrapping_mul(factor) & 0xffff) | high.wrapping_mul(factor) << 16
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn blocks_beyond_any_scale_are_no_panic() {
        lanes::each::run(|name| {
            let mut activations = Activations::default();
            activations.load(&[1e-40; BLOCK], 1, BLOCK);
            let tiny = &activations.rounded(0)[0];
            assert!(tiny.scale < 1e-40 && tiny.pairs == [0; BLOCK / 2], "{name}");
            for x in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX] {
                activations.load(&[x; BLOCK], 1, BLOCK);
                assert_eq!(activations.rounded(0).len(), 1, "{name}");
            }
        });
    }

    #[test]
    fn rounding_is_to_nearest_and_padding_is_zero() {
        lanes::each::run(|name| {
            let x = Random(2).floats(2 * 40);
            let mut activations = Activations::default();
            activations.load(&x, 2, 40);
            assert_eq!((activations.rows(), activations.cols(), activations.blocks()), (2, 40, 2));
            for (row, x) in x.chunks(40).enumerate() {
                let plain = activations.row(row).as_flattened();
                assert_eq!((&plain[..40], &plain[40..]), (x, &[0.0; 24][..]), "{name}");
                let blocks = activations.row(row).iter().zip(activations.rounded(row));
                for ((block, rounded), raised) in blocks.zip(activations.raised(row)) {
                    assert!((rounded.sum - block.iter().sum::<f32>()).abs() < 1e-5, "{name}");
                    for (c, x) in block.iter().enumerate() {
                        let half = |pair: i32| if c % 2 == 0 { pair as i16 } else { (pair >> 16) as i16 };
                        let q = half(rounded.pairs[c / 2]);
                        assert_eq!(half(raised[c / 2]), q * [256, 16, 1, 256][c / 2 % 4], "{name}");
                        // Half a step, and the rounding of the scale itself.
                        let error = (f32::from(q) * rounded.scale - x).abs();
                        assert!(error <= rounded.scale * 0.5001, "{name}: {x} off by {error}");
                    }
                }
            }
            let x = Random(3).floats(9 * 32);
            activations.load(&x, 9, 32);
            assert_eq!(activations.rounded.is_empty(), !gemm_words::serves(lanes::level()), "{name}");
            for (x, rounded) in x.chunks(32).zip(&activations.rounded) {
                for (x, pair) in x.as_chunks::<2>().0.iter().zip(rounded.pairs) {
                    for (x, q) in x.iter().zip([pair as i16, (pair >> 16) as i16]) {
                        assert!((f32::from(q) * rounded.scale - x).abs() <= rounded.scale * 0.51, "{name}");
                    }
                }
            }
        });
    }
}
