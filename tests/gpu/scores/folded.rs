//! Dropped rows that go into kept ones.

use attnscope::{
    ops::{Dense, Fold},
    trace::Detail,
};

use super::super::gpu;
use super::{Both, KV};

const ALL: [Fold; 6] = [
    Fold::Averaged,
    Fold::Pivotal,
    Fold::Weighted,
    Fold::NormalisedWeighted,
    Fold::PublishedAveraged,
    Fold::PublishedWeighted,
];

#[test]
fn dropped_rows_go_into_the_nearest() {
    let Some(gpu) = gpu("folds") else { return };
    for (slots, kept, query, dim) in [
        (&[1][..], &[1][..], 1, 16),
        (&[9, 9], &[0, 0], 4, 16),
        (&[65, 65, 65], &[20, 20, 20], 9, 64),
        (&[65, 40, 3], &[45, 20, 3], 9, 16),
        (&[300, 500], &[1, 300], 4, 128),
        (&[1000, 1000], &[100, 100], 2, 64),
    ] {
        for how in ALL {
            let mut both = Both::filled(&gpu, query, dim, slots, 1);
            let gone: Vec<usize> = slots.iter().zip(kept).map(|(a, b)| a - b).collect();
            if matches!(how, Fold::PublishedAveraged | Fold::PublishedWeighted) && gone.iter().any(|n| *n != gone[0]) {
                continue;
            }
            both.finish();
            both.on.tracer().detail = Detail::Sets;
            let set = both.choose(kept);
            // Rows agree up to the rounding to f16, which WGSL lets go either way; and the trace.
            both.run(|ops| ops.fold(KV, set, how));
            both.slots = kept.to_vec();
            both.finish();
        }
    }
}

#[test]
fn a_set_that_keeps_no_rows_is_refused() {
    let Some(gpu) = gpu("sets of a fold") else { return };
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    let scores = both.random(4);
    let set = both.run(|ops| ops.top_k(scores, 3, attnscope::ops::Pins::default()));
    both.refuses(|ops| ops.fold(KV, set, Fold::Averaged));
}
