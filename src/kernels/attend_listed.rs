//! Attention of one KV head over listed slots, a list per query head.

use fearless_simd::{dispatch, prelude::*};

use super::attend::{score, weigh};
use super::softmax::softmax;
use super::{AttendScratch, Element, Keys, MassOut, Queries};
use crate::lanes;

/// Attention of one row whose head g reads the slots `lists[g]` (ascending), into `out` `[group * head_dim]`. An empty
/// list gives zeros. Each key and value is read once, however many heads list it.
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
    mut mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    let mut union = std::mem::take(&mut scratch.union);
    union.unite(lists);
    let slots = &union.slots[..];
    scratch.load(q, 0..1);
    scratch.convert(simd, q, kv, slots, 1);
    score(simd, q.head_dim, kv, slots, 0, scratch);
    let mut own = std::mem::take(&mut scratch.own);
    let mut places = &union.places[..];
    for (head, list) in lists.iter().enumerate() {
        // A head has a say in its own slots only: the others' weights are zero.
        let (here, rest) = places.split_at(list.len());
        places = rest;
        let scores = &mut scratch.scores[head * slots.len()..][..slots.len()];
        own.clear();
        own.extend(here.iter().map(|place| scores[*place as usize]));
        let inverse = 1.0 / softmax(simd, &mut own);
        scores.fill(0.0);
        for (place, weight) in here.iter().zip(&own) {
            scores[*place as usize] = weight * inverse;
        }
        if let Some(mass) = mass.as_mut().filter(|mass| mass.first_row == 0) {
            for (slot, weight) in list.iter().zip(&own) {
                mass.columns[head * mass.stride + *slot as usize] += weight * inverse;
            }
        }
    }
    scratch.own = own;
    weigh(simd, q.head_dim, kv, slots, 0, scratch);
    out[..scratch.sums.len()].copy_from_slice(&scratch.sums);
    scratch.union = union;
}

/// Several ascending lists as one; reusable.
#[derive(Debug, Default)]
pub(super) struct Union {
    /// The slots that are in any list, ascending.
    slots: Vec<u32>,
    /// Where each list's slots are among them, list after list.
    places: Vec<u32>,
    /// How far each list has been read, and where its places start.
    cursors: Vec<(usize, usize)>,
}

impl Union {
    fn unite(&mut self, lists: &[&[u32]]) {
        let Union { slots, places, cursors } = self;
        slots.clear();
        places.clear();
        if let [first, rest @ ..] = lists
            && rest.iter().all(|list| list == first)
        {
            slots.extend_from_slice(first);
            lists.iter().for_each(|list| places.extend(0..list.len() as u32));
            return;
        }
        cursors.clear();
        for list in lists {
            cursors.push((0, places.len()));
            places.resize(places.len() + list.len(), 0);
        }
        let least = |cursors: &[(usize, usize)]| {
            lists.iter().zip(cursors).filter_map(|(list, (read, _))| list.get(*read)).min().copied()
        };
        while let Some(slot) = least(cursors) {
            for (list, (read, start)) in lists.iter().zip(cursors.iter_mut()) {
                if list.get(*read) == Some(&slot) {
                    places[*start + *read] = slots.len() as u32;
                    *read += 1;
                }
            }
            slots.push(slot);
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
