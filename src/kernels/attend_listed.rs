//! Attention of one KV head over listed slots, a list per query head.

use fearless_simd::{dispatch, prelude::*};

use super::attend::{score, weigh};
use super::softmax::softmax;
use super::{AttendScratch, Element, Keys, MassOut, Queries};
use crate::lanes;

/// Attention of one row whose head g reads the slots `lists[g]` (ascending), into `out` `[group * head_dim]`. An empty
/// list gives zeros. Neighbouring heads with the same list read it together; others do so apart, for to find what their
/// lists share takes longer than to convert a row twice.
pub fn attend_listed<E: Element>(
    q: &Queries,
    kv: &Keys<E>,
    lists: &[&[u32]],
    out: &mut [f32],
    mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    debug_assert!(q.rows == 1 && lists.len() == q.group, "{} rows, {} lists", q.rows, lists.len());
    dispatch!(lanes::narrow_level(), simd => run(simd, q, kv, lists, out, mass, scratch));
}

#[inline(always)]
fn run<S: Simd, E: Element>(
    simd: S,
    q: &Queries,
    kv: &Keys<E>,
    lists: &[&[u32]],
    out: &mut [f32],
    mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    let mut mass = mass.filter(|mass| mass.first_row == 0);
    let mut first = 0;
    for same in lists.chunk_by(|a, b| a == b) {
        let heads = first..first + same.len();
        first = heads.end;
        let (slots, dim) = (same[0], q.head_dim);
        let out = &mut out[heads.start * dim..heads.end * dim];
        if slots.is_empty() {
            out.fill(0.0);
            continue;
        }
        let q = Queries { q: &q.q[heads.start * dim..], group: same.len(), ..*q };
        scratch.load(&q, 0..1);
        scratch.convert(simd, &q, kv, slots, 1);
        score(simd, dim, kv, slots, 0, scratch);
        for scores in scratch.scores.chunks_exact_mut(slots.len()) {
            scratch.own.push(1.0 / softmax(simd, scores));
        }
        weigh(simd, dim, kv, slots, 0, scratch);
        let sums = scratch.sums.chunks_exact(dim).zip(&scratch.own);
        for ((sums, inverse), out) in sums.zip(out.chunks_exact_mut(dim)) {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * inverse);
        }
        if let Some(mass) = &mut mass {
            let weights = scratch.scores.chunks_exact(slots.len()).zip(&scratch.own);
            for ((weights, inverse), head) in weights.zip(heads) {
                for (slot, weight) in slots.iter().zip(weights) {
                    mass.columns[head * mass.stride + *slot as usize] += weight * inverse;
                }
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

    fn check(name: &str, slots: usize, group: usize, dim: usize, lists: &[Vec<u32>]) {
        let mut random = Random(slots as u64);
        let (k, v, query) = (random.floats(slots * dim), random.floats(slots * dim), random.floats(group * dim));
        let kv = Keys { k: &k, v: &v, rotate: None };
        let q = Queries { q: &query, stride: group * dim, rows: 1, group, head_dim: dim, scale: 0.5 };
        let lists: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
        let (mut out, mut masses) = (vec![f32::NAN; group * dim], vec![0.0; group * slots]);
        let mass = MassOut { columns: &mut masses, stride: slots, first_row: 0 };
        attend_listed(&q, &kv, &lists, &mut out, Some(mass), &mut AttendScratch::default());
        for (head, list) in lists.iter().enumerate() {
            let seen: Vec<usize> = list.iter().map(|slot| *slot as usize).collect();
            let (want, weights) = naive(&query[head * dim..][..dim], q.scale, &kv, &seen);
            for (got, want) in out[head * dim..][..dim].iter().zip(want) {
                assert!((f64::from(*got) - want).abs() < TOLERANCE, "{name}: head {head}: {got} for {want}");
            }
            let mut want = vec![0.0; slots];
            seen.iter().zip(weights).for_each(|(slot, weight)| want[*slot] = weight);
            for (got, want) in masses[head * slots..][..slots].iter().zip(want) {
                assert!(
                    (f64::from(*got) - want).abs() < TOLERANCE && (want > 0.0 || *got == 0.0),
                    "{name}: mass {got}"
                );
            }
        }
    }

    #[test]
    fn lists_are_as_in_the_definition() {
        lanes::each::run(|name| {
            let every = |step: u32, from: u32| (from..300).step_by(step as usize).collect::<Vec<u32>>();
            check(name, 300, 3, 64, &[every(7, 0), every(7, 0), every(7, 0)]);
            check(name, 300, 3, 64, &[every(7, 3), every(1, 0), vec![299]]);
            check(name, 300, 2, 16, &[vec![], every(2, 1)]);
            check(name, 300, 1, 16, &[vec![]]);
            check(name, 300, 4, 8, &[every(4, 0), every(4, 1), every(4, 2), every(4, 3)]);
        });
    }
}
