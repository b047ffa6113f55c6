//! What every row of the registry promises, whatever it does, with every choice and switch, however keys and values are
//! stored: small model, small budgets.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    cache::Store,
    engine::{Engine, Options},
    kernels::Precision,
    method::Positions,
    methods::{self, ParamKind, REGISTRY, Spec, Value},
    trace::{Detail, Kind, records},
};
use common::{
    replay::Replay,
    rows::{PROMPT, STEPS, Variant, budgets, model, run},
    tiny,
};
use std::collections::BTreeSet;

const STORES: [(&str, Store); 2] = [("f16", Store::F16), ("f32", Store::F32)];
/// Variants that read a share of the text, or rounded rows, whatever their budget.
const NEVER_FULL: [(&str, &str, &str); 2] =
    [("tidal_decode", "variant", "sketch"), ("quant_spec", "reads", "quantised")];

fn engine(row: &Variant, tokens: u32, store: Store) -> Engine {
    model().engine(row.name, &budgets(row, tokens), None, store).unwrap()
}

fn each(test: impl Fn(&Variant, Store, &str)) {
    let mut variants = 0;
    for row in REGISTRY.iter().flat_map(Variant::all) {
        let given: Vec<_> = row.given.iter().map(|(name, value)| format!(" {name} = {value}")).collect();
        for (name, store) in STORES {
            test(&row, store, &format!("{}{} in {name}", row.name, given.join(",")));
        }
        variants += 1;
    }
    println!("{variants} variants of {} methods in {} stores", REGISTRY.len(), STORES.len());
}

#[test]
fn the_trace_rebuilds_the_live_set_and_the_budget_holds() {
    each(|row, store, what| {
        let shape = methods::Shape { layers: tiny::LAYERS };
        let bound = methods::build(row.name, &budgets(row, 12), &shape).unwrap().retain.bound();
        let number = |name: &str| {
            let param = row.params.iter().find(|p| p.name == name)?;
            let given = budgets(row, 12).into_iter().find(|given| given.0 == name);
            match given.map_or_else(|| param.default(), |given| given.1) {
                Value::Number(n) => Some(n as u32),
                _ => None,
            }
        };
        let mut replay = Replay::default();
        let mut engine = engine(row, 12, store);
        let mut steps = 0;
        run(&mut engine, Detail::Sets, |position, block| {
            replay.take(block, what);
            steps += 1;
            let newest = position - 1;
            for (head, quantised) in replay.live.iter().zip(&replay.quantised) {
                let full = head.len() - quantised;
                assert!(bound.is_none_or(|b| full <= b as usize), "{what}: {full} kept, bound {bound:?}");
                // A sketch has none of the paper's windows.
                if row.given.contains(&("variant".to_owned(), Value::Word("sketch".to_owned()))) {
                    continue;
                }
                let recent = number("recent").unwrap_or(1);
                assert!((newest + 1 - recent..=newest).all(|p| head.contains(&p)), "{what}: a recent row is gone");
                let sinks = number("sinks").or(number("n_sink")).unwrap_or(0);
                assert!((0..sinks).all(|p| head.contains(&p)), "{what}: a sink is gone");
            }
            let total: usize = replay.live.iter().map(BTreeSet::len).sum();
            // A pass that made several tokens reports once.
            if let Some(rows) = records(block).filter(|r| r.kind == Kind::Rows as u8).last() {
                assert_eq!(rows.a as usize, total, "{what}: rows kept");
            }
        });
        assert_eq!(steps, STEPS, "{what}");
        assert_eq!(engine.kept().rows as usize, replay.live.iter().map(BTreeSet::len).sum::<usize>(), "{what}");
    });
}

