//! Shadow evaluation changes nothing; the guard leads a failing method onto the safe path, and the run goes on.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    Result,
    backend::{Cpu, WeightData},
    cache::Store,
    engine::{Engine, Options, Progress},
    guard::{Limits, Monitor},
    kernels::Precision,
    loader::Loaded,
    method::{LayerCx, Method, PassKind, Positions, Select},
    methods::{Part, REGISTRY, Roles, Spec, Value},
    ops::Read,
    trace::{Detail, Kind, records},
};
use common::tiny;
use std::sync::Arc;

const PROMPT: usize = 60;
const TOKENS: u32 = 40;
/// Nothing is watched.
const OFF: Limits = Limits { recall: None, error: None, acceptance: None, window: 1, finite: false, noise: None };

/// Kind, layer, step, aux, a and b.
type Record = (u8, u8, u32, u8, u32, u32);

/// What a run leaves.
#[derive(Debug, Default, PartialEq)]
struct Ran {
    ids: Vec<u32>,
    logits: Vec<f32>,
    records: Vec<Record>,
}

impl Ran {
    fn of(&self, kind: Kind) -> Vec<Record> {
        self.records.iter().filter(|record| record.0 == kind as u8).copied().collect()
    }
    fn trips(&self) -> Vec<(u32, u8)> {
        self.of(Kind::Guard).iter().map(|record| (record.2, record.3)).collect()
    }
}

fn run(engine: &mut Engine, shadow: u32, guard: Option<Limits>) -> Ran {
    let options = Options { max_tokens: TOKENS, trace: Detail::Sets, shadow, guard, ..Options::default() };
    engine.start(&tiny::prompt(PROMPT), options).unwrap();
    let mut ran = Ran::default();
    while let progress @ (Progress::Working | Progress::Step(_)) = engine.advance().unwrap() {
        if let Progress::Step(step) = progress {
            ran.ids.push(step.id);
        }
        let seen =
            |block: &[u8]| records(block).map(|r| (r.kind, r.layer, r.step, r.aux, r.a, r.b)).collect::<Vec<_>>();
        ran.records.extend(engine.tracer().take(seen));
    }
    ran.logits = engine.logits().unwrap().to_vec();
    ran
}

fn build(loaded: &Loaded, select: impl Select) -> Engine {
    let cpu = Cpu::new((&loaded.model.config).into(), loaded.weights.clone(), Positions::Text, Store::F16).unwrap();
    let method = Method { select: Box::new(select), ..Method::full() };
    Engine::new(loaded.model.clone(), Box::new(cpu), method, tiny::CONTEXT)
}

/// Reads what it is told while decoding, in all layers but the first.
struct Reads(Read, u32);

impl Select for Reads {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let sparse = cx.site.kind == PassKind::Decode && cx.site.layer > 0 && cx.site.step >= self.1;
        Ok(if sparse { self.0 } else { Read::All })
    }
}

#[test]
fn watching_changes_no_result() {
    let loaded = tiny::load();
    for row in REGISTRY {
        let budget: Vec<_> =
            row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), Value::Number(8.0))).collect();
        let mut engine = loaded.engine(row.name, &budget, None, Store::F16).unwrap();
        let alone = run(&mut engine, 0, None);
        let mut watched = run(&mut engine, 1, Some(OFF));
        let shadows = watched.of(Kind::Shadow);
        watched.records.retain(|record| record.0 != Kind::Shadow as u8);
        assert!(watched == alone, "{} is another run when it is watched", row.name);
        // What is read sparsely while decoding is compared, head by head; what reads everything is not.
        let sparse = watched.records.iter().any(|r| r.0 == Kind::ReadRun as u8 || r.0 == Kind::ReadBits as u8);
        assert_eq!(!shadows.is_empty(), sparse, "{}", row.name);
        assert!(shadows.len().is_multiple_of(tiny::QUERY_HEADS as usize));
        for record in shadows {
            let [recall, error] = [record.4, record.5].map(f32::from_bits);
            assert!((0.0..=1.0001).contains(&recall) && error >= 0.0 && error.is_finite(), "{}: {record:?}", row.name);
        }
    }
}

