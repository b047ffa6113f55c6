//! What every row of the registry promises, whatever it does, on every back end: small model, small budgets.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    cache::Store,
    engine::{CHUNK, Engine, Options, Progress},
    loader::Loaded,
    method::Positions,
    methods::{self, ParamKind, REGISTRY, Role, Row, Value},
    trace::{ALL_HEADS, Detail, Kind, records},
};
use common::tiny;
use std::{collections::BTreeSet, sync::OnceLock};

/// Longer than a chunk, so that a prompt is done in several pieces.
const PROMPT: usize = CHUNK as usize + 22;
const STEPS: u32 = 24;
const BACK_ENDS: [(&str, Store); 2] = [("cpu f16", Store::F16), ("cpu f32", Store::F32)];

fn model() -> &'static Loaded {
    static MODEL: OnceLock<Loaded> = OnceLock::new();
    MODEL.get_or_init(tiny::load)
}

/// A row in one of its variants.
#[derive(Clone, Copy)]
struct Subject {
    row: &'static Row,
    variant: Option<&'static str>,
}

impl std::ops::Deref for Subject {
    type Target = Row;
    fn deref(&self) -> &Row {
        self.row
    }
}

impl Subject {
    fn all() -> Vec<Subject> {
        let variants = |row: &'static Row| -> Vec<Option<&'static str>> {
            let of = row.params.iter().find(|p| p.name == "variant").map(|p| p.kind);
            match of {
                Some(ParamKind::Choice { of }) => of.iter().copied().map(Some).collect(),
                _ => vec![None],
            }
        };
        REGISTRY.iter().flat_map(|row| variants(row).into_iter().map(move |variant| Subject { row, variant })).collect()
    }
    fn is_sketch(&self) -> bool {
        self.variant == Some("sketch")
    }
}

fn budgets(row: &Subject, tokens: u32) -> Vec<(String, Value)> {
    let of = |p: &methods::Param| (p.name.to_owned(), Value::Number(tokens.into()));
    let variant = row.variant.map(|v| ("variant".to_owned(), Value::Word(v.to_owned())));
    row.params.iter().filter(|p| p.is_budget).map(of).chain(variant).collect()
}

fn engine(row: &Subject, tokens: u32, store: Store) -> Engine {
    model().engine(row.name, &budgets(row, tokens), None, store).unwrap()
}

/// Runs to the end; after every step, `look` at the ids so far and the trace block.
fn run(engine: &mut Engine, trace: Detail, mut look: impl FnMut(u32, &[u8])) -> Vec<u32> {
    engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, trace, ..Options::default() }).unwrap();
    let mut ids = Vec::new();
    loop {
        match engine.advance().unwrap() {
            Progress::Working => {}
            Progress::Step(step) => {
                ids.push(step.id);
                engine.tracer().take(|block| look(step.position, block));
            }
            Progress::Done => return ids,
        }
    }
}

fn each(test: impl Fn(&Subject, Store, &str)) {
    let all = Subject::all();
    for row in &all {
        for (name, store) in BACK_ENDS {
            test(row, store, &format!("{} {} on {name}", row.name, row.variant.unwrap_or_default()));
        }
    }
    println!("{} methods, {} with their variants, on {} back ends", REGISTRY.len(), all.len(), BACK_ENDS.len());
}

/// The live set by layer and KV head, rebuilt from the trace, checking that what is read is live and causal.
#[derive(Default)]
struct Replay {
    live: Vec<BTreeSet<u32>>,
    newest: u32,
}

impl Replay {
    fn head(&mut self, layer: u8, kv: u32) -> &mut BTreeSet<u32> {
        let at = u32::from(layer) * tiny::KV_HEADS + kv;
        self.live.resize((tiny::LAYERS * tiny::KV_HEADS) as usize, BTreeSet::new());
        &mut self.live[at as usize]
    }

    fn take(&mut self, block: &[u8], what: &str) {
        for r in records(block) {
            let is = |kind: Kind| r.kind == kind as u8;
            if is(Kind::Pass) {
                self.newest = r.a + r.b - 1;
            } else if is(Kind::Append) {
                assert_eq!(r.head, ALL_HEADS);
                for kv in 0..tiny::KV_HEADS {
                    let head = self.head(r.layer, kv);
                    (r.a..r.a + r.b).for_each(|p| assert!(head.insert(p), "{what}: {p} is stored twice"));
                }
            } else if is(Kind::EvictRun) || is(Kind::EvictBits) {
                let head = self.head(r.layer, r.head.into());
                r.positions().for_each(|p| assert!(head.remove(&p), "{what}: {p} is dropped but not there"));
            } else if is(Kind::ReadRun) || is(Kind::ReadBits) {
                let newest = self.newest;
                let head = self.head(r.layer, u32::from(r.head) * tiny::KV_HEADS / tiny::QUERY_HEADS);
                r.positions()
                    .for_each(|p| assert!(p <= newest && head.contains(&p), "{what}: {p} is read but not there"));
            }
        }
    }
}

