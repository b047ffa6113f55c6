//! Sets: each operation against the CPU's on the same scores.

mod edges;

use attnscope::ops::{Expand, Group, Mass, Pins, Read, Spread, Take};

use super::both::{Both, KV};
use super::gpu;

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
                both.run(|ops| ops.top_k(scores, k, pins));
                both.run(|ops| ops.top_k_shared(scores, k, pins));
            }
            let scores = both.random(2);
            for spread in [Spread { floor: 0.2, covered: false }, Spread { floor: 0.5, covered: true }] {
                both.run(|ops| ops.top_k_spread(scores, k, spread, pins));
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
            let counts = both.run(|ops| ops.cover(scores, share));
            for (extra, unit, min, max) in [(0, 1, 0, 1 << 20), (5, 4, 2, 9), (-3, 1, 0, 40)] {
                both.run(|ops| {
                    let take = Take { count: counts, extra, unit, min, max };
                    ops.top_counted(scores, take, Pins { sinks: 1, recent: 0 })
                });
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
        both.run(|ops| ops.union_by_kv(few));
        both.run(|ops| ops.union(few, many));
        both.run(|ops| ops.union(few, by_kv));
        for gone in [0..0, 0..1, 3..40, 0..5000] {
            both.run(|ops| ops.except(KV, gone.clone()));
            both.run(|ops| ops.outside(KV, gone.clone()));
        }
        let places = both.run(|ops| ops.positions(KV, by_kv));
        both.run(|ops| ops.at_positions(KV, places));
        both.run(|ops| ops.mark(KV, few, 1.5, -2.0));
        let (first, then) = (both.extreme(2), both.extreme(2));
        for (by_first, by_then) in [(false, false), (true, false), (true, true)] {
            both.run(|ops| ops.rank(KV, by_first.then_some(first), by_then.then_some(then)));
        }
        // One score a group, on either side of the cut.
        let scores = both.random(6);
        let counts = both.run(|ops| ops.cover(scores, 0.4));
        let cut = both.on.scores(counts, 3).unwrap()[0];
        both.run(|ops| ops.choose(counts, cut, few, by_kv));
    }
}

#[test]
fn slots_of_pages() {
    let Some(gpu) = gpu("slots of pages") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live; 2], live);
        let numbers: Vec<u32> = (0..live as u32 / 16).step_by(3).collect();
        let pages = both.run(|ops| ops.listed(&numbers));
        for how in [Expand { size: 16, most: 1000, recent: 0 }, Expand { size: 16, most: 40, recent: 9 }] {
            both.run(|ops| ops.expand(KV, pages, how));
        }
    }
}

#[test]
fn block_pairs() {
    let Some(gpu) = gpu("block pairs") else { return };
    for blocks in [1, 2, 7, 33] {
        let mut both = Both::filled(&gpu, QUERY, 16, &[blocks; 2], blocks);
        let (vertical, slash) = (both.best(6, 3), both.best(6, 2));
        both.run(|ops| ops.pairs(vertical, slash, blocks as u32));
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
                let tables = both.open(leave);
                both.attend(if listed { Read::Slots(sets) } else { Read::All }, 0..1, Some((leave, tables)));
            }
        }
    }
}