#[test]
fn a_shadow_measures_what_is_missed() {
    let loaded = tiny::load();
    let means = |window: u32, every: u32| {
        let ran = run(&mut build(&loaded, Reads(Read::Window(window), 0)), every, None);
        let records = ran.of(Kind::Shadow);
        let sum = |of: fn(&Record) -> u32| {
            records.iter().map(|record| f64::from(f32::from_bits(of(record)))).sum::<f64>() / records.len() as f64
        };
        (records.len() as u32, sum(|record| record.4), sum(|record| record.5))
    };
    // Two layers of four heads in every decoding step, or in every eighth.
    let (all, some) = (means(1 << 20, 1), means(20, 8));
    assert_eq!((all.0, some.0), ((TOKENS - 1) * 8, (TOKENS - 1) / 8 * 8));
    assert!((all.1 - 1.0).abs() < 1e-5 && all.2 < 1e-4, "all is read: {all:?}");
    let (twenty, two) = (means(20, 1), means(2, 1));
    assert!(two.1 < twenty.1 && twenty.1 < 0.9 && two.2 > twenty.2 && twenty.2 > 0.01, "{twenty:?} {two:?}");
}

#[test]
fn a_read_that_misses_too_much_becomes_a_dense_one() {
    let loaded = tiny::load();
    let mut engine = build(&loaded, Reads(Read::Window(1), 0));
    for (limits, monitor) in
        [(Limits { recall: Some(0.9), ..OFF }, Monitor::Recall), (Limits { error: Some(0.1), ..OFF }, Monitor::Error)]
    {
        // By itself every sixteenth token is compared.
        let ran = run(&mut engine, 0, Some(limits));
        assert_eq!((ran.ids.len() as u32, ran.trips()), (TOKENS, vec![(16, monitor as u8)]));
        let steps = |kind| ran.of(kind).iter().map(|record| record.2).max();
        assert_eq!(steps(Kind::ReadWindow), Some(16), "nothing is read sparsely after it");
        assert_eq!(steps(Kind::Shadow), Some(16));
    }
    // The next text begins with the method as it is.
    assert_eq!(run(&mut engine, 0, None).of(Kind::ReadWindow).iter().map(|record| record.2).max(), Some(TOKENS - 1));
    // Limits that hold change nothing.
    let loose = Limits { recall: Some(0.0), error: Some(1e9), finite: true, ..OFF };
    let (mut held, alone) = (run(&mut engine, 4, Some(loose)), run(&mut engine, 0, None));
    held.records.retain(|record| record.0 != Kind::Shadow as u8);
    assert!(held == alone);
}

/// A model whose logits are never numbers: what is stored of a token is sound.
fn broken() -> Loaded {
    let mut loaded = tiny::load();
    let norm = loaded.model.norm.0 as usize;
    let WeightData::Vector(norm) = &mut Arc::get_mut(&mut loaded.weights).unwrap().list[norm] else {
        panic!("a norm is a vector")
    };
    norm.fill(f32::INFINITY);
    loaded
}

#[test]
fn logits_that_are_no_numbers_lead_from_every_role_once() {
    let loaded = broken();
    let finite = Some(Limits { finite: true, ..OFF });
    let part = |name: &str, params: &[(&str, f64)]| {
        let params: Vec<_> = params.iter().map(|(name, n)| ((*name).to_owned(), Value::Number(*n))).collect();
        Some(Part::new(name, &params))
    };
    let (fifo, quest) = (part("fifo", &[("budget", 20.0)]), part("quest", &[("budget", 8.0), ("page", 4.0)]));
    let roles = Roles { retain: fifo, select: quest, ..Roles::default() };
    let mut engine = loaded.compose(&Spec::Roles(roles), None, Store::F16, Precision::Fast).unwrap();
    let sparse = |ran: &Ran| !ran.of(Kind::ReadRun).is_empty() || !ran.of(Kind::ReadBits).is_empty();
    let alone = run(&mut engine, 0, None);
    assert!(alone.logits.iter().all(|x| !x.is_finite()) && sparse(&alone) && !alone.of(Kind::EvictRun).is_empty());
    for _ in 0..2 {
        let ran = run(&mut engine, 0, finite);
        assert_eq!((ran.ids.len() as u32, ran.trips()), (TOKENS, vec![(0, Monitor::Finite as u8)]));
        // The prompt is taken back and read again, all of it is kept, and so is all that follows.
        let passes: Vec<_> = ran.of(Kind::Pass).iter().map(|pass| (pass.4, pass.5)).collect();
        assert_eq!(passes[..3], [(0, PROMPT as u32), (0, PROMPT as u32), (PROMPT as u32, 1)]);
        assert_eq!(ran.of(Kind::Cut).len() as u32, tiny::LAYERS);
        assert_eq!(ran.of(Kind::EvictRun).len() as u32, tiny::LAYERS * tiny::KV_HEADS, "only the first time");
        assert!(!sparse(&ran));
        assert_eq!(engine.kept().rows, u64::from((PROMPT as u32 + TOKENS - 1) * tiny::LAYERS * tiny::KV_HEADS));
    }
    // Quantised rows cannot be taken back: the run goes on from there, new rows in full precision, without guesses.
    let given = [("group_tokens".to_owned(), Value::Number(8.0))];
    let ran = run(&mut loaded.engine("quant_spec", &given, None, Store::F16).unwrap(), 0, finite);
    assert_eq!((ran.ids.len() as u32, ran.trips()), (TOKENS, vec![(0, Monitor::Finite as u8)]));
    assert!(ran.of(Kind::Quantise).iter().all(|record| record.2 == 0) && ran.of(Kind::Cut).is_empty());
    assert!(ran.of(Kind::Pass).iter().all(|pass| pass.3 <= 1), "a prompt and single tokens");
}

