//! What the operations of methods promise beyond what golden vectors reach: refusals, always and never, shares of a
//! budget, smoothing, merging, tags.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;
#[allow(dead_code, reason = "golden.rs uses the rest")]
mod runners;

use attnscope::{
    backend::{Cpu, Shape, Weights},
    cache::Store,
    method::{Edit, LayerCx, PassKind, Positions, Site},
    methods::{self, Value},
    ops::{Dense, Fold, Fresh, Group, Kv, Mass, Ops, Pins, PlaneGroups, Pooling, Read, Reduce, Spread, Tag},
    trace::{Detail, Kind, LEAST_WEIGHT, records},
};
use runners::{Layers, On, given, number, word};
use std::sync::Arc;

const KV: Kv = Kv(0);
const DIM: usize = 4;
/// Query heads and KV heads.
const HEADS: [usize; 2] = [4, 2];

/// A layer of `rows` random rows.
fn filled(rows: usize, seed: u64) -> Cpu {
    let [query_heads, kv_heads] = HEADS;
    let shape = Shape { layers: 1, query_heads, kv_heads, head_dim: DIM, rope: None, eps: 1e-5 };
    let mut cpu = Cpu::new(shape, Arc::new(Weights::default()), Positions::Text, Store::F32).unwrap();
    cpu.reset(0).unwrap();
    cpu.begin(0, rows as u32);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut some = |heads: usize| (0..rows * heads * DIM).map(|_| random.f32() - 0.5).collect::<Vec<f32>>();
    let (q, mut k, v) = (some(query_heads), some(kv_heads), some(kv_heads));
    cpu.store(KV, &q, Some((&mut k, &v)), 0..rows as u32).unwrap();
    cpu
}

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| random.f32()).collect()
}

#[test]
fn groups_that_do_not_fit_are_refused() {
    let mut cpu = filled(6, 1);
    let by_query = cpu.given(KV, HEADS[0], &numbers(24, 2));
    let by_kv = cpu.given(KV, HEADS[1], &numbers(12, 2));
    let column = cpu.column(KV, "c", Fresh::Value(0.0)).unwrap();
    let sets = [by_query, by_kv].map(|s| cpu.top_k(s, 3, Pins::default()).unwrap());
    let one = cpu.regroup(by_kv, Group::All, Reduce::Sum).unwrap();
    let one = cpu.top_k(one, 3, Pins::default()).unwrap();
    let refused = [
        cpu.accumulate(column, by_query, 1.0),
        cpu.accumulate(by_query, column, 1.0),
        cpu.stamp(column, by_query, 1.0),
        cpu.halve(by_query),
        cpu.used(by_query, 1.0, 0).map(|_| ()),
        cpu.rank(KV, Some(by_query), None).map(|_| ()),
        cpu.rank(KV, Some(by_kv), Some(by_query)).map(|_| ()),
        cpu.regroup(by_kv, Group::Query, Reduce::Sum).map(|_| ()),
        cpu.pool(by_kv, 4, Pooling::Mean, 0).map(|_| ()),
        cpu.union_by_kv(one).map(|_| ()),
        cpu.keep(KV, sets[0]),
        cpu.fold(KV, sets[0], Fold::Averaged),
    ];
    for (i, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().code(), "shape", "call {i}");
    }
    // Heads of different lengths have no scores in common.
    let spread = Spread { floor: 0.0, covered: false };
    let skewed: Vec<f32> = numbers(6, 3).into_iter().map(|x| x + 1.0).chain(numbers(6, 4)).collect();
    let skewed = cpu.given(KV, HEADS[1], &skewed);
    let uneven = cpu.top_k_spread(skewed, 3, spread, Pins::default()).unwrap();
    cpu.keep(KV, uneven).unwrap();
    let lengths: Vec<usize> = cpu.cache().layer(KV).iter().map(attnscope::cache::Head::len).collect();
    assert_eq!(lengths, [6, 0]);
    assert_eq!(cpu.regroup(by_kv, Group::All, Reduce::Sum).unwrap_err().code(), "shape");
    assert_eq!(cpu.keep(KV, one).unwrap_err().code(), "shape");
}

