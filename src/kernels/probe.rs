//! Where the newest queries look, by slot and by distance, without an output.

use fearless_simd::{dispatch, prelude::*};

use super::attend::{SCORES, score};
use super::direct;
use super::softmax::softmax;
use super::tile::Run;
use super::{AttendScratch, Element, Keys, Queries};
use crate::lanes;

/// Rows taken at a time.
const ROWS: usize = 16;

/// The mean softmax mass of one KV head's group of queries: `vertical[g * stride + s]` is what slot s gets from head g,
/// and `slash[g * stride + slots - 1 - d]` what the slots d before each query get. The last row's own slot is the last
/// of `slots`; both outputs are overwritten.
pub fn probe<E: Element>(
    q: &Queries,
    kv: &Keys<E>,
    vertical: &mut [f32],
    slash: &mut [f32],
    stride: usize,
    scratch: &mut AttendScratch,
) {
    dispatch!(lanes::level(), simd => run(simd, q, kv, vertical, slash, stride, scratch));
}

#[inline(always)]
fn run<S: Simd, E: Element>(
    simd: S,
    q: &Queries,
    kv: &Keys<E>,
    vertical: &mut [f32],
    slash: &mut [f32],
    stride: usize,
    scratch: &mut AttendScratch,
) {
    let slots = Run { first: 0, count: kv.k.len() / q.head_dim };
    for columns in vertical.chunks_mut(stride).chain(slash.chunks_mut(stride)) {
        columns.fill(0.0);
    }
    let most = (SCORES / (q.group * slots.count)).clamp(1, ROWS);
    if kv.rotate.is_some() || !direct::serves::<S>(most.min(q.rows) * q.group, q.head_dim) {
        scratch.tiles.load_keys(simd, kv.k, q.head_dim, slots, kv.rotate);
    }
    for first in (0..q.rows).step_by(most) {
        scratch.load(q, first..q.rows.min(first + most));
        score(simd, q.head_dim, kv, slots, 0, scratch);
        for (scores, index) in scratch.scores.chunks_exact_mut(slots.count).zip(0..) {
            let (row, head) = (first + index / q.group, index % q.group);
            let later = q.rows - 1 - row;
            let scores = &mut scores[..slots.count - later];
            let share = 1.0 / (softmax(simd, scores) * q.rows as f32);
            for columns in [&mut vertical[head * stride..], &mut slash[head * stride + later..]] {
                lanes::map2(
                    simd,
                    &mut columns[..scores.len()],
                    scores,
                    #[inline(always)]
                    |mass, weight| mass + weight * share,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attend::tests::{TOLERANCE, naive};
    use super::*;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn both_sums_are_as_in_the_definition() {
        lanes::each::run(|name| {
            for [rows, slots, group, dim] in [[16, 200, 3, 64], [1, 1, 1, 16], [33, 33, 2, 18], [64, 700, 3, 64]] {
                let mut random = Random((rows + slots) as u64);
                let (k, values) = (random.floats(slots * dim), random.floats(rows * group * dim));
                let kv = Keys { k: &k, v: &k, rotate: None };
                let q = Queries { q: &values, stride: group * dim, rows, group, head_dim: dim, scale: 0.3 };
                let stride = slots + 1;
                let mut got = [vec![f32::NAN; group * stride], vec![f32::NAN; group * stride]];
                let [vertical, slash] = &mut got;
                probe(&q, &kv, vertical, slash, stride, &mut AttendScratch::default());
                for head in 0..group {
                    let mut want = [vec![0.0; slots], vec![0.0; slots]];
                    for row in 0..rows {
                        let seen: Vec<usize> = (0..slots - rows + row + 1).collect();
                        let query = &values[(row * group + head) * dim..][..dim];
                        for (slot, weight) in naive(query, q.scale, &kv, &seen).1.iter().enumerate() {
                            want[0][slot] += weight / rows as f64;
                            want[1][slots - seen.len() + slot] += weight / rows as f64;
                        }
                    }
                    for (got, want) in got.iter().zip(want) {
                        for (got, want) in got[head * stride..].iter().zip(want) {
                            assert!((f64::from(*got) - want).abs() < TOLERANCE, "{name}: {got} for {want}");
                        }
                    }
                }
            }
        });
    }
}
