//! Guesses that run ahead of what the host knows, and what may happen in the middle of their round.

use std::rc::Rc;

use attnscope::{
    backend::{gpu::Device, paired::same_records},
    cache::Store,
    engine::{Engine, Options, Progress},
    guard::Limits,
    kernels::Precision,
    loader::{Loaded, OnDevice},
    methods::{Spec, Value},
    trace::{Detail, Kind, RECORD, Record, records},
};

use super::{common::tiny, gpu};

const TOKENS: u32 = 40;

fn spec(gamma: f64) -> Spec {
    let given = [("group_tokens", 16.0), ("gamma", gamma)].map(|(name, n)| (name.to_owned(), Value::Number(n)));
    Spec::method("quant_spec", &given)
}

fn cpu(loaded: &Loaded, gamma: f64) -> Engine {
    loaded.compose(&spec(gamma), None, Store::F16, Precision::Exact).unwrap()
}

fn start(engine: &mut Engine, prompt: usize, guard: Option<Limits>) {
    let options = Options { max_tokens: TOKENS, trace: Detail::Weights, guard, ..Options::default() };
    engine.start(&tiny::prompt(prompt), options).unwrap();
}

/// Runs to the end; the ids, and the trace without the numbers of what planes lose, which hang on which way a row was
/// rounded to f16.
fn rest(engine: &mut Engine) -> (Vec<u32>, Vec<u8>) {
    let mut trace = Vec::new();
    while engine.next_step().unwrap().is_some() {
        engine.tracer().take(|bytes| trace.extend_from_slice(bytes));
    }
    let mut at = 0;
    let place = |r: Record| {
        let own = at;
        at += RECORD + r.payload.len();
        (r.kind == Kind::PlaneNoise as u8).then_some(own)
    };
    let noise: Vec<usize> = records(&trace).filter_map(place).collect();
    noise.into_iter().for_each(|at| trace[at + 8..at + RECORD].fill(0));
    (engine.ids().to_vec(), trace)
}

/// Advances until guesses are on their way whose round is not over.
fn into_a_round(engine: &mut Engine, device: &Rc<Device>) {
    let (mut before, mut known) = (device.counters(), Vec::new());
    while known.len() < 58 || device.counters().submits < before.submits + 2 {
        match engine.advance().unwrap() {
            Progress::Working => {}
            Progress::Step(_) => (before, known) = (device.counters(), engine.ids().to_vec()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(device.counters().readbacks, before.readbacks, "nobody waited");
    assert_eq!(engine.ids(), known, "guesses are no text yet");
    assert!(engine.logits().is_err(), "nor have they logits");
}

#[test]
fn rounds_are_those_of_the_cpu() {
    let Some(device) = gpu("rounds of guesses") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&device, &loaded).unwrap();
    for gamma in [1.0, 4.0, 7.0] {
        let [mut cpu, mut gpu] = [cpu(&loaded, gamma), loaded.compose_on(&on, &spec(gamma), None).unwrap()];
        let before = device.counters();
        let [want, got] = [&mut cpu, &mut gpu].map(|engine| {
            start(engine, 90, None);
            rest(engine)
        });
        let after = device.counters();
        assert!(after.readbacks - before.readbacks < after.submits - before.submits, "gamma {gamma}: all waited");
        assert_eq!(got.0, want.0, "gamma {gamma}");
        same_records(&want.1, &got.1).unwrap_or_else(|why| panic!("gamma {gamma}: {why}"));
    }
}

#[test]
fn a_round_may_be_left_in_the_middle() {
    let Some(device) = gpu("rounds that are left") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&device, &loaded).unwrap();
    let mut whole = cpu(&loaded, 4.0);
    start(&mut whole, 50, None);
    let (want, _) = rest(&mut whole);
    let mut engine = loaded.compose_on(&on, &spec(4.0), None).unwrap();
    // For another text.
    start(&mut engine, 50, None);
    into_a_round(&mut engine, &device);
    start(&mut engine, 50, None);
    assert_eq!(rest(&mut engine).0, want);
    // For another back end.
    start(&mut engine, 50, None);
    into_a_round(&mut engine, &device);
    let other = loaded.cpu(engine.positions(), Store::F16, Precision::Exact).unwrap();
    engine.move_to(Box::new(other)).unwrap();
    assert_eq!(rest(&mut engine).0, want);
}

#[test]
fn the_guard_hears_what_a_round_lost() {
    let Some(device) = gpu("noise of a round") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&device, &loaded).unwrap();
    // More than any quantisation gives; of so short a prompt nothing is quantised before a guess.
    let limits =
        Limits { noise: Some(200.0), recall: None, error: None, acceptance: None, finite: false, ..Limits::default() };
    let [mut cpu, mut gpu] = [cpu(&loaded, 4.0), loaded.compose_on(&on, &spec(4.0), None).unwrap()];
    let [want, got] = [&mut cpu, &mut gpu].map(|engine| {
        start(engine, 9, Some(limits));
        let (_, trace) = rest(engine);
        let guards = records(&trace).filter(|record| record.kind == Kind::Guard as u8);
        // The monitor, the step and the limit; what it measured is of rows that were rounded either way.
        guards.map(|record| (record.aux, record.step, record.b)).collect::<Vec<_>>()
    });
    assert_eq!(want.len(), 1, "{want:?}");
    assert_eq!(got, want);
}
