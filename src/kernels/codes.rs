//! Products with rows in one 4-bit plane or in two, straight from storage: the inner loops of
//! [`attend_planes`](super::attend_planes).
//!
//! Vectors are loaded as words of eight channels, a channel a nibble, and never widened: masks bring four codes of a
//! word into its bytes, shifts bring each byte down. So lane i of vector j holds channel `8 i + j` of a block, even j
//! first ([`channel`] is the whole rule), and queries come in that order.

use fearless_simd::prelude::*;

use super::direct::{NEAR, SLOTS, totals};

/// Most queries of a pass: two sums for each, and what is multiplied, fit the registers of AVX2.
const PASS: usize = 4;
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
    /// The bytes of a row.
    type Row: Copy;
    /// Only `count` bytes of every row, from `first` on.
    fn from(self, first: usize, count: usize) -> Self;
    /// Row `slot`.
    fn row(self, slot: usize) -> Self::Row;
    /// The rows from `slot` on.
    fn rows(self, slot: usize) -> impl Iterator<Item = Self::Row>;
    /// As many words as a vector has, from byte `at` of a row on: in their bytes the codes of the even channels, and
    /// those of the odd ones.
    fn words<S: Simd>(simd: S, row: Self::Row, at: usize) -> [S::u32s; 2];
}

/// One plane.
#[derive(Clone, Copy)]
pub(super) struct Upper<'a> {
    /// `[rows, stride]`
    pub(super) codes: &'a [u8],
    /// Bytes from a row to the next.
    pub(super) stride: usize,
    /// The first of the bytes of a row that are read.
    pub(super) first: usize,
    /// How many they are.
    pub(super) count: usize,
}

#[inline(always)]
fn load<S: Simd>(simd: S, row: &[u8], at: usize) -> S::u32s {
    /// More bytes than any vector has.
    const MOST: usize = 64;
    let bytes = if let Some(bytes) = row.get(at..at + S::u8s::LEN) {
        S::u8s::from_slice(simd, bytes)
    } else {
        let (mut padded, rest) = ([0; MOST], &row[at..]);
        padded[..rest.len()].copy_from_slice(rest);
        S::u8s::from_slice(simd, &padded[..S::u8s::LEN])
    };
    bytes.bitcast::<S::u32s>()
}

impl<'a> Codes for Upper<'a> {
    const STEP: f32 = 1.0;
    const BELOW: f32 = 0.0;
    type Row = &'a [u8];

    #[inline(always)]
    fn from(self, first: usize, count: usize) -> Self {
        Upper { first, count, ..self }
    }

    #[inline(always)]
    fn row(self, slot: usize) -> &'a [u8] {
        &self.codes[slot * self.stride + self.first..][..self.count]
    }

    #[inline(always)]
    fn rows(self, slot: usize) -> impl Iterator<Item = &'a [u8]> {
        self.codes[slot * self.stride..].chunks_exact(self.stride).map(
            #[inline(always)]
            move |row| &row[self.first..][..self.count],
        )
    }

    #[inline(always)]
    fn words<S: Simd>(simd: S, row: &'a [u8], at: usize) -> [S::u32s; 2] {
        let words = load(simd, row, at);
        [words & LOW, words >> 4 & LOW]
    }
}

/// Two planes: the code is `16 u + l + 8`, of sixteenths of a step.
#[derive(Clone, Copy)]
pub(super) struct Both<'a> {
    pub(super) upper: Upper<'a>,
    pub(super) lower: Upper<'a>,
}

