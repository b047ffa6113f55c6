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
                both.run(|ops| ops.regroup(scores, to, how));
            }
        }
        let scores = both.extreme(slots.len());
        both.run(|ops| ops.regroup(scores, Group::Kv, Reduce::Mean));
        let scores = both.extreme(query);
        both.run(|ops| ops.regroup(scores, Group::Kv, Reduce::Max));
    }
}

#[test]
fn scores_are_judged_and_divided() {
    let Some(gpu) = gpu("used and per_query") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        for (share, fresh) in [(0.5, 0), (0.0, 3), (200.0, 1), (1.0, 5000)] {
            let scores = both.extreme(slots.len());
            both.run(|ops| ops.used(scores, share, fresh));
            let scores = both.random(slots.len());
            both.run(|ops| ops.used(scores, share * slots[0] as f32 / 2.0, fresh));
        }
        for n in [1, rows as u32, 64, 5000] {
            let scores = both.extreme(query);
            both.run(|ops| ops.per_query(scores, n));
        }
        for rate in [0.0, 0.1, -0.05] {
            let scores = both.random(query);
            let rounds = both.run(|ops| ops.by_block(scores, 7));
            both.run(|ops| ops.tilt(rounds, rate));
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
                both.run(|ops| ops.pool(scores, kernel, Pooling::Mean, recent));
                let scores = both.extreme(query);
                both.run(|ops| ops.pool(scores, kernel, Pooling::Max, recent));
            }
        }
        for size in [0, 1, 16, 64, 100, 5000] {
            let scores = both.random(query);
            both.run(|ops| ops.by_block(scores, size));
            // The same additions in the same order.
        }
    }
}

#[test]
fn the_shortest_key_is_the_best() {
    let Some(gpu) = gpu("key norms") else { return };
    for (slots, query, rows) in SHAPES {
        for dim in [16, 64, 128] {
            let mut both = Both::filled(&gpu, query, dim, slots, rows);
            both.run(|ops| ops.key_norms(KV));
        }
    }
}
