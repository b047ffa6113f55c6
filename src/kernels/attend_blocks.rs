//! Attention of one KV head over listed blocks of slots, a list per query head and block of queries.
//!
//! Only the blocks that some query head of the group lists for some row at hand are read and converted, once for all of
//! them; each head then visits its own. Blocks that nobody lists cost nothing.

use fearless_simd::{dispatch, prelude::*};

use super::attend::SCORES;
use super::block::{self, Rows, RowsMut};
use super::softmax::softmax;
use super::tile::{Slots, TILE};
use super::{AttendScratch, Element, Keys, MassOut, Queries};
use crate::lanes;

/// Rows taken at a time: enough to read a block's keys seldom, few enough to score little above the diagonal.
const ROWS: usize = 64;

/// The blocks each query head reads. A query or key at slot s is in block `s / size`.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    /// Slots of a block, at least 1.
    pub size: usize,
    /// Blocks of all slots, the last perhaps in part: slots divided by `size`, rounded up.
    pub count: usize,
    /// By head of the group, ascending: `query block * count + key block`. Key blocks after the query block are ignored.
    pub pairs: &'a [&'a [u32]],
}

impl<'a> Blocks<'a> {
    /// The pairs of query block `block` and head `head` whose keys are not after their queries.
    pub fn of(&self, head: usize, block: usize) -> impl Iterator<Item = usize> + Clone + use<'a> {
        let (pairs, first) = (self.pairs[head], block * self.count);
        let start = pairs.partition_point(|pair| (*pair as usize) < first);
        let end = start + pairs[start..].partition_point(|pair| *pair as usize <= first + block);
        pairs[start..end].iter().map(move |pair| *pair as usize - first)
    }
}

/// The blocks that are converted, and where; reusable.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Key blocks in use, ascending.
    blocks: Vec<u32>,
    /// By key block its place in `blocks`.
    places: Vec<u32>,
    /// What one head reads for one block of queries: places in `blocks`.
    own: Vec<u32>,
}

/// Slots of the converted blocks, each padded to whole panels by its last slot again.
#[derive(Clone, Copy)]
struct Padded<'a> {
    blocks: &'a [u32],
    size: usize,
    padded: usize,
    /// Slots there are.
    end: usize,
}

impl Slots for Padded<'_> {
    const APART: bool = false;

    #[inline(always)]
    fn count(self) -> usize {
        self.blocks.len() * self.padded
    }

    #[inline(always)]
    fn slot(self, index: usize) -> usize {
        let block = self.blocks[index / self.padded] as usize * self.size;
        (block + (index % self.padded).min(self.size - 1)).min(self.end - 1)
    }
}