#[test]
fn guesses_that_do_not_hold_are_no_longer_made() {
    let loaded = tiny::load();
    let quant = |gamma: f64| {
        let given = [("group_tokens", 8.0), ("gamma", gamma)].map(|(name, n)| (name.to_owned(), Value::Number(n)));
        loaded.engine("quant_spec", &given, None, Store::F16).unwrap()
    };
    let alone = run(&mut quant(0.0), 0, None);
    // More than all is wanted, so the first full window trips.
    let limits = Limits { acceptance: Some(1.5), window: 12, ..OFF };
    let mut engine = quant(4.0);
    for _ in 0..2 {
        let ran = run(&mut engine, 0, Some(limits));
        let [(step, monitor)] = ran.trips()[..] else { panic!("{:?}", ran.trips()) };
        assert_eq!(monitor, Monitor::Acceptance as u8);
        let drafts: Vec<u32> = ran.of(Kind::Pass).iter().filter(|pass| pass.3 == 2).map(|pass| pass.2).collect();
        assert!(drafts.len() >= 12 && drafts.iter().all(|draft| *draft <= step), "{drafts:?} after {step}");
        assert!(ran.ids == alone.ids, "the text is that of the 8-bit cache alone");
    }
}

#[test]
fn limits_may_change_from_turn_to_turn_and_are_checked() {
    let loaded = tiny::load();
    let mut engine = loaded.engine("full", &[], None, Store::F16).unwrap();
    let options = |window| Options { guard: Some(Limits { window, ..OFF }), max_tokens: 2, ..Options::default() };
    let why = engine.start(&tiny::prompt(PROMPT), options(0)).unwrap_err().to_string();
    assert!(why.contains("guard.window = 0") && why.contains("from 1"), "{why}");
    // A limit that anything passes trips in the second turn, whose limit it is.
    let mut engine = build(&loaded, Reads(Read::Window(2), 0));
    engine.start(&tiny::prompt(PROMPT), options(1)).unwrap();
    while engine.next_step().unwrap().is_some() {}
    let strict =
        Options { guard: Some(Limits { recall: Some(1.1), ..OFF }), shadow: 1, max_tokens: 4, ..Options::default() };
    engine.extend(&[5, 6], strict).unwrap();
    engine.tracer().take(|_| ());
    while engine.next_step().unwrap().is_some() {}
    assert_eq!(engine.tracer().take(|block| records(block).filter(|r| r.kind == Kind::Guard as u8).count()), 1);
}

#[test]
fn planes_too_noisy_are_not_added_to() {
    let loaded = tiny::load();
    let given = [("group_tokens", 8.0), ("gamma", 0.0)].map(|(name, n)| (name.to_owned(), Value::Number(n)));
    let mut engine = loaded.engine("quant_spec", &given, None, Store::F16).unwrap();
    let free = run(&mut engine, 0, Some(Limits::default()));
    assert_eq!(free.trips(), [], "8 bits are better than the default limit");
    assert!(free.of(Kind::Quantise).iter().any(|record| record.2 > 0), "groups are added while decoding");
    // More than any quantisation gives.
    let ran = run(&mut engine, 0, Some(Limits { noise: Some(200.0), ..OFF }));
    assert_eq!(ran.trips(), [(0, Monitor::Noise as u8)]);
    let (before, after) = (free.of(Kind::Quantise), ran.of(Kind::Quantise));
    assert!(after.iter().all(|record| record.2 == 0) && after == before[..after.len()], "those of the prompt stay");
    assert_eq!(ran.ids.len() as u32, TOKENS);
}