#[test]
fn quantised_rows_are_neither_dropped_nor_merged_nor_measured() {
    let mut cpu = filled(8, 1);
    let scores = cpu.given(KV, HEADS[1], &numbers(16, 2));
    let set = cpu.top_k(scores, 3, Pins::default()).unwrap();
    cpu.quantise(KV, PlaneGroups { tokens: 4, channels: 0 }, 4).unwrap();
    let refused = [
        cpu.keep(KV, set),
        cpu.fold(KV, set, Fold::Averaged),
        cpu.key_norms(KV).map(|_| ()),
        cpu.unmasked_mass(KV, 0).map(|_| ()),
    ];
    for (i, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().code(), "state", "call {i}");
    }
    assert!(cpu.cache().layer(KV).iter().all(|head| head.len() == 8));
}

#[test]
fn infinite_scores_are_always_or_never_taken() {
    let mut cpu = filled(8, 1);
    let (always, never) = (f32::INFINITY, f32::NEG_INFINITY);
    let row = [0.1, always, 0.9, always, never, never, 0.5, 0.2];
    let scores = cpu.given(KV, HEADS[1], &[row, [never; 8]].concat());
    for (k, pins, want) in [
        (0, Pins::default(), vec![1, 3]),
        (1, Pins::default(), vec![1, 3]),
        (3, Pins::default(), vec![1, 2, 3]),
        (8, Pins::default(), vec![0, 1, 2, 3, 6, 7]),
        (2, Pins { sinks: 0, recent: 2 }, vec![1, 3, 6, 7]),
        (4, Pins { sinks: 1, recent: 0 }, vec![0, 1, 2, 3]),
    ] {
        let set = cpu.top_k(scores, k, pins).unwrap();
        assert_eq!(cpu.slots(set, 0).unwrap(), want, "{k} of row 0");
        let pinned = pins.sinks + pins.recent;
        assert_eq!(cpu.slots(set, 3).unwrap().len() as u32, pinned, "only pins of a row of nevers");
    }
}

#[test]
fn tables_follow_their_definitions() {
    for (rows, seed) in [(1, 1), (5, 2), (23, 3), (64, 4)] {
        let mut cpu = filled(rows, seed);
        let x = numbers(HEADS[0] * rows, seed);
        let table = cpu.given(KV, HEADS[0], &x);
        for (how, join) in [
            (Reduce::Sum, (|a, b| a + b) as fn(f32, f32) -> f32),
            (Reduce::Mean, |a, b| (a + b) / 2.0),
            (Reduce::Max, f32::max),
        ] {
            let by_kv = cpu.regroup(table, Group::Kv, how).unwrap();
            for head in 0..HEADS[1] {
                let want: Vec<f32> =
                    (0..rows).map(|s| join(x[2 * head * rows + s], x[(2 * head + 1) * rows + s])).collect();
                assert_eq!(cpu.scores(by_kv, head).unwrap(), want, "{how:?}");
            }
        }
        for (kernel, recent) in [(1, 0), (3, 2), (7, 5), (63, 1)] {
            for how in [Pooling::Mean, Pooling::Max] {
                let smooth = cpu.pool(table, kernel, how, recent).unwrap();
                let n = rows.saturating_sub(recent as usize);
                let half = (kernel / 2) as i64;
                for s in 0..rows {
                    let near = (s as i64 - half..=s as i64 + half).filter(|&i| i >= 0 && i < n as i64);
                    let near = near.map(|i| x[i as usize]);
                    let want = match how {
                        _ if s >= n => 0.0,
                        Pooling::Mean => near.sum::<f32>() / kernel as f32,
                        Pooling::Max => near.fold(f32::NEG_INFINITY, f32::max),
                    };
                    let got = cpu.scores(smooth, 0).unwrap()[s];
                    assert!((got - want).abs() < 1e-5, "{how:?} {kernel}: slot {s} of {n}: {got}, want {want}");
                }
            }
        }
        let mean = cpu.per_query(table, 3).unwrap();
        for s in 0..rows {
            let sees = 3.min(rows - s) as f32;
            assert_eq!(cpu.scores(mean, 1).unwrap()[s], x[rows + s] / sees);
        }
    }
}