/// Attention of every row over its blocks, causally, into `out` `[rows, out_stride]`, head g at `g * head_dim` of the
/// row. Row r is at slot `first + r` and no slot after the last row's is read. A row without blocks gives zeros.
#[expect(clippy::too_many_arguments, reason = "those of attend_span and the blocks")]
pub fn attend_blocks<E: Element>(
    q: &Queries,
    kv: &Keys<E>,
    first: usize,
    blocks: Blocks,
    out: &mut [f32],
    out_stride: usize,
    mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    debug_assert!(blocks.pairs.len() == q.group && blocks.size > 0, "{} lists", blocks.pairs.len());
    dispatch!(lanes::level(), simd => run(simd, q, kv, first, blocks, out, out_stride, mass, scratch));
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "those of attend_blocks and the instruction set")]
fn run<S: Simd, E: Element>(
    simd: S,
    q: &Queries,
    kv: &Keys<E>,
    first: usize,
    blocks: Blocks,
    out: &mut [f32],
    out_stride: usize,
    mut mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    let (size, end, dim) = (blocks.size, first + q.rows, q.head_dim);
    let mut used = std::mem::take(&mut scratch.used);
    used.collect(&blocks, first / size..(end - 1) / size + 1);
    let padded = size.next_multiple_of(block::width::<S>());
    let slots = Padded { blocks: &used.blocks, size, padded, end };
    scratch.tiles.load_keys(simd, kv.k, dim, slots, kv.rotate);
    scratch.tiles.load_values(simd, kv.v, dim, slots);
    for query_block in first / size..(end - 1) / size + 1 {
        let start = query_block * size;
        for head in 0..q.group {
            used.own.clear();
            used.own.extend(blocks.of(head, query_block).map(|block| used.places[block]));
            let diagonal = blocks.of(head, query_block).last() == Some(query_block);
            // Slots before the block of the queries, all of which every row sees.
            let whole = (used.own.len() - usize::from(diagonal)) * size;
            let most = (SCORES / (whole + size)).clamp(1, ROWS);
            let (from, to) = (first.max(start), end.min(start + size));
            for from in (from..to).step_by(most) {
                let to = to.min(from + most);
                let count = whole + if diagonal { to - start } else { 0 };
                scratch.load_head(q, from - first..to - first, head);
                product(simd, dim, &used.own, [size, padded, count], scratch);
                for (scores, slot) in scratch.scores.chunks_exact_mut(count.max(1)).zip(from..to) {
                    let seen = if diagonal { whole + slot + 1 - start } else { whole };
                    scores[seen..].fill(0.0);
                    scratch.own.push(1.0 / softmax(simd, &mut scores[..seen]));
                }
                weigh(simd, dim, &used.own, [size, padded, count], scratch);
                for ((sums, inverse), row) in scratch.sums.chunks_exact(dim).zip(&scratch.own).zip(from - first..) {
                    for (out, sum) in out[row * out_stride + head * dim..].iter_mut().zip(sums) {
                        *out = sum * inverse;
                    }
                    let Some(mass) = mass.as_mut().filter(|mass| row >= mass.first_row) else { continue };
                    let scores = &scratch.scores[(row + first - from) * count..][..count];
                    for (scores, place) in scores.chunks(size).zip(&used.own) {
                        let slot = used.blocks[*place as usize] as usize * size;
                        let column = &mut mass.columns[head * mass.stride + slot..][..scores.len()];
                        lanes::map2(
                            simd,
                            column,
                            scores,
                            #[inline(always)]
                            |mass, weight| mass + weight * *inverse,
                        );
                    }
                }
            }
            if used.own.is_empty() {
                for row in from - first..to - first {
                    out[row * out_stride + head * dim..][..dim].fill(0.0);
                }
            }
        }
    }
    scratch.used = used;
}

/// The scores of the loaded queries with the first `count` slots of the blocks at `places`.
#[inline(always)]
fn product<S: Simd>(
    simd: S,
    dim: usize,
    places: &[u32],
    [size, padded, count]: [usize; 3],
    scratch: &mut AttendScratch,
) {
    let AttendScratch { tiles, queries, scores, .. } = scratch;
    let m = queries.len() / dim;
    scores.resize(m * count, 0.0);
    for (place, first) in places.iter().zip((0..count).step_by(size)) {
        let slots = size.min(count - first);
        for at in (0..slots).step_by(TILE) {
            let keys = tiles.keys_from(*place as usize * padded + at);
            let q = Rows { data: queries, stride: dim };
            let out = RowsMut { data: &mut scores[first + at..], stride: count };
            block::product(simd, [m, dim, TILE.min(slots - at)], q, keys, out, false);
        }
    }
}

/// The sums of the values of the same slots, weighted by the scores.
#[inline(always)]
fn weigh<S: Simd>(simd: S, dim: usize, places: &[u32], [size, padded, count]: [usize; 3], scratch: &mut AttendScratch) {
    let AttendScratch { tiles, queries, scores, sums, .. } = scratch;
    let m = queries.len() / dim;
    sums.clear();
    sums.resize(m * dim, 0.0);
    for (place, first) in places.iter().zip((0..count).step_by(size)) {
        let (mut at, slots) = (0, size.min(count - first));
        while at < slots {
            let (values, whole) = tiles.values_from(*place as usize * padded + at);
            let some = whole.min(slots - at);
            let weights = Rows { data: &scores[first + at..], stride: count };
            block::product(simd, [m, some, dim], weights, values, RowsMut { data: sums, stride: dim }, true);
            at += some;
        }
    }
}

