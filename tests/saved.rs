//! A text that is saved and restored goes on as the one that was saved: every row of the registry, with every choice and
//! switch. What is damaged is refused, and what is forged takes no more memory than it has.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    Error,
    cache::Store,
    engine::{Engine, Options, Prompt, Step},
    guard::Limits,
    methods::REGISTRY,
    ops::{Kept, Tag},
    sampler::Sampling,
    trace::{Detail, Kind, records},
};
use common::{
    rows::{PROMPT, Variant, budgets, model},
    tiny,
};
use proptest::prelude::*;

/// Tokens before and after.
const BEFORE: usize = 9;
const AFTER: u32 = 12;

fn engine(row: &Variant, store: Store) -> Engine {
    model().engine(row.name, &budgets(row, 12), None, store).unwrap()
}

fn save(engine: &mut Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(&mut bytes).unwrap();
    bytes
}

fn options() -> Options {
    Options { max_tokens: BEFORE as u32 + AFTER, trace: Detail::Sets, ..Options::default() }
}

/// A prompt of two rounds, the first with a picture.
fn prompt() -> Prompt {
    let ids = tiny::prompt(PROMPT);
    let mut prompt = Prompt::default();
    prompt.append_ids(&ids[..40], Tag::default());
    prompt.append_ids(&ids[40..80], Tag { round: 0, picture: 1 });
    prompt.append_ids(&ids[80..], Tag { round: 1, picture: 0 });
    prompt
}

/// Some steps and the trace of each. What is reserved is no part of a text.
fn steps(engine: &mut Engine, most: usize) -> Vec<(Step, Vec<u8>)> {
    let mut steps = Vec::new();
    while steps.len() < most
        && let Some(mut step) = engine.next_step().unwrap()
    {
        step.kept = Kept { allocated: 0, ..step.kept };
        steps.push((step, engine.tracer().take(<[u8]>::to_vec)));
    }
    steps
}

/// Everything that follows: the run to its end, and a further turn.
fn rest(engine: &mut Engine) -> Vec<(Step, Vec<u8>)> {
    let mut all = steps(engine, usize::MAX);
    engine.extend(&tiny::prompt(30), Options { max_tokens: 6, ..options() }).unwrap();
    all.extend(steps(engine, usize::MAX));
    all
}