impl<'a> Codes for Both<'a> {
    const STEP: f32 = 1.0 / 16.0;
    const BELOW: f32 = 0.5;
    type Row = [&'a [u8]; 2];

    #[inline(always)]
    fn from(self, first: usize, count: usize) -> Self {
        Both { upper: self.upper.from(first, count), lower: self.lower.from(first, count) }
    }

    #[inline(always)]
    fn row(self, slot: usize) -> [&'a [u8]; 2] {
        [self.upper.row(slot), self.lower.row(slot)]
    }

    #[inline(always)]
    fn rows(self, slot: usize) -> impl Iterator<Item = [&'a [u8]; 2]> {
        self.upper.rows(slot).zip(self.lower.rows(slot)).map(
            #[inline(always)]
            |(upper, lower)| [upper, lower],
        )
    }

    #[inline(always)]
    fn words<S: Simd>(simd: S, [upper, lower]: [&'a [u8]; 2], at: usize) -> [S::u32s; 2] {
        let (upper, lower) = (load(simd, upper, at), load(simd, lower, at));
        [(upper & LOW) << 4 | lower & LOW, upper & !LOW | lower >> 4 & LOW]
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
///
/// Not inlined, as in [`direct`](super::direct).
#[inline(never)]
pub(super) fn score<S: Simd, C: Codes>(simd: S, dim: usize, q: &[f32], codes: C, first: usize, out: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = out.len() * dim / q.len();
            for (q, out) in q.chunks(PASS * dim).zip(out.chunks_mut(PASS * count)) {
                match q.len() / dim {
                    1 => score_pass::<S, C, 1>(simd, dim, q, codes, first, out),
                    2 => score_pass::<S, C, 2>(simd, dim, q, codes, first, out),
                    3 => score_pass::<S, C, 3>(simd, dim, q, codes, first, out),
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
        // Past the end the last one again; its scores are dropped.
        let rows: [C::Row; SLOTS] = std::array::from_fn(|i| codes.row(first + (slot + i).min(count - 1)));
        let mut sums = [[S::f32s::splat(simd, 0.0); SLOTS]; G];
        for at in (0..dim).step_by(block::<S>()) {
            let q: [&[f32]; G] = std::array::from_fn(|g| &q[g * dim + at..][..8 * lanes]);
            for (i, row) in rows.into_iter().enumerate() {
                // Two sums a query, for one alone would wait for each multiplication before it.
                let mut own = [[S::f32s::splat(simd, 0.0); 2]; G];
                for (half, words) in C::words(simd, row, at / 2).into_iter().enumerate() {
                    for (j, key) in floats::<S>(words).into_iter().enumerate() {
                        for (own, q) in own.iter_mut().zip(q) {
                            let q = S::f32s::from_slice(simd, &q[(4 * half + j) * lanes..][..lanes]);
                            own[half] = key.mul_add(q, own[half]);
                        }
                    }
                }
                for (sums, own) in sums.iter_mut().zip(own) {
                    sums[i] += own[0] + own[1];
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
#[inline(never)]
pub(super) fn weigh<S: Simd, C: Codes>(simd: S, dim: usize, weights: &[f32], codes: C, out: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = weights.len() * dim / out.len();
            for (weights, out) in weights.chunks(PASS * count).zip(out.chunks_mut(PASS * dim)) {
                match out.len() / dim {
                    1 => weigh_pass::<S, C, 1>(simd, dim, weights, codes, out),
                    2 => weigh_pass::<S, C, 2>(simd, dim, weights, codes, out),
                    3 => weigh_pass::<S, C, 3>(simd, dim, weights, codes, out),
                    _ => weigh_pass::<S, C, PASS>(simd, dim, weights, codes, out),
                }
            }
        },
    );
}

#[inline(always)]
fn weigh_pass<S: Simd, C: Codes, const G: usize>(simd: S, dim: usize, weights: &[f32], codes: C, out: &mut [f32]) {
    let count = weights.len() / G;
    out.fill(0.0);
    for first in (0..count).step_by(NEAR) {
        let mut near = [[0.0; G]; NEAR];
        let near = &mut near[..NEAR.min(count - first)];
        for (g, weights) in weights.chunks_exact(count).enumerate() {
            near.iter_mut().zip(&weights[first..]).for_each(|(near, weight)| near[g] = *weight);
        }
        for at in (0..dim).step_by(block::<S>()) {
            weigh_pair::<S, C, G, 0>(simd, dim, at, near, codes, first, out);
            weigh_pair::<S, C, G, 1>(simd, dim, at, near, codes, first, out);
            weigh_pair::<S, C, G, 2>(simd, dim, at, near, codes, first, out);
            weigh_pair::<S, C, G, 3>(simd, dim, at, near, codes, first, out);
        }
    }
}

/// Adds two of the eight vectors of a block: with more, sums would not stay in registers.
#[inline(always)]
fn weigh_pair<S: Simd, C: Codes, const G: usize, const PAIR: usize>(
    simd: S,
    dim: usize,
    at: usize,
    weights: &[[f32; G]],
    codes: C,
    first: usize,
    out: &mut [f32],
) {
    let lanes = S::f32s::LEN;
    let at_out = |g: usize, i: usize| g * dim + at + (PAIR * 2 + i) * lanes;
    let mut sums: [[S::f32s; 2]; G] = std::array::from_fn(
        #[inline(always)]
        |g| {
            [0, 1].map(
                #[inline(always)]
                |i| S::f32s::from_slice(simd, &out[at_out(g, i)..][..lanes]),
            )
        },
    );
    for (row, weights) in codes.rows(first).zip(weights) {
        let value = floats::<S>(C::words(simd, row, at / 2)[PAIR / 2]);
        for (sums, weight) in sums.iter_mut().zip(weights) {
            let weight = S::f32s::splat(simd, *weight);
            for (sum, value) in sums.iter_mut().zip(&value[PAIR % 2 * 2..]) {
                *sum = value.mul_add(weight, *sum);
            }
        }
    }
    for (g, sums) in sums.iter().enumerate() {
        for (i, sum) in sums.iter().enumerate() {
            sum.store_slice(&mut out[at_out(g, i)..][..lanes]);
        }
    }
}