#[test]
fn a_budget_as_long_as_the_text_is_full_attention() {
    each(|row, store, what| {
        // Keys that are rotated at their read are rounded to f16 before and not after it; random weights amplify that
        // to anything. In f32 they must agree like all others.
        let shape = methods::Shape { layers: tiny::LAYERS };
        let positions = methods::build(row.name, &row.given, &shape).unwrap().retain.positions();
        if positions == Positions::Slot && store == Store::F16 || row.is_among(&NEVER_FULL) {
            return;
        }
        // Activations of 8 bits would measure where a rounding falls, which is another place in every instruction set.
        let exact = |row: &Variant, tokens| {
            let spec = Spec::method(row.name, &budgets(row, tokens));
            model().compose(&spec, None, store, Precision::Exact).unwrap()
        };
        let mut full = exact(&Variant { row: methods::find("full").unwrap(), given: Vec::new() }, 1);
        let mut other = exact(row, 2 * PROMPT as u32);
        let ids = run(&mut full, Detail::Totals, |_, _| ());
        for engine in [&mut full, &mut other] {
            engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, ..Options::default() }).unwrap();
        }
        for id in ids {
            let [want, got] = [&mut full, &mut other].map(|engine| {
                engine.next_step().unwrap();
                let logits = engine.logits().unwrap().to_vec();
                engine.choose(id).unwrap();
                logits
            });
            // Another order of summation can move the rounding of a key or value to f16, and that what follows.
            let spread = want.iter().fold(0f32, |m, x| m.max(x.abs()));
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() <= 1e-3 * spread, "{what}: logit {got}, want {want} of {spread}");
            }
        }
    });
}

/// Tokens and bits of the logits of a run.
fn seen(engine: &mut Engine, trace: Detail, block: &mut Vec<u8>) -> Vec<(u32, Vec<u32>)> {
    engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, trace, ..Options::default() }).unwrap();
    let mut out = Vec::new();
    while let Some(step) = engine.next_step().unwrap() {
        engine.tracer().take(|records| block.extend_from_slice(records));
        out.push((step.id, engine.logits().unwrap().iter().map(|x| x.to_bits()).collect()));
    }
    out
}

/// At most all of a head's attention, and on positions that it reads; `tests/ops.rs` checks the numbers.
#[test]
fn weights_lie_on_what_was_read() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let (mut replay, mut listed) = (Replay::default(), 0);
        run(&mut engine, Detail::Weights, |_, block| {
            replay.take(block, what);
            for (query, weights) in replay.weights.iter().filter(|(_, weights)| !weights.is_empty()) {
                let sum: f32 = weights.iter().map(|(_, weight)| weight).sum();
                assert!(sum < 1.0 + weights.len() as f32 / 4095.0, "{what}: {query:?} gave {sum}");
                assert!(weights.is_sorted_by_key(|(at, _)| at), "{what}: {query:?} is not in order");
                let read = &replay.read[query];
                assert!(
                    weights.iter().all(|(at, _)| read.contains(at)),
                    "{what}: {query:?} gave some to what it did not read"
                );
                listed += 1;
            }
        });
        let heads = (tiny::LAYERS * tiny::QUERY_HEADS) as usize;
        assert!(listed >= heads, "{what}: {listed} heads of {heads} have weights");
    });
}

#[test]
fn watching_changes_nothing_and_a_second_run_is_the_same() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let first = seen(&mut engine, Detail::Totals, &mut Vec::new());
        let mut blocks: [Vec<u8>; 4] = Default::default();
        let details = [Detail::Sets, Detail::Sets, Detail::Weights, Detail::Weights];
        for (block, detail) in blocks.iter_mut().zip(details) {
            assert!(seen(&mut engine, detail, block) == first, "{what}: {detail:?} changes tokens or logits");
        }
        let [sets, again, weights, weights_again] = &blocks;
        assert!(sets == again && weights == weights_again, "{what}: two runs, two traces");
        let others = |block| records(block).filter(|r| r.kind != Kind::Weights as u8);
        assert!(others(sets).eq(others(weights)), "{what}: weights change other records");
        assert!(others(weights).count() < records(weights).count(), "{what}: no weights");
    });
}

