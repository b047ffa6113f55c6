//! Scores by what is known of tokens, distributions, and remarks.

use attnscope::{
    Error,
    backend::Cpu,
    backend::gpu::Gpu,
    ops::{Dense, Ops, Tag},
    trace::Detail,
};

use super::super::gpu;
use super::{Both, KV, SHAPES};

/// Rounds of about 30 tokens with pictures of 7 in them, for the first `n` positions.
fn tag(both: &mut Both, n: usize) {
    let tags: Vec<Tag> = (0..n)
        .map(|at| Tag { round: (at / 30) as u16, picture: if at % 20 > 12 { (at / 20 + 1) as u16 } else { 0 } })
        .collect();
    // In two pieces, the second over a part of the first.
    let (first, rest) = (&tags[..n * 2 / 3], &tags[n / 2..]);
    both.cpu.tag(0, first);
    both.gpu.tag(0, first);
    both.cpu.tag((n / 2) as u32, rest);
    both.gpu.tag((n / 2) as u32, rest);
}

#[test]
fn slots_of_pictures_and_rounds() {
    let Some(gpu) = gpu("pictures and rounds") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        let most = both.most();
        // Of all positions, of some, of none.
        for tagged in [0, most / 2, most + 10] {
            tag(&mut both, tagged);
            for [inside, outside] in [[1.0, 0.0], [f32::NEG_INFINITY, f32::INFINITY]] {
                let pictures = both.run(|ops, _| ops.pictures(KV, inside, outside));
                both.check_slots("pictures", pictures, 0.0);
                for listed in [&[][..], &[0], &[0, 2, 3, 900]] {
                    let set = both.listed(|head| if head == 1 { vec![1] } else { listed.to_vec() });
                    let rounds = both.run(|ops, on| ops.rounds(KV, set[on], inside, outside));
                    both.check_slots("rounds", rounds, 0.0);
                }
            }
            let scores = both.random(query);
            let sums = both.run(|ops, on| ops.by_round(scores[on]));
            // Sums of 30 numbers of one sign.
            both.check("sums by round", sums, 1e-6);
        }
    }
}

#[test]
fn entropy_and_distance() {
    let Some(gpu) = gpu("entropy and distance") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        let most = both.most();
        let even = vec![1.0 / most as f32; query * most];
        let mut first = vec![0.0; query * most];
        first.iter_mut().step_by(most).for_each(|x| *x = 1.0);
        let (even, first, random, other) =
            (both.given(query, &even), both.given(query, &first), both.random(query), both.random(query));
        for scores in [even, first, random] {
            let entropy = both.run(|ops, on| ops.entropy(scores[on]));
            both.check_near("entropy", entropy, 1e-6, 1e-7);
            let same = both.run(|ops, on| ops.js_distance(scores[on], scores[on]));
            both.check("distance of a table from itself", same, 0.0);
        }
        for [a, b] in [[even, random], [random, first], [random, other]] {
            let distance = both.run(|ops, on| ops.js_distance(a[on], b[on]));
            both.check("distance", distance, 1e-6);
        }
        // Nearly the same: what is left after the difference counts.
        let near: Vec<f32> = (0..query * most).map(|i| (1.0 + 1e-4 * (i % 3) as f32) / most as f32).collect();
        let near = both.given(query, &near);
        let distance = both.run(|ops, on| ops.js_distance(even[on], near[on]));
        both.check_near("a small distance", distance, 1e-6, 1e-12);
    }
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    let (a, b) = (both.random(4), both.random(2));
    assert!(matches!(both.cpu.js_distance(a[0], b[0]), Err(Error::Shape { .. })));
    assert!(matches!(both.gpu.js_distance(a[1], b[1]), Err(Error::Shape { .. })));
}

#[test]
fn remarks_are_in_the_trace() {
    let Some(gpu) = gpu("remarks") else { return };
    let taken = |cpu: &mut Cpu, gpu: &mut Gpu| [cpu.tracer().take(<[u8]>::to_vec), gpu.tracer().take(<[u8]>::to_vec)];
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        both.finish();
        taken(&mut both.cpu, &mut both.gpu);
        for detail in [Detail::Totals, Detail::Sets] {
            both.cpu.tracer().detail = detail;
            both.gpu.tracer().detail = detail;
            both.pass(1);
            let scores = both.extreme(slots.len());
            both.run(|ops, on| {
                ops.note(0, scores[on])?;
                ops.halve(scores[on])
            });
            let even = both.random(slots.len());
            let blocks = both.run(|ops, on| ops.by_block(even[on], 16));
            both.run(|ops, on| ops.note(3, blocks[on]));
            let half: Vec<usize> = both.slots.iter().map(|n| n.div_ceil(2)).collect();
            let kept = both.choose(&half);
            both.cpu.keep(KV, kept[0]).unwrap();
            both.gpu.keep(KV, kept[1]).unwrap();
            both.slots = half;
            both.finish();
            let [want, got] = taken(&mut both.cpu, &mut both.gpu);
            assert_eq!(got.is_empty(), detail == Detail::Totals);
            assert!(got == want, "the trace of {slots:?}");
        }
    }
}
