//! Products with rows in one 4-bit plane or in two, straight from storage: the inner loops of
//! [`attend_planes`](super::attend_planes).
//!
//! Vectors are loaded as words of eight channels, a channel a nibble, and never widened: masks bring four codes of a
//! word into its bytes, shifts bring each byte down. So lane i of vector j holds channel `8 i + j` of a block, even j
//! first ([`channel`] is the whole rule), and queries come in that order.

use fearless_simd::prelude::*;

use super::direct::{SLOTS, totals};

/// Most queries of a pass: sums of four vectors for each fit the registers of AVX2.
const PASS: usize = 3;
/// The low half of every byte.
const LOW: u32 = 0x0f0f_0f0f;

/// Channels of a block: a vector of bytes holds them.
#[inline(always)]
pub(super) fn block<S: Simd>() -> usize {
    2 * S::u8s::LEN
}

/// The channel that place `at` of a row in the order of codes has.
#[inline(always)]
pub(super) fn channel<S: Simd>(at: usize) -> usize {
    let (block, vector, lane) = (at / block::<S>(), at % block::<S>() / S::f32s::LEN, at % S::f32s::LEN);
    block * self::block::<S>() + 8 * lane + vector % 4 * 2 + vector / 4
}

/// Where the codes of some channels are.
pub(super) trait Codes: Copy {
    /// What a code counts, in steps of a grid.
    const STEP: f32;
    /// Steps from code 0 to the zero of a grid.
    const BELOW: f32;
    /// Only `count` bytes of every row, from `first` on.
    fn from(self, first: usize, count: usize) -> Self;
    /// As many words as a vector has, from byte `at` of row `slot` on: in each byte the code of an even or of an odd
    /// channel.
    fn words<S: Simd>(self, simd: S, slot: usize, at: usize, odd: bool) -> S::u32s;
}

/// One plane.
#[derive(Clone, Copy)]
pub(super) struct Upper<'a> {
    /// `[rows, stride]`
    pub(super) codes: &'a [u8],
    /// Bytes from a row to the next.
    pub(super) stride: usize,
    /// The bytes of a row that are read, and the first of them.
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Upper<'_> {
    #[inline(always)]
    fn load<S: Simd>(self, simd: S, slot: usize, at: usize) -> S::u32s {
        /// More bytes than any vector has.
        const MOST: usize = 64;
        let row = &self.codes[slot * self.stride + self.first..][..self.count];
        let bytes = if let Some(bytes) = row.get(at..at + S::u8s::LEN) {
            S::u8s::from_slice(simd, bytes)
        } else {
            let (mut padded, rest) = ([0; MOST], &row[at..]);
            padded[..rest.len()].copy_from_slice(rest);
            S::u8s::from_slice(simd, &padded[..S::u8s::LEN])
        };
        bytes.bitcast::<S::u32s>()
    }
}

impl Codes for Upper<'_> {
    const STEP: f32 = 1.0;
    const BELOW: f32 = 0.0;

    #[inline(always)]
    fn from(self, first: usize, count: usize) -> Self {
        Upper { first, count, ..self }
    }

    #[inline(always)]
    fn words<S: Simd>(self, simd: S, slot: usize, at: usize, odd: bool) -> S::u32s {
        let words = self.load(simd, slot, at);
        (if odd { words >> 4 } else { words }) & LOW
    }
}

/// Two planes: the code is `16 u + l + 8`, of sixteenths of a step.
#[derive(Clone, Copy)]
pub(super) struct Both<'a> {
    pub(super) upper: Upper<'a>,
    pub(super) lower: Upper<'a>,
}

impl Codes for Both<'_> {
    const STEP: f32 = 1.0 / 16.0;
    const BELOW: f32 = 0.5;

    #[inline(always)]
    fn from(self, first: usize, count: usize) -> Self {
        Both { upper: self.upper.from(first, count), lower: self.lower.from(first, count) }
    }

    #[inline(always)]
    fn words<S: Simd>(self, simd: S, slot: usize, at: usize, odd: bool) -> S::u32s {
        let (upper, lower) = (self.upper.load(simd, slot, at), self.lower.load(simd, slot, at));
        if odd { upper & !LOW | (lower >> 4) & LOW } else { (upper & LOW) << 4 | lower & LOW }
    }
}