#[test]
fn a_run_can_be_left_at_any_point() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let traced = |engine: &mut Engine| {
            let mut blocks = Vec::new();
            let ids = run(engine, Detail::Sets, |_, block| blocks.extend_from_slice(block));
            (ids, blocks)
        };
        let want = traced(&mut engine);
        for pieces in [1, 2, 5, 9, 14, 40] {
            engine
                .start(&tiny::prompt(PROMPT), Options { max_tokens: 3, trace: Detail::Sets, ..Options::default() })
                .unwrap();
            for _ in 0..pieces {
                engine.advance().unwrap();
            }
            assert!(traced(&mut engine) == want, "{what} left after {pieces} pieces");
        }
    });
}

#[test]
fn a_second_turn_goes_on_where_the_first_ended() {
    each(|row, store, what| {
        let mut engine = engine(row, 40, store);
        run(&mut engine, Detail::Totals, |_, _| ());
        let before = engine.ids().len();
        engine.extend(&[70, 71, 72, 73, 74], Options { max_tokens: 2, ..Options::default() }).unwrap();
        let mut replies = 0;
        while let Some(step) = engine.next_step().unwrap() {
            assert_eq!(step.index, replies, "{what}");
            replies += 1;
        }
        assert_eq!((replies, engine.ids().len()), (2, before + 7), "{what}");
    });
}

#[test]
fn every_parameter_says_what_it_allows() {
    let shape = methods::Shape { layers: tiny::LAYERS };
    for row in REGISTRY {
        let unknown = methods::build(row.name, &[("no_such".into(), Value::Flag(true))], &shape).err().unwrap();
        assert_eq!(unknown.code(), "unknown_param");
        for param in row.params {
            let bad = match param.kind {
                ParamKind::Int { .. } => {
                    vec![Value::Number(-1.0), Value::Number(0.5), Value::Number(4e9), Value::Flag(true)]
                }
                ParamKind::Real { max, .. } => vec![Value::Number(max * 2.0 + 1.0), Value::Number(f64::NAN)],
                ParamKind::Flag { .. } => vec![Value::Number(1.0)],
                ParamKind::Choice { .. } => vec![Value::Word("neither".into())],
                ParamKind::Layer { .. } => vec![Value::Number(-1.0), Value::Number(0.5), Value::Number(99.0)],
                ParamKind::Rounds => vec![Value::List(vec![2.0, 1.0]), Value::List(vec![1e9]), Value::Number(1.0)],
                ParamKind::Layers => {
                    vec![Value::List(vec![1.0, 1.0]), Value::List(vec![99.0]), Value::Word("x".into())]
                }
            };
            for value in bad {
                let error = methods::build(row.name, &[(param.name.to_owned(), value.clone())], &shape).err();
                let error = error.unwrap_or_else(|| panic!("{}.{} takes {value}", row.name, param.name));
                assert_eq!(error.code(), "param");
                assert!(error.to_string().contains(param.name), "{error}");
            }
            if param.is_budget && !matches!(param.kind, ParamKind::Int { min: 0, .. }) {
                let zero = methods::build(row.name, &[(param.name.to_owned(), Value::Number(0.0))], &shape);
                assert_eq!(zero.err().unwrap().code(), "param", "{}.{} takes 0", row.name, param.name);
            }
            let default = [(param.name.to_owned(), param.default())];
            methods::build(row.name, &default, &methods::Shape { layers: 32 }).map(|_| ()).unwrap();
        }
    }
    // Layers that must follow another are never ignored in silence.
    let tidal = |given: &[(&str, Value)]| {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        methods::build("tidal_decode", &given, &methods::Shape { layers: 30 }).err().map(|error| error.to_string())
    };
    let (start, again) = (|n| ("start_layer", Value::Number(n)), |n| ("reselect_layers", Value::List(vec![n])));
    assert_eq!((tidal(&[start(11.0)]), tidal(&[start(20.0), again(21.0)])), (None, None));
    assert!(tidal(&[start(20.0)]).unwrap().contains("start_layer = 20 is out of range; allowed: a layer before 12"));
    assert!(tidal(&[again(2.0)]).unwrap().contains("reselect_layers = [2.0] is out of range; allowed: layers after"));
    assert_eq!(methods::find("fulll").err().unwrap().code(), "unknown_method");
}