impl Used {
    /// Gathers the key blocks that the query blocks of `rows` read.
    fn collect(&mut self, blocks: &Blocks, rows: std::ops::Range<usize>) {
        let Used { blocks: used, places, .. } = self;
        places.clear();
        places.resize(blocks.count, u32::MAX);
        for query_block in rows {
            for head in 0..blocks.pairs.len() {
                blocks.of(head, query_block).for_each(|block| places[block] = 0);
            }
        }
        used.clear();
        for (place, block) in places.iter_mut().zip(0..).filter(|(place, _)| **place == 0) {
            *place = used.len() as u32;
            used.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attend::tests::{Made, TOLERANCE, naive};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// `keep(head, query block, key block)` says what is read.
    fn check<E: Element>(
        name: &str,
        [rows, slots, group, dim, size]: [usize; 5],
        rotate: bool,
        keep: impl Fn(usize, usize, usize) -> bool,
    ) {
        let made = Made::<E>::new([rows, slots, group, dim]);
        let (q, kv) = (made.queries(), made.keys(rotate));
        let out_stride = group * dim + 1;
        let count = slots.div_ceil(size);
        let lists: Vec<Vec<u32>> = (0..group)
            .map(|h| (0..count * count).filter(|p| keep(h, p / count, p % count)).map(|p| p as u32).collect())
            .collect();
        let pairs: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
        let (first, first_row) = (slots - rows, rows / 3);
        let mut masses = vec![0.0; group * (slots + 2)];
        let mut out = vec![f32::NAN; rows * out_stride];
        let mass = MassOut { columns: &mut masses, stride: slots + 2, first_row };
        let blocks = Blocks { size, count, pairs: &pairs };
        attend_blocks(&q, &kv, first, blocks, &mut out, out_stride, Some(mass), &mut AttendScratch::default());
        let mut want_mass = vec![0.0; masses.len()];
        for row in 0..rows {
            let own = first + row;
            for head in 0..group {
                let seen: Vec<usize> = (0..=own).filter(|s| keep(head, own / size, s / size)).collect();
                let (want, weights) = naive(&q.q[row * q.stride + head * dim..][..dim], q.scale, &kv, &seen);
                for (got, want) in out[row * out_stride + head * dim..][..dim].iter().zip(&want) {
                    let error = (f64::from(*got) - want).abs();
                    assert!(error < TOLERANCE, "{name}: {rows} of {slots}, size {size}: {got} for {want}");
                }
                for (slot, weight) in seen.iter().zip(&weights).filter(|_| row >= first_row) {
                    want_mass[head * (slots + 2) + slot] += weight;
                }
            }
        }
        for (got, want) in masses.iter().zip(want_mass) {
            assert!((f64::from(*got) - want).abs() < TOLERANCE * rows as f64, "{name}: mass {got} for {want}");
        }
    }

    #[test]
    fn blocks_are_as_in_the_definition() {
        let mixed = |h: usize, a: usize, j: usize| j == 0 || j == a || (a + 2 * j + h).is_multiple_of(3);
        lanes::each::run(|name| {
            check::<u16>(name, [128, 384, 3, 64, 64], false, mixed);
            check::<f32>(name, [128, 300, 2, 64, 128], false, mixed);
            check::<f32>(name, [70, 203, 2, 16, 16], false, mixed);
            check::<u16>(name, [100, 201, 3, 18, 7], true, mixed);
            check::<f32>(name, [5, 250, 1, 80, 100], false, mixed);
            check::<u16>(name, [1, 130, 3, 64, 32], false, mixed);
            check::<f32>(name, [90, 90, 2, 16, 1], false, mixed);
            // Heads without any block, and without the one of the queries.
            check::<f32>(name, [60, 120, 3, 16, 20], false, |h, a, j| h == 2 || (h == 1 && j + 1 == a));
            // One block holds everything.
            check::<u16>(name, [50, 90, 3, 64, 500], false, |_, _, _| true);
        });
    }
}