/// The four bytes of every word.
#[inline(always)]
fn floats<S: Simd>(words: S::u32s) -> [S::f32s; 4] {
    // As signed numbers they convert in one instruction everywhere.
    [words & 255, words >> 8 & 255, words >> 16 & 255, words >> 24].map(
        #[inline(always)]
        |code| code.bitcast::<S::i32s>().to_float::<S::f32s>(),
    )
}

/// The products `[queries, out.len() / queries]` of `q` `[queries, dim]`, whole blocks in the order of codes, with the
/// codes of the slots from `first` on.
pub(super) fn score<S: Simd, C: Codes>(simd: S, dim: usize, q: &[f32], codes: C, first: usize, out: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = out.len() * dim / q.len();
            for (q, out) in q.chunks(PASS * dim).zip(out.chunks_mut(PASS * count)) {
                match q.len() / dim {
                    1 => score_pass::<S, C, 1>(simd, dim, q, codes, first, out),
                    2 => score_pass::<S, C, 2>(simd, dim, q, codes, first, out),
                    _ => score_pass::<S, C, PASS>(simd, dim, q, codes, first, out),
                }
            }
        },
    );
}

#[inline(always)]
fn score_pass<S: Simd, C: Codes, const G: usize>(
    simd: S,
    dim: usize,
    q: &[f32],
    codes: C,
    first: usize,
    out: &mut [f32],
) {
    let (count, lanes) = (out.len() / G, S::f32s::LEN);
    for slot in (0..count).step_by(SLOTS) {
        let mut sums = [[S::f32s::splat(simd, 0.0); SLOTS]; G];
        for at in (0..dim).step_by(block::<S>()) {
            for odd in [false, true] {
                let q: [&[f32]; G] =
                    std::array::from_fn(|g| &q[g * dim + at + usize::from(odd) * 4 * lanes..][..4 * lanes]);
                for i in 0..SLOTS {
                    // Past the end the last one again; its scores are dropped.
                    let row = first + (slot + i).min(count - 1);
                    let key = floats::<S>(codes.words(simd, row, at / 2, odd));
                    for (sums, q) in sums.iter_mut().zip(q) {
                        for (key, q) in key.into_iter().zip(q.chunks_exact(lanes)) {
                            sums[i] = key.mul_add(S::f32s::from_slice(simd, q), sums[i]);
                        }
                    }
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(count)) {
            let there = SLOTS.min(count - slot);
            out[slot..][..there].copy_from_slice(&totals(simd, sums).as_slice()[..there]);
        }
    }
}

/// The sums `[queries, dim]`, whole blocks in the order of codes, of the codes of the first slots, weighted by `weights`
/// `[queries, slots]`.
pub(super) fn weigh<S: Simd, C: Codes>(simd: S, dim: usize, weights: &[f32], codes: C, out: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = weights.len() * dim / out.len();
            for (weights, out) in weights.chunks(PASS * count).zip(out.chunks_mut(PASS * dim)) {
                match out.len() / dim {
                    1 => weigh_pass::<S, C, 1>(simd, dim, weights, codes, out),
                    2 => weigh_pass::<S, C, 2>(simd, dim, weights, codes, out),
                    _ => weigh_pass::<S, C, PASS>(simd, dim, weights, codes, out),
                }
            }
        },
    );
}

#[inline(always)]
fn weigh_pass<S: Simd, C: Codes, const G: usize>(simd: S, dim: usize, weights: &[f32], codes: C, out: &mut [f32]) {
    let (count, lanes) = (weights.len() / G, S::f32s::LEN);
    let weights: [&[f32]; G] = std::array::from_fn(|g| &weights[g * count..][..count]);
    for at in (0..dim).step_by(block::<S>()) {
        for odd in [false, true] {
            let mut sums = [[S::f32s::splat(simd, 0.0); 4]; G];
            for slot in 0..count {
                let value = floats::<S>(codes.words(simd, slot, at / 2, odd));
                for (sums, weights) in sums.iter_mut().zip(&weights) {
                    let weight = S::f32s::splat(simd, weights[slot]);
                    for (sum, value) in sums.iter_mut().zip(value) {
                        *sum = value.mul_add(weight, *sum);
                    }
                }
            }
            for (sums, out) in sums.iter().zip(out.chunks_exact_mut(dim)) {
                let out = &mut out[at + usize::from(odd) * 4 * lanes..];
                for (sum, out) in sums.iter().zip(out.chunks_exact_mut(lanes)) {
                    sum.store_slice(out);
                }
            }
        }
    }
}
