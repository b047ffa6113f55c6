//! Tables made of others and of keys.

use attnscope::ops::{Group, Pooling, Reduce};

use super::super::gpu;
use super::{Both, KV, SHAPES};

#[test]
fn heads_become_one() {
    let Some(gpu) = gpu("regrouping") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        let is_alike = slots.iter().all(|n| *n == slots[0]);
        for how in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
            for (to, from) in [(Group::Kv, query), (Group::Query, query), (Group::Kv, slots.len()), (Group::All, query)]
            {
                if to == Group::All && !is_alike {
                    continue;
                }
                let scores = both.random(from);
                let got = both.run(|ops, on| ops.regroup(scores[on], to, how));
                both.check_slots("regroup", got, if how == Reduce::Mean { 2e-7 } else { 0.0 });
            }
        }
        let scores = both.extreme(slots.len());
        let copy = both.run(|ops, on| ops.regroup(scores[on], Group::Kv, Reduce::Mean));
        both.check_slots("a copy with infinities", copy, 0.0);
        let scores = both.extreme(query);
        let largest = both.run(|ops, on| ops.regroup(scores[on], Group::Kv, Reduce::Max));
        both.check_slots("the largest with infinities", largest, 0.0);
    }
}

#[test]
fn scores_are_judged_and_divided() {
    let Some(gpu) = gpu("used and per_query") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        for (share, fresh) in [(0.5, 0), (0.0, 3), (200.0, 1), (1.0, 5000)] {
            let scores = both.extreme(slots.len());
            let used = both.run(|ops, on| ops.used(scores[on], share, fresh));
            both.check_slots("used", used, 0.0);
            let scores = both.random(slots.len());
            let used = both.run(|ops, on| ops.used(scores[on], share * slots[0] as f32 / 2.0, fresh));
            both.check_slots("used of shares", used, 0.0);
        }
        for n in [1, rows as u32, 64, 5000] {
            let scores = both.extreme(query);
            let divided = both.run(|ops, on| ops.per_query(scores[on], n));
            both.check_slots("per_query", divided, 2e-7);
        }
        for rate in [0.0, 0.1, -0.05] {
            let scores = both.random(query);
            let rounds = both.run(|ops, on| ops.by_block(scores[on], 7));
            let tilted = both.run(|ops, on| ops.tilt(rounds[on], rate));
            both.check("tilt", tilted, 4e-7);
        }
    }
}

#[test]
fn scores_are_smoothed_and_summed_by_block() {
    let Some(gpu) = gpu("pooling and blocks") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        for kernel in [1, 3, 7, 129] {
            for recent in [0, 2, 64, 5000] {
                let scores = both.random(query);
                let mean = both.run(|ops, on| ops.pool(scores[on], kernel, Pooling::Mean, recent));
                both.check_slots("mean of neighbours", mean, 2e-7);
                let scores = both.extreme(query);
                let largest = both.run(|ops, on| ops.pool(scores[on], kernel, Pooling::Max, recent));
                both.check_slots("largest of neighbours", largest, 0.0);
            }
        }
        for size in [0, 1, 16, 64, 100, 5000] {
            let scores = both.random(query);
            let sums = both.run(|ops, on| ops.by_block(scores[on], size));
            // The same additions in the same order.
            both.check("sums by block", sums, 0.0);
        }
    }
}

#[test]
fn the_shortest_key_is_the_best() {
    let Some(gpu) = gpu("key norms") else { return };
    for (slots, query, rows) in SHAPES {
        for dim in [16, 64, 128] {
            let mut both = Both::filled(&gpu, query, dim, slots, rows);
            let norms = both.run(|ops, _| ops.key_norms(KV));
            both.check_slots("key norms", norms, 1e-6);
        }
    }
}