#[test]
fn places_are_shared_out_as_asked() {
    for seed in 0..20 {
        let (rows, k) = (40, 12);
        let mut cpu = filled(rows, seed);
        // The second head's scores are ten times the first's.
        let x: Vec<f32> =
            numbers(80, seed).iter().enumerate().map(|(i, x)| if i < rows { *x } else { 10.0 * x }).collect();
        let scores = cpu.given(KV, HEADS[1], &x);
        for floor in [0.0f32, 0.2, 0.5, 1.0] {
            for covered in [false, true] {
                let pins = Pins { sinks: 1, recent: 3 };
                let set = cpu.top_k_spread(scores, k, Spread { floor, covered }, pins).unwrap();
                let free = [0, 3].map(|head| cpu.slots(set, head).unwrap().len() as u32 - 4);
                let base = k - 4;
                assert!(free.iter().all(|&n| n >= (base as f32 * floor) as u32), "{free:?} floor {floor}");
                assert!(free.iter().sum::<u32>().abs_diff(2 * base) <= 2, "{free:?} floor {floor}");
                if floor == 1.0 {
                    assert_eq!(free, [base; 2]);
                }
                if floor == 0.0 && !covered {
                    assert!(free[1] > free[0], "{free:?}");
                }
            }
        }
    }
}

#[test]
fn merged_rows_stay_within_what_went_into_them() {
    for (how, seed) in [Fold::Averaged, Fold::Pivotal, Fold::NormalisedWeighted].into_iter().zip(1..) {
        let mut cpu = filled(30, seed);
        let before = cpu.cache().layer(KV).to_vec();
        let scores = cpu.given(KV, HEADS[1], &numbers(60, seed));
        let set = cpu.top_k(scores, 7, Pins { sinks: 0, recent: 2 }).unwrap();
        cpu.fold(KV, set, how).unwrap();
        for (old, new) in before.iter().zip(cpu.cache().layer(KV)) {
            assert_eq!(new.len(), 7);
            for (old_rows, new_rows) in [(&old.k, &new.k), (&old.v, &new.v)] {
                for c in 0..DIM {
                    let all = (0..30).map(|s| old_rows.row(s, DIM)[c]);
                    let (low, high) = all.fold((f32::MAX, f32::MIN), |(l, h), x| (l.min(x), h.max(x)));
                    assert!((0..7).all(|s| (low..=high).contains(&new_rows.row(s, DIM)[c])), "{how:?}");
                }
            }
        }
    }
}

#[test]
fn a_normalised_merge_is_its_formula() {
    let mut cpu = filled(2, 9);
    let old = cpu.cache().layer(KV).to_vec();
    let scores = cpu.given(KV, HEADS[1], &[1.0, 0.0, 1.0, 0.0]);
    let set = cpu.top_k(scores, 1, Pins::default()).unwrap();
    cpu.fold(KV, set, Fold::NormalisedWeighted).unwrap();
    for (old, new) in old.iter().zip(cpu.cache().layer(KV)) {
        let [a, b] = [0, 1].map(|s| old.k.row(s, DIM));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let w = f32::midpoint(dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt(), 1.0);
        for (rows, merged) in [(&old.k, &new.k), (&old.v, &new.v)] {
            for ((y, x), got) in rows.row(0, DIM).iter().zip(rows.row(1, DIM)).zip(merged.row(0, DIM)) {
                assert!(((y + w * x) / (1.0 + w) - got).abs() < 1e-6);
            }
        }
    }
}

/// Prompt and steps of random rows through `look_m`; kept positions of the first head after every pass.
fn look_m(params: &[(String, Value)], picture: std::ops::Range<usize>, prompt: usize, steps: usize) -> Vec<Vec<u32>> {
    let method = methods::build("look_m", params, &methods::Shape { layers: 1 }).unwrap();
    let mut run = Layers::new(&On::Cpu, method, 1, HEADS[0], HEADS[1], DIM, None);
    run.on.tracer().detail = Detail::Totals;
    run.on.tag(picture.start as u32, &vec![Tag { picture: 1, round: 0 }; picture.len()]);
    let pass = |run: &mut Layers, first: usize, rows: usize| {
        common::now(run.begin(first as u32, rows as u32));
        let some = |heads: usize, seed: u64| numbers(rows * heads * DIM, seed + first as u64);
        common::now(run.layer(0, first as u32, &some(HEADS[0], 1), &some(HEADS[1], 2), &some(HEADS[1], 3)));
        run.positions(0, 0).to_vec()
    };
    let mut kept = vec![pass(&mut run, 0, prompt)];
    kept.extend((0..steps).map(|t| pass(&mut run, prompt + t, 1)));
    kept
}