#[test]
fn every_method_goes_on_with_the_same_tokens_and_the_same_trace() {
    let mut variants = 0;
    for row in REGISTRY.iter().flat_map(Variant::all) {
        for store in [Store::F16, Store::F32] {
            let what = format!("{} {:?} in {store:?}", row.name, row.given);
            let mut first = engine(&row, store);
            first.start(prompt(), options()).unwrap();
            // Also where a pass made more tokens than were asked for.
            let before = BEFORE + variants % 3;
            assert_eq!(steps(&mut first, before).len(), before, "{what}");
            let saved = save(&mut first);
            assert!(saved == save(&mut first), "{what}: saving changes nothing");
            let mut second = engine(&row, store);
            second.restore(&saved, options()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(saved == save(&mut second), "{what}: what was restored is what was saved");
            assert_eq!(second.ids(), first.ids(), "{what}");
            assert_eq!(Kept { allocated: 0, ..second.kept() }, Kept { allocated: 0, ..first.kept() }, "{what}");
            let (want, got) = (rest(&mut first), rest(&mut second));
            assert!(want.len() > AFTER as usize, "{what}");
            for ((want, theirs), (got, own)) in want.iter().zip(&got) {
                assert_eq!(got, want, "{what}");
                assert!(own == theirs, "{what}: another trace at position {}", want.position);
            }
            assert_eq!(got.len(), want.len(), "{what}");
        }
        variants += 1;
    }
    println!("{variants} variants of {} methods in 2 stores", REGISTRY.len());
}

/// A row with small budgets and a text that it has saved.
fn saved(name: &str) -> (Variant, Vec<u8>) {
    let row = Variant { row: attnscope::methods::find(name).unwrap(), given: Vec::new() };
    let mut engine = engine(&row, Store::F16);
    engine.start(prompt(), options()).unwrap();
    steps(&mut engine, BEFORE);
    (row, save(&mut engine))
}

#[test]
fn drawn_tokens_and_tripped_guards_go_on_too() {
    // Limits that everything is past: what is compared with dense attention, and what is guessed.
    let guard: Limits = "recall=2,acceptance=2,window=1".parse().unwrap();
    let sampling = Sampling { temperature: 1.5, seed: 5, ..Sampling::default() };
    let options = || Options { sampling, guard: Some(guard), shadow: 4, ..options() };
    // H2O reads all that it has, which no limit is on.
    for (name, trips) in [("quest", true), ("quant_spec", true), ("h2o", false)] {
        let row = Variant { row: attnscope::methods::find(name).unwrap(), given: Vec::new() };
        let mut first = engine(&row, Store::F16);
        first.start(prompt(), options()).unwrap();
        let before = steps(&mut first, BEFORE);
        let tripped = before.iter().flat_map(|(_, trace)| records(trace)).any(|r| r.kind == Kind::Guard as u8);
        assert_eq!(tripped, trips, "{name}: a guard tripped before the session was saved");
        let mut second = engine(&row, Store::F16);
        second.restore(&save(&mut first), options()).unwrap();
        let (want, got) = (steps(&mut first, usize::MAX), steps(&mut second, usize::MAX));
        assert!(!want.is_empty() && got == want, "{name}");
    }
}

#[test]
fn a_session_is_saved_between_two_tokens_only() {
    let (row, saved) = saved("h2o");
    let mut engine = engine(&row, Store::F16);
    assert_eq!(engine.save(&mut Vec::new()).unwrap_err().code(), "state", "no text");
    engine.start(prompt(), options()).unwrap();
    assert_eq!(engine.save(&mut Vec::new()).unwrap_err().code(), "state", "no token");
    steps(&mut engine, 2);
    engine.advance().unwrap();
    assert_eq!(engine.save(&mut Vec::new()).unwrap_err().code(), "state", "the middle of a pass");
    // A refusal leaves nothing to go on with, and a new text can begin.
    assert_eq!(engine.restore(&saved[1..], options()).unwrap_err().code(), "saved");
    assert_eq!(engine.advance().unwrap_err().code(), "state");
    assert_eq!(engine.save(&mut Vec::new()).unwrap_err().code(), "state");
    engine.restore(&saved, options()).unwrap();
    assert_eq!(steps(&mut engine, usize::MAX).len(), AFTER as usize);
    engine.start(prompt(), options()).unwrap();
    assert_eq!(steps(&mut engine, 3).len(), 3);
}

#[test]
fn an_answer_goes_on_where_it_was_left() {
    for row in REGISTRY.iter().map(|row| Variant { row, given: Vec::new() }) {
        let run = |left: Option<usize>| {
            let mut engine = engine(&row, Store::F16);
            engine.start(prompt(), options()).unwrap();
            let mut all = steps(&mut engine, left.unwrap_or(usize::MAX));
            if let Some(left) = left {
                let more = Options { max_tokens: options().max_tokens - left as u32, ..options() };
                engine.resume(more).unwrap();
                all.extend(steps(&mut engine, usize::MAX));
            }
            all.into_iter().map(|(step, trace)| (step.index, step.id, step.end, trace)).collect::<Vec<_>>()
        };
        let want = run(None);
        for left in [1, 4, 6] {
            assert!(run(Some(left)) == want, "{} {:?} left after {left}", row.name, row.given);
        }
        // Fewer than a pass has made already, and some after the end.
        let mut engine = engine(&row, Store::F16);
        engine.start(prompt(), options()).unwrap();
        steps(&mut engine, 4);
        for count in [1, 2, 3] {
            engine.resume(Options { max_tokens: count, ..options() }).unwrap();
            assert_eq!(steps(&mut engine, usize::MAX).len(), count as usize, "{}", row.name);
        }
        let ids: Vec<u32> = want[..10].iter().map(|(_, id, ..)| *id).collect();
        assert_eq!(engine.generated(), ids, "{}", row.name);
    }
    let mut engine = model().engine("full", &[], None, Store::F16).unwrap();
    assert_eq!(engine.resume(options()).unwrap_err().code(), "state");
}

#[test]
fn saved_bytes_say_what_they_are() {
    let settings = r#"{"method":"h2o"}"#;
    let mut engine = model().engine("h2o", &[], None, Store::F16).unwrap();
    engine.start(prompt(), options()).unwrap();
    steps(&mut engine, BEFORE);
    let bytes = model().save(&mut engine, settings).unwrap();
    let (given, saved) = model().saved(&bytes).unwrap();
    assert_eq!((&*given, saved), (settings, &save(&mut engine)[..]));
    let why = |bytes: &[u8]| match model().saved(bytes) {
        Err(Error::Saved(why)) => why,
        other => panic!("{other:?}"),
    };
    // Any one byte, and any end.
    for at in (0..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(why(&damaged).contains(if at < 10 { "none" } else { "checksum" }), "{at}");
        assert!(!why(&bytes[..at]).is_empty());
    }
    let (_, other) = (why(b"GGUF"), tiny::load_alike());
    let Err(Error::Saved(other)) = other.saved(&bytes) else { panic!("another model takes it") };
    assert!(other.contains("another model file, \"tiny\""), "{other}");
}

#[test]
fn another_method_or_precision_is_refused() {
    let (row, saved) = saved("h2o");
    assert_eq!(engine(&row, Store::F32).restore(&saved, options()).unwrap_err().code(), "saved");
    let full = Variant { row: attnscope::methods::find("full").unwrap(), given: Vec::new() };
    assert_eq!(engine(&full, Store::F16).restore(&saved, options()).unwrap_err().code(), "saved");
}

/// Methods that keep all kinds of state.
/// More than any of them still has to make.
const MOST_STEPS: usize = 200;
const KINDS: [&str; 8] = ["full", "h2o", "quest", "quant_spec", "scope", "round_attention", "streaming_llm", "ada_kv"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed is refused, or is a state that runs: nothing panics, and memory is what the bytes justify.
    #[test]
    fn damaged_bytes_are_refused_or_run(
        kind in 0..KINDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        use std::sync::OnceLock;
        static SAVED: OnceLock<Vec<(Variant, Vec<u8>)>> = OnceLock::new();
        let (row, saved) = &SAVED.get_or_init(|| KINDS.into_iter().map(saved).collect())[kind];
        let mut bytes = saved.clone();
        for (at, value, how) in changes {
            // Lengths and counts are few among rows of numbers: near the beginning there are more.
            let length = if how > 1 { bytes.len() } else { bytes.len().min(1200) };
            bytes[at.index(length)] = if how % 2 == 0 { value } else { [0, 1, 255, 128][usize::from(value % 4)] };
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut engine = engine(row, Store::F16);
        match engine.restore(&bytes, options()) {
            Err(error) => prop_assert!(matches!(error, Error::Saved(_) | Error::Memory { .. }), "{error}"),
            // Rotation by slot has no last position: such a text may say that it goes on for ever.
            Ok(()) => drop((0..MOST_STEPS).map_while(|_| engine.next_step().ok().flatten()).count()),
        }
    }
}
