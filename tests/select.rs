//! What methods that choose promise beyond `contract.rs`: reads by blocks, and page bounds that survive edits.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    backend::{Cpu, Shape, Weights},
    cache::Store,
    engine::{CHUNK, Engine, Options},
    method::Positions,
    methods::Value,
    ops::{Dense, Kept, Kv, Ops},
    trace::{Detail, Kind, records},
};
use common::tiny;
use std::sync::Arc;

/// Three chunks, the last of them and the last block of 16 in part.
const PROMPT: usize = 2 * CHUNK as usize + 37;

/// The trace of a prompt, its first id, logits and what was read.
fn prefill(given: &[(&str, Value)]) -> (Vec<u8>, Vec<f32>, Kept) {
    let given: Vec<(String, Value)> = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut engine: Engine = tiny::load().engine("flex_prefill", &given, None, Store::F32).unwrap();
    let options = Options { max_tokens: 1, trace: Detail::Sets, ..Options::default() };
    engine.start(&tiny::prompt(PROMPT), options).unwrap();
    let kept = engine.next_step().unwrap().unwrap().kept;
    let trace = engine.tracer().take(<[u8]>::to_vec);
    (trace, engine.logits().unwrap().to_vec(), kept)
}

fn number(n: f64) -> Value {
    Value::Number(n)
}

fn word(word: &str) -> Value {
    Value::Word(word.to_owned())
}

/// The active blocks of every layer and head of a trace, `[query block][key block]`.
fn maps(trace: &[u8], size: u32) -> Vec<Vec<Vec<bool>>> {
    let blocks = records(trace).filter(|r| r.kind == Kind::ReadBlocks as u8);
    blocks
        .map(|r| {
            assert_eq!((r.a & 0xffff, r.a >> 16), (size, (PROMPT as u32).div_ceil(size)));
            let bit = |i: usize| r.payload[i / 8] >> (i % 8) & 1 == 1;
            (0..(r.a >> 16) as usize).map(|q| (0..=q).map(|k| bit(q * (q + 1) / 2 + k)).collect()).collect()
        })
        .collect()
}

#[test]
fn flex_prefill_reads_less_and_always_the_sink_and_its_own_block() {
    for tau in [0.0, 0.3, 1.0] {
        let given =
            [("block", number(16.0)), ("min_budget", number(16.0)), ("gamma", number(0.6)), ("tau", number(tau))];
        let (trace, logits, kept) = prefill(&given);
        assert!(logits.iter().all(|x| x.is_finite()));
        let maps = maps(&trace, 16);
        assert_eq!(maps.len() as u32, tiny::LAYERS * tiny::QUERY_HEADS);
        // Of the last layer only the last block of queries runs.
        let choices: Vec<_> = records(&trace).filter(|r| r.kind == Kind::Choice as u8).collect();
        assert_eq!(choices.len(), if tau == 0.0 { 0 } else { maps.len() }, "which way each head took");
        for (choice, at) in choices.iter().zip(0u32..) {
            let [number, cut] = [choice.a, choice.b].map(f32::from_bits);
            assert_eq!(u32::from(choice.layer) * tiny::QUERY_HEADS + u32::from(choice.head), at);
            assert!((0.0..0.833).contains(&number) && cut == tau as f32 && choice.aux == u8::from(number < cut));
        }
        let (inner, last) = maps.split_at(((tiny::LAYERS - 1) * tiny::QUERY_HEADS) as usize);
        for map in inner {
            assert!(map.iter().all(|row| row[0] && row[row.len() - 1]), "tau {tau}");
        }
        for map in last {
            let (own, earlier) = map.split_last().unwrap();
            assert!(own[0] && own[own.len() - 1] && earlier.iter().flatten().all(|active| !active));
        }
        let rows = PROMPT as u64 * u64::from(tiny::LAYERS * tiny::QUERY_HEADS);
        assert!(kept.rows_read < rows, "tau {tau}: {} of {rows} rows read", kept.rows_read);
        let newest: u64 = maps
            .iter()
            .flat_map(|map| map.last().unwrap().iter().zip(0..))
            .filter(|(active, _)| **active)
            .map(|(_, block)| 16.min(PROMPT as u64 - 16 * block))
            .sum();
        assert_eq!(kept.rows_read, newest);
    }
}

#[test]
fn flex_prefill_grows_with_its_budget_to_full_attention() {
    let with = |min: usize| {
        prefill(&[
            ("block", number(16.0)),
            ("min_budget", number(min as f64)),
            ("gamma", number(0.3)),
            ("tau", number(0.3)),
        ])
    };
    let (_, full, all) = prefill(&[]);
    let mut before = 0;
    for min in [16, 64, 160, PROMPT - 13] {
        let (trace, logits, kept) = with(min);
        assert!(kept.rows_read >= before, "{min} tokens");
        before = kept.rows_read;
        if min == PROMPT - 13 {
            let maps = maps(&trace, 16);
            let inner = &maps[..((tiny::LAYERS - 1) * tiny::QUERY_HEADS) as usize];
            assert!(inner.iter().flatten().flatten().all(|active| *active));
            assert_eq!(kept.rows_read, all.rows_read);
            // In f32, another order of summation apart.
            let spread = full.iter().fold(0f32, |m, x| m.max(x.abs()));
            assert!(logits.iter().zip(&full).all(|(a, b)| (a - b).abs() <= 1e-3 * spread));
        }
    }
}