#[test]
fn look_m_keeps_text_and_needs_a_picture() {
    let params = |text_prior: bool| {
        given([("important", number(10)), ("recent", number(4)), ("text_prior", Value::Flag(text_prior))])
    };
    for text_prior in [true, false] {
        let kept = look_m(&params(text_prior), 0..0, 40, 2);
        assert_eq!(kept[2], (0..42).collect::<Vec<u32>>(), "no picture: nothing is dropped");
    }
    let kept = look_m(&params(true), 8..36, 40, 3);
    // Text before the window: 8 tokens, so 2 picture tokens join them.
    assert_eq!(kept[0].len(), 14);
    assert!((0..8).chain(36..40).all(|p| kept[0].contains(&p)), "{:?}", kept[0]);
    assert_eq!(kept[3], [&kept[0][..], &[40, 41, 42]].concat(), "decoding drops nothing");
    let kept = look_m(&params(true), 30..36, 40, 0);
    assert_eq!(kept[0], (0..30).chain(36..40).collect::<Vec<u32>>(), "more text than room: all of it stays");
}

#[test]
fn published_merging_without_text_prior_forces_the_first_four() {
    let params = |merge: &str, compat: &str| {
        let budget = [("important", number(5)), ("recent", number(2)), ("text_prior", Value::Flag(false))];
        [given(budget), given([("merge", word(merge)), ("compat", word(compat))])].concat()
    };
    let forced = |merge, compat| {
        let mut cpu = filled(40, 7);
        cpu.tag(0, &[Tag { picture: 1, round: 0 }; 30]);
        // Later tokens score more.
        let sums: Vec<f32> = (0..80).map(|i| (i % 40) as f32).collect();
        let sums = cpu.given(KV, HEADS[1], &sums);
        let site = Site {
            layer: 0,
            layers: 1,
            group: 2,
            kind: PassKind::Prefill,
            rows: 40,
            position: 39,
            step: 0,
            live: 40,
            quantised: 0,
            round: 0,
            question: 40,
        };
        let mut method = methods::build("look_m", &params(merge, compat), &methods::Shape { layers: 1 }).unwrap();
        let edit = method.retain.edit(&mut LayerCx { site, kv: KV, ops: &mut cpu }, Some(sums)).unwrap();
        let (Edit::Keep(keep) | Edit::Fold { keep, .. }) = edit else { panic!("{merge}: nothing is dropped") };
        let kept = cpu.slots(keep, 0).unwrap();
        assert_eq!(kept.len(), 7);
        (0..4).all(|p| kept.contains(&p))
    };
    for merge in ["pivotal", "averaged", "weighted"] {
        assert!(forced(merge, "published_code") && !forced(merge, "none"), "{merge}");
    }
    assert!(!forced("none", "published_code"));
}

#[test]
fn the_sketch_keeps_two_pools() {
    let params = given([("variant", word("sketch")), ("important", number(10)), ("recent", number(10))]);
    let picture = 5..30;
    for kept in look_m(&params, picture.clone(), 60, 30) {
        let pictures = kept.iter().filter(|p| picture.contains(&(**p as usize))).count();
        assert_eq!((kept.len() - pictures, pictures), (14, 6), "{kept:?}");
    }
}

