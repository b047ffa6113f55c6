//! Sets: each operation against the CPU's on the same scores.

mod edges;

use attnscope::ops::{Dense, Expand, Group, Mass, Pins, Read, Spread, Take};

use super::both::{Both, KV};
use super::{difference, gpu};

/// Query heads, on two KV heads.
const QUERY: usize = 6;
/// Slots, around the sizes of workgroups.
const SIZES: [usize; 6] = [1, 63, 64, 65, 257, 1000];

#[test]
fn the_best_slots() {
    let Some(gpu) = gpu("the best slots") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live; 2], live);
        for (k, sinks, recent) in [(0, 0, 0), (1, 0, 0), (7, 2, 3), (64, 4, 16), (300, 0, 1), (3, 9, 9), (5000, 1, 1)] {
            let pins = Pins { sinks, recent };
            for groups in [6, 2, 1] {
                let scores = both.extreme(groups);
                let sets = both.run(|ops, on| ops.top_k(scores[on], k, pins));
                both.check_sets(&format!("top_k {k} {pins:?} of {groups}"), sets);
                let sets = both.run(|ops, on| ops.top_k_shared(scores[on], k, pins));
                both.check_sets(&format!("top_k_shared {k} {pins:?} of {groups}"), sets);
            }
            let scores = both.random(2);
            for spread in [Spread { floor: 0.2, covered: false }, Spread { floor: 0.5, covered: true }] {
                let sets = both.run(|ops, on| ops.top_k_spread(scores[on], k, spread, pins));
                both.check_sets(&format!("top_k_spread {k} {pins:?} {spread:?}"), sets);
            }
        }
    }
}

#[test]
fn as_many_as_cover_a_share() {
    let Some(gpu) = gpu("as many as cover a share") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live; 2], live);
        let scores = both.random(6);
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let counts = both.run(|ops, on| ops.cover(scores[on], share));
            both.check(&format!("cover {share}"), counts, 0.0);
            for (extra, unit, min, max) in [(0, 1, 0, 1 << 20), (5, 4, 2, 9), (-3, 1, 0, 40)] {
                let sets = both.run(|ops, on| {
                    let take = Take { count: counts[on], extra, unit, min, max };
                    ops.top_counted(scores[on], take, Pins { sinks: 1, recent: 0 })
                });
                both.check_sets(&format!("top_counted, {share}, {extra} {unit} {min} {max}"), sets);
            }
        }
    }
}

#[test]
fn sets_of_sets() {
    let Some(gpu) = gpu("sets of sets") else { return };
    for (live, other) in SIZES.into_iter().flat_map(|live| [(live, live), (live + 2, live)]) {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live, other], 1);
        let (few, many, by_kv) = (both.best(6, 5), both.best(6, 90), both.best(2, 12));
        let sets = both.run(|ops, on| ops.union_by_kv(few[on]));
        both.check_sets("union_by_kv", sets);
        let sets = both.run(|ops, on| ops.union(few[on], many[on]));
        both.check_sets("union", sets);
        let sets = both.run(|ops, on| ops.union(few[on], by_kv[on]));
        both.check_sets("union over fewer groups", sets);
        for gone in [0..0, 0..1, 3..40, 0..5000] {
            let sets = both.run(|ops, _| ops.except(KV, gone.clone()));
            both.check_sets(&format!("except {gone:?}"), sets);
            let sets = both.run(|ops, _| ops.outside(KV, gone.clone()));
            both.check_sets(&format!("outside {gone:?}"), sets);
        }
        let places = both.run(|ops, on| ops.positions(KV, by_kv[on]));
        both.check_sets("positions", places);
        let sets = both.run(|ops, on| ops.at_positions(KV, places[on]));
        both.check_sets("at_positions", sets);
        let marks = both.run(|ops, on| ops.mark(KV, few[on], 1.5, -2.0));
        both.check_slots("mark", marks, 0.0);
        let (first, then) = (both.extreme(2), both.extreme(2));
        for (by_first, by_then) in [(false, false), (true, false), (true, true)] {
            let places = both.run(|ops, on| ops.rank(KV, by_first.then_some(first[on]), by_then.then_some(then[on])));
            both.check_slots("rank", places, 0.0);
        }
        // One score a group, on either side of the cut.
        let scores = both.random(6);
        let counts = both.run(|ops, on| ops.cover(scores[on], 0.4));
        let cut = both.cpu.scores(counts[0], 3).unwrap()[0];
        let sets = both.run(|ops, on| ops.choose(counts[on], cut, few[on], by_kv[on]));
        both.check_sets("choose", sets);
    }
}

#[test]
fn slots_of_pages() {
    let Some(gpu) = gpu("slots of pages") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live; 2], live);
        let numbers: Vec<u32> = (0..live as u32 / 16).step_by(3).collect();
        let pages = both.run(|ops, _| ops.listed(&numbers));
        for how in [Expand { size: 16, most: 1000, recent: 0 }, Expand { size: 16, most: 40, recent: 9 }] {
            let sets = both.run(|ops, on| ops.expand(KV, pages[on], how));
            both.check_sets(&format!("{how:?}"), sets);
        }
    }
}

#[test]
fn block_pairs() {
    let Some(gpu) = gpu("block pairs") else { return };
    for blocks in [1, 2, 7, 33] {
        let mut both = Both::filled(&gpu, QUERY, 16, &[blocks; 2], blocks);
        let (vertical, slash) = (both.best(6, 3), both.best(6, 2));
        let sets = both.run(|ops, on| ops.pairs(vertical[on], slash[on], blocks as u32));
        both.check_sets("pairs", sets);
    }
}

#[test]
fn mass_of_a_decode_step() {
    let Some(gpu) = gpu("mass") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live + 1; 2], 1);
        for per in [Group::Query, Group::Kv, Group::All] {
            let (leave, sets) = (Mass { rows: 1, per }, both.best(6, 20));
            for listed in [false, true] {
                let tables = [both.cpu.open(KV, leave).unwrap(), both.gpu.open(KV, leave).unwrap()];
                let read = |on: usize| if listed { Read::Slots(sets[on]) } else { Read::All };
                both.cpu.attend(KV, read(0), 0..1, &[Some((leave, tables[0])), None]).unwrap();
                both.gpu.attend(KV, read(1), 0..1, &[Some((leave, tables[1])), None]).unwrap();
                for (group, got) in both.gpu.scores(tables[1]).unwrap().iter().enumerate() {
                    let off = difference(got, &both.cpu.scores(tables[0], group).unwrap()[..got.len()]);
                    // A weight is at most 1; six heads of them.
                    assert!(off < 6.0 * 2e-6, "mass {per:?}, {live} slots, {listed}: {off}");
                }
            }
        }
    }
}