#[test]
fn the_trace_rebuilds_the_live_set_and_the_budget_holds() {
    each(|row, store, what| {
        let shape = methods::Shape { layers: tiny::LAYERS };
        let bound = methods::build(row.name, &budgets(row, 12), &shape).unwrap().retain.bound();
        let number = |name: &str| {
            // A sketch has rules of its own; pins are the paper's.
            let param = row.params.iter().find(|p| p.name == name && !row.is_sketch())?;
            match if param.is_budget { Value::Number(12.0) } else { param.default() } {
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
            for head in &replay.live {
                assert!(bound.is_none_or(|b| head.len() <= b as usize), "{what}: {} kept, bound {bound:?}", head.len());
                let recent = number("recent").unwrap_or(1);
                assert!((newest + 1 - recent..=newest).all(|p| head.contains(&p)), "{what}: a recent row is gone");
                let sinks = number("sinks").or(number("n_sink")).unwrap_or(0);
                assert!((0..sinks).all(|p| head.contains(&p)), "{what}: a sink is gone");
            }
            let total: usize = replay.live.iter().map(BTreeSet::len).sum();
            let rows = records(block).filter(|r| r.kind == Kind::Rows as u8).last().unwrap();
            assert_eq!(rows.a as usize, total, "{what}: rows kept");
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
        // A selecting sketch reads less however long its budget.
        if row.is_sketch() && row.roles.contains(&Role::Select) {
            return;
        }
        let positions = methods::build(row.name, &[], &shape).unwrap().retain.positions();
        if positions == Positions::Slot && store == Store::F16 {
            return;
        }
        let mut full = engine(&Subject { row: methods::find("full").unwrap(), variant: None }, 1, store);
        let mut other = engine(row, 2 * PROMPT as u32, store);
        let ids = run(&mut full, Detail::Totals, |_, _| ());
        for engine in [&mut full, &mut other] {
            engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, ..Options::default() }).unwrap();
        }
        for id in ids {
            let [want, got] = [&mut full, &mut other].map(|engine| {
                while !matches!(engine.advance().unwrap(), Progress::Step(_)) {}
                let logits = engine.logits().unwrap().to_vec();
                engine.choose(id).unwrap();
                logits
            });
            // Another order of summation can move the rounding of an 8-bit activation, and that what follows.
            let spread = want.iter().fold(0f32, |m, x| m.max(x.abs()));
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() <= 1e-2 * spread, "{what}: logit {got}, want {want} of {spread}");
            }
        }
    });
}

#[test]
fn watching_changes_nothing_and_a_second_run_is_the_same() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let first = run(&mut engine, Detail::Totals, |_, _| ());
        let mut blocks: [Vec<u8>; 2] = Default::default();
        for block in &mut blocks {
            let again = run(&mut engine, Detail::Sets, |_, b| block.extend_from_slice(b));
            assert_eq!(again, first, "{what}");
        }
        assert!(blocks[0] == blocks[1], "{what}: two runs, two traces");
    });
}

#[test]
fn a_run_can_be_left_at_any_point() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let want = run(&mut engine, Detail::Totals, |_, _| ());
        for pieces in [1, 2, 5, 9, 14, 40] {
            engine.start(&tiny::prompt(PROMPT), Options { max_tokens: 3, ..Options::default() }).unwrap();
            for _ in 0..pieces {
                engine.advance().unwrap();
            }
            assert_eq!(run(&mut engine, Detail::Totals, |_, _| ()), want, "{what} left after {pieces} pieces");
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
        loop {
            match engine.advance().unwrap() {
                Progress::Working => {}
                Progress::Step(step) => {
                    assert_eq!(step.index, replies, "{what}");
                    replies += 1;
                }
                Progress::Done => break,
            }
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
                ParamKind::Real { max, .. } => vec![Value::Number(f64::from(max) * 2.0 + 1.0), Value::Number(f64::NAN)],
                ParamKind::Flag { .. } => vec![Value::Number(1.0)],
                ParamKind::Choice { .. } => vec![Value::Word("neither".into())],
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
    assert_eq!(methods::find("fulll").err().unwrap().code(), "unknown_method");
}

/// Methods know `method` and `ops`, nothing below and not each other.
#[test]
fn methods_import_only_what_they_may() {
    let mut files = 0;
    for entry in std::fs::read_dir("src/methods").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for name in ["cache", "engine", "backend", "kernels", "model", "gguf", "web", "loader", "sampler", "trace"] {
            let reached = text.contains(&format!("crate::{name}")) || text.contains(&format!("crate::{{{name}"));
            assert!(!reached, "{} reaches into {name}", path.display());
        }
        files += 1;
    }
    assert!(files >= 6);
}
