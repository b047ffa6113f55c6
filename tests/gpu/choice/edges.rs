//! Numbers and lengths that are rare: equal shares, numbers of many magnitudes, KV heads of very different lengths.

use std::rc::Rc;

use attnscope::{
    backend::{Shape, gpu::Gpu},
    cache::Store,
    method::Positions,
    ops::{Dense, Ops},
};

use super::{Both, Expand, KV, Pins, QUERY, SIZES, Spread, gpu};

#[test]
fn equal_scores_cover_a_share_as_exactly() {
    let Some(gpu) = gpu("equal scores cover a share") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live; 2], live);
        // Where all are equal a share ends at a score and not within one; the CPU's sums in f64 are exact there.
        for value in [0.1, 1.0 / 3.0, 1e-3, 7.7e30, 3e-39] {
            let scores = both.given(1, &vec![value; live]);
            for share in [0.0, 0.125, 0.25, 0.5, 0.75, 0.9, 1.0, 2.0] {
                both.run(|ops| ops.cover(scores, share));
            }
        }
    }
}

#[test]
fn scores_of_many_magnitudes_cover_a_share_as_exactly() {
    let Some(gpu) = gpu("scores of many magnitudes") else { return };
    for live in SIZES {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live; 2], live);
        for spread in [4.0, 20.0, 60.0] {
            let number = |seed: &mut fastrand::Rng| match seed.usize(0..9) {
                0 => 0.0,
                1 => -1.0,
                2 => 0.25,
                _ => (-spread * seed.f32()).exp2() * (1.0 + seed.f32()),
            };
            let numbers: Vec<f32> = (0..2 * live).map(|_| number(&mut both.seed)).collect();
            let scores = both.given(2, &numbers);
            for share in [0.01, 0.3, 0.5, 0.9, 0.95, 0.999, 1.0] {
                both.run(|ops| ops.cover(scores, share));
            }
        }
    }
}

#[test]
fn heads_of_very_different_lengths_compete() {
    let Some(gpu) = gpu("heads of very different lengths") else { return };
    for (live, few) in [(65, 2), (258, 6), (1001, 11)] {
        let mut both = Both::filled(&gpu, QUERY, 16, &[live, few], 1);
        let scores = both.random(2);
        for k in [4, 20, live as u32 * 2 / 3, live as u32] {
            for pins in [Pins::default(), Pins { sinks: 3, recent: 2 }] {
                for (floor, covered) in [(0.0, false), (0.2, false), (0.2, true), (0.5, true), (1.0, false)] {
                    let spread = Spread { floor, covered };
                    both.run(|ops| ops.top_k_spread(scores, k, spread, pins));
                }
            }
        }
        // More newest slots than there are are all of them.
        let pages = both.run(|ops| ops.listed(&[0, 2, 3]));
        let by_kv = both.best(2, 4);
        for recent in [0, 1, 7, 2000, u32::MAX] {
            for most in [0, 5, 1000] {
                let how = Expand { size: 4, most, recent };
                // By KV head, for one list of slots would be of heads that are alike.
                let pages = both.run(|ops| ops.union(pages, by_kv));
                both.run(|ops| ops.expand(KV, pages, how));
            }
        }
        let numbers: Vec<f32> = (0..2 * both.on.live(KV)).map(|at| (at % 7) as f32 - 3.0).collect();
        let scores = both.given(2, &numbers);
        both.run(|ops| ops.rank(KV, Some(scores), None));
    }
}

#[test]
fn lists_of_the_host() {
    let Some(gpu) = gpu("lists of the host") else { return };
    let numbers = [0, 1, 51, 52, 53, 104, 300].map(|n| (0..n).map(|i| 3 * i + 1).collect::<Vec<u32>>());
    let mut both = Both::filled(&gpu, QUERY, 16, &[1000; 2], 1000);
    for numbers in &numbers {
        both.run(|ops| ops.listed(numbers));
    }
    // Alone, for in lock-step every call is submitted.
    let shape = Shape { layers: 1, query_heads: 2, kv_heads: 2, head_dim: 16, rope: None, eps: 1e-5 };
    let mut alone = Gpu::new(Rc::clone(&gpu), shape, None, Positions::Text, Store::F16).unwrap();
    alone.begin(0, 1).unwrap();
    let submits = gpu.counters().submits;
    numbers.iter().for_each(|numbers| _ = alone.listed(numbers).unwrap());
    assert_eq!(gpu.counters().submits, submits, "lists are recorded with what is before them");
}
