//! Scores by what is known of tokens, distributions, and remarks.

use attnscope::{
    ops::{Dense, Tag},
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
    both.on.tag(0, first);
    both.on.tag((n / 2) as u32, rest);
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
                both.run(|ops| ops.pictures(KV, inside, outside));
                for listed in [&[][..], &[0], &[0, 2, 3, 900]] {
                    let set = both.listed(|head| if head == 1 { vec![1] } else { listed.to_vec() });
                    both.run(|ops| ops.rounds(KV, set, inside, outside));
                }
            }
            let scores = both.random(query);
            both.run(|ops| ops.by_round(scores));
            // Sums of 30 numbers of one sign.
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
            both.run(|ops| ops.entropy(scores));
            let same = both.run(|ops| ops.js_distance(scores, scores));
            (0..query).for_each(|head| assert_eq!(both.on.scores(same, head).unwrap(), [0.0], "from itself"));
        }
        for [a, b] in [[even, random], [random, first], [random, other]] {
            both.run(|ops| ops.js_distance(a, b));
        }
        // Nearly the same: what is left after the difference counts.
        let near: Vec<f32> = (0..query * most).map(|i| (1.0 + 1e-4 * (i % 3) as f32) / most as f32).collect();
        let near = both.given(query, &near);
        both.run(|ops| ops.js_distance(even, near));
    }
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    let (a, b) = (both.random(4), both.random(2));
    both.refuses(|ops| ops.js_distance(a, b));
}

#[test]
fn remarks_are_in_the_trace() {
    let Some(gpu) = gpu("remarks") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        both.finish();
        both.on.tracer().take(|_| ());
        for detail in [Detail::Totals, Detail::Sets] {
            both.on.tracer().detail = detail;
            both.pass(1);
            let scores = both.extreme(slots.len());
            both.run(|ops| {
                ops.note(0, scores)?;
                ops.halve(scores)
            });
            let even = both.random(slots.len());
            let blocks = both.run(|ops| ops.by_block(even, 16));
            both.run(|ops| ops.note(3, blocks));
            let half: Vec<usize> = both.slots.iter().map(|n| n.div_ceil(2)).collect();
            let kept = both.choose(&half);
            both.run(|ops| ops.keep(KV, kept));
            both.slots = half;
            both.finish();
            // Both traces agree; there is one where one is wanted.
            let is_empty = both.on.tracer().take(<[u8]>::is_empty);
            assert_eq!(is_empty, detail == Detail::Totals);
        }
    }
}