#[test]
fn a_set_holds_as_positions_in_a_cache_that_dropped_other_rows() {
    let mut cpu = filled(8, 3);
    let scores: Vec<f32> =
        (0..HEADS[1]).flat_map(|head| (0..8).map(move |slot| ((slot + 3 * head) % 8) as f32)).collect();
    let scores = cpu.given(KV, HEADS[1], &scores);
    let three = cpu.top_k(scores, 3, Pins::default()).unwrap();
    let heads = |cpu: &Cpu, set| [0, 2].map(|query| cpu.slots(set, query).unwrap().to_vec());
    let whole = [vec![5, 6, 7], vec![2, 3, 4]];
    assert_eq!(heads(&cpu, three), whole);
    // Nothing is dropped: slots are positions.
    let positions = cpu.positions(KV, three).unwrap();
    assert_eq!((positions, cpu.at_positions(KV, positions).unwrap()), (three, three));
    // Positions 3 and 6 go.
    for gone in [6..7, 3..4] {
        let rest = cpu.except(KV, gone).unwrap();
        cpu.keep(KV, rest).unwrap();
    }
    let there = cpu.at_positions(KV, positions).unwrap();
    assert_eq!(heads(&cpu, there), [vec![4, 5], vec![2, 3]]);
    let back = cpu.positions(KV, there).unwrap();
    assert_eq!(heads(&cpu, back), [vec![5, 7], vec![2, 4]]);
    // Of positions that are all gone the newest slot stands.
    let lost = cpu.listed(&[3, 6]).unwrap();
    let newest = cpu.at_positions(KV, lost).unwrap();
    assert_eq!(heads(&cpu, newest), [vec![5], vec![5]]);
}

/// In a pass of many rows and in one of a single row: what the formula gives, by original position, and the output of the
/// pass stays.
#[test]
fn weights_are_a_softmax_of_scaled_products() {
    let (rows, [query_heads, kv_heads]) = (70, HEADS);
    let mut cpu = filled(rows, 3);
    let mut random = fastrand::Rng::with_seed(3);
    let mut some = |heads: usize| (0..rows * heads * DIM).map(|_| random.f32() - 0.5).collect::<Vec<f32>>();
    let (q, k) = (some(query_heads), some(kv_heads));
    let dropped = 5..20;
    let naive = |q: &[f32], live: &[usize], head: usize| {
        let dot = |at: usize| {
            let key = &k[(at * kv_heads + head * kv_heads / query_heads) * DIM..][..DIM];
            (key.iter().zip(&q[head * DIM..]).map(|(a, b)| a * b).sum::<f32>() / (DIM as f32).sqrt()).exp()
        };
        let sum: f32 = live.iter().map(|at| dot(*at)).sum();
        live.iter().map(|at| (*at as u32, dot(*at) / sum)).collect::<Vec<_>>()
    };
    let check = |cpu: &mut Cpu, q: &[f32], live: &[usize]| {
        let mut heads = 0;
        cpu.tracer().take(|block| {
            for r in records(block).filter(|r| r.kind == Kind::Weights as u8) {
                let want = naive(q, live, r.head.into());
                assert!(want.iter().all(|(_, weight)| *weight > LEAST_WEIGHT), "the rows are few enough to be listed");
                for ((at, got), (position, want)) in r.weights().zip(&want) {
                    assert!(at == *position && (got - want).abs() < 1e-3, "{at}: {got}, not {want}");
                }
                assert_eq!(r.weights().count(), want.len());
                heads += 1;
            }
        });
        assert_eq!(heads, query_heads);
    };
    cpu.attend(KV, Read::All, 0..rows as u32, &[]).unwrap();
    let output = cpu.output().to_vec();
    cpu.weigh(KV, Read::All, None).unwrap();
    assert_eq!(cpu.output(), output);
    check(&mut cpu, &q[(rows - 1) * query_heads * DIM..], &(0..rows).collect::<Vec<_>>());

    let kept = cpu.except(KV, dropped.clone()).unwrap();
    cpu.keep(KV, kept).unwrap();
    let again = rows as u32 - 1;
    cpu.cut(KV, again).unwrap();
    cpu.begin(again, 1);
    let newest = |of: &[f32]| of[of.len() - of.len() / rows..].to_vec();
    cpu.store(KV, &newest(&q), Some((&mut newest(&k), &newest(&k))), 0..1).unwrap();
    let asked = Mass { rows: 1, per: Group::Query };
    let table = cpu.open(KV, asked).unwrap();
    cpu.attend(KV, Read::All, 0..1, &[None, Some((asked, table))]).unwrap();
    cpu.weigh(KV, Read::All, Some(table)).unwrap();
    check(&mut cpu, &newest(&q), &(0..rows).filter(|at| !dropped.contains(&(*at as u32))).collect::<Vec<_>>());
}