#[test]
fn the_sketch_reads_a_window_a_comb_or_all() {
    let sketch = |complexity: f64| {
        let given = [
            ("variant", word("sketch")),
            ("block", number(16.0)),
            ("window", number(20.0)),
            ("stride", number(3.0)),
            ("complexity", number(complexity)),
        ];
        maps(&prefill(&given).0, 16)
    };
    let is = |map: &Vec<Vec<bool>>, read: &dyn Fn(usize) -> bool| {
        map.iter().enumerate().all(|(q, row)| row.iter().enumerate().all(|(k, active)| *active == read(q - k)))
    };
    let inner = ((tiny::LAYERS - 1) * tiny::QUERY_HEADS) as usize;
    let patterns: [&dyn Fn(usize) -> bool; 3] = [&|back| back <= 2, &|back| back.is_multiple_of(3), &|_| true];
    assert!(sketch(0.9)[..inner].iter().all(|map| is(map, patterns[0])));
    assert!(sketch(0.5)[..inner].iter().all(|map| is(map, patterns[1])));
    assert!(sketch(0.2).is_empty(), "everything is no read by blocks");
    for layer in sketch(-1.0)[..inner].chunks(tiny::QUERY_HEADS as usize) {
        let which = patterns.iter().position(|read| is(&layer[0], read));
        assert!(which.is_some() && layer.iter().all(|map| map == &layer[0]), "one pattern for all heads");
    }
}

#[test]
fn bytes_count_only_rows_that_attended() {
    // A band in every layer; after the last layer only the newest row is wanted.
    let given = [("variant".to_owned(), word("sketch")), ("sparsity".to_owned(), number(0.9))];
    let mut engine: Engine = tiny::load().engine("tidal_decode", &given, None, Store::F32).unwrap();
    engine.start(&tiny::prompt(PROMPT), Options { max_tokens: 1, ..Options::default() }).unwrap();
    let kept = engine.next_step().unwrap().unwrap().kept;
    let row = u64::from(tiny::HEAD_DIM) * 2 * 4;
    // floor(n (1 - sparsity) / 2) before the query and itself.
    let window = (PROMPT as f32 * 0.1 / 2.0).floor() as u64 + 1;
    let want = u64::from(tiny::KV_HEADS) * row * (u64::from(tiny::LAYERS - 1) * PROMPT as u64 + window);
    assert_eq!(kept.bytes_read, want);
}

#[test]
fn page_bounds_follow_every_edit() {
    let (kv_heads, dim, page, recent) = (2, 8, 4, 3);
    let shape = Shape { layers: 1, query_heads: 4, kv_heads, head_dim: dim, rope: None, eps: 1e-5 };
    let mut cpu = Cpu::new(shape, Arc::new(Weights::default()), Positions::Text, Store::F16).unwrap();
    cpu.reset(0).unwrap();
    let (mut random, kv) = (fastrand::Rng::with_seed(9), Kv(0));
    let mut position = 0;
    for step in 0..200u32 {
        cpu.begin(position, 1);
        position += 1;
        let mut row = |heads: usize| (0..heads * dim).map(|_| random.f32() - 0.5).collect::<Vec<f32>>();
        let (q, k) = (row(4), row(kv_heads));
        cpu.store(kv, &q, Some((&mut k.clone(), &k)), 0..1).unwrap();
        let scores = cpu.page_scores(kv, page, recent).unwrap();
        for query in 0..4 {
            let head = &cpu.cache().layer(kv)[query / 2];
            let end = head.len().saturating_sub(recent as usize);
            let keys: Vec<Vec<f32>> = (0..end).map(|slot| head.k.row(slot, dim)).collect();
            let got = cpu.scores(scores, query).unwrap();
            assert_eq!(got.len(), end.div_ceil(page as usize));
            for (keys, got) in keys.chunks(page as usize).zip(got) {
                let side = |i: usize, larger: bool| {
                    keys.iter()
                        .map(|key| key[i])
                        .fold(None, |m: Option<f32>, x| Some(m.map_or(x, |m| if larger { m.max(x) } else { m.min(x) })))
                };
                let q = &q[query * dim..][..dim];
                let want: f32 = (0..dim).map(|i| q[i] * side(i, q[i] >= 0.0).unwrap()).sum();
                assert!((got - want).abs() < 1e-5, "step {step}: {got}, want {want}");
            }
        }
        if step % 5 == 4 {
            // The newest are taken back, as after a rejected draft.
            position -= random.u32(0..4);
            cpu.cut(kv, position).unwrap();
        }
        if step % 7 == 6 {
            let from = random.u32(0..5);
            let set = cpu.except(kv, from..from + random.u32(0..9)).unwrap();
            cpu.keep(kv, set).unwrap();
        }
    }
}
