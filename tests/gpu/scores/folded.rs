//! Dropped rows that go into kept ones.

use attnscope::{
    Error,
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

/// The rows of all heads agree up to f16's rounding, which WGSL lets go either way.
fn check(both: &mut Both, what: &str) {
    for (head, slots) in both.slots.clone().into_iter().enumerate() {
        let got = both.gpu.stored_rows(KV, head as u32).unwrap();
        let cached = &both.cpu.cache().layer(KV)[head];
        let mut differ = 0;
        for (rows, got) in [&cached.k, &cached.v].into_iter().zip(&got) {
            let want: Vec<f32> = (0..slots).flat_map(|slot| rows.row(slot, both.dim)).collect();
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                let off = (got - want).abs();
                assert!(off <= want.abs() / 1024.0 + 6e-8, "{what}: slot {}: {got}, want {want}", i / both.dim);
                differ += usize::from(got != want);
            }
        }
        if differ > 0 {
            eprintln!("{what}: {differ} of {} numbers are rounded the other way", 2 * slots * both.dim);
        }
    }
}

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
            both.cpu.tracer().detail = Detail::Sets;
            both.gpu.tracer().detail = Detail::Sets;
            both.cpu.tracer().take(|_| ());
            both.gpu.tracer().take(|_| ());
            let set = both.choose(kept);
            both.cpu.fold(KV, set[0], how).unwrap();
            both.gpu.fold(KV, set[1], how).unwrap();
            both.slots = kept.to_vec();
            both.finish();
            check(&mut both, &format!("{how:?} of {slots:?}"));
            let [want, got] = [both.cpu.tracer(), both.gpu.tracer()].map(|tracer| tracer.take(<[u8]>::to_vec));
            assert!(got == want, "the trace of {how:?} of {slots:?}");
        }
    }
}

#[test]
fn a_set_that_keeps_no_rows_is_refused() {
    let Some(gpu) = gpu("sets of a fold") else { return };
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    let scores = both.random(4);
    let set = both.run(|ops, on| ops.top_k(scores[on], 3, attnscope::ops::Pins::default()));
    assert!(matches!(both.cpu.fold(KV, set[0], Fold::Averaged), Err(Error::Shape { .. })));
    assert!(matches!(both.gpu.fold(KV, set[1], Fold::Averaged), Err(Error::Shape { .. })));
}
