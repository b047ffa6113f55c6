//! The engine's border on a tiny model: bad input, forced tokens, sampling, work per call, allocations.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    Error,
    cache::Store,
    engine::{CHUNK, End, Engine, Options, Progress, Step},
    methods::{REGISTRY, Value},
    sampler::Sampling,
    trace::{Detail, Kind, records},
};
use common::tiny;
use std::cell::Cell;

fn engine(method: &str) -> Engine {
    tiny::load().engine(method, &[], None, Store::F16).unwrap()
}

fn next(engine: &mut Engine) -> Option<Step> {
    let step = engine.next_step().unwrap();
    engine.tracer().take(|_| ());
    step
}

#[test]
fn bad_prompts_are_refused_and_lose_nothing() {
    let mut engine = engine("full");
    let options = |max_tokens| Options { max_tokens, ..Options::default() };
    engine.start(&tiny::prompt(9), options(5)).unwrap();
    let first = next(&mut engine).unwrap();
    let long = tiny::prompt(tiny::CONTEXT as usize);
    for (prompt, tokens, code) in [
        (&[][..], 5, "empty_prompt"),
        (&[1, 999][..], 5, "token_id"),
        (&long[..], 1, "context"),
        (&[1][..], 0, "param"),
    ] {
        assert_eq!(engine.start(prompt, options(tokens)).unwrap_err().code(), code);
    }
    let error = engine.start(&long, options(1)).unwrap_err();
    assert_eq!(error, Error::Context { prompt: tiny::CONTEXT, generate: 1, context: tiny::CONTEXT });
    // The run that was there goes on.
    assert_eq!(next(&mut engine).unwrap().index, first.index + 1);
    engine.start(&long[1..], options(1)).unwrap();
}

#[test]
fn a_context_beyond_the_model_is_refused() {
    let loaded = tiny::load();
    for context in [0, tiny::CONTEXT + 1] {
        assert_eq!(loaded.engine("full", &[], Some(context), Store::F16).err().unwrap().code(), "param");
    }
    let mut short = loaded.engine("full", &[], Some(16), Store::F16).unwrap();
    assert_eq!(
        short.start(&tiny::prompt(16), Options { max_tokens: 1, ..Options::default() }).unwrap_err().code(),
        "context"
    );
}

#[test]
fn streaming_goes_on_beyond_the_context() {
    let window = [("sinks".to_owned(), Value::Number(4.0)), ("recent".to_owned(), Value::Number(12.0))];
    let mut engine = tiny::load().engine("streaming_llm", &window, Some(64), Store::F16).unwrap();
    engine.start(&tiny::prompt(40), Options { max_tokens: 200, ..Options::default() }).unwrap();
    let mut steps = 0;
    while let Some(step) = next(&mut engine) {
        steps += 1;
        assert_eq!(step.kept.rows, u64::from(16 * tiny::LAYERS * tiny::KV_HEADS));
    }
    assert_eq!(steps, 200);
    // A further turn is measured by what the cache holds, not by the text.
    engine.extend(&tiny::prompt(47), Options { max_tokens: 9, ..Options::default() }).unwrap();
    assert_eq!(std::iter::from_fn(|| next(&mut engine)).count(), 9);
    let error = engine.extend(&tiny::prompt(48), Options { max_tokens: 9, ..Options::default() }).unwrap_err();
    assert_eq!(error, Error::Context { prompt: 64, generate: 9, context: 64 });
}

#[test]
fn a_window_longer_than_the_context_does_not_lift_it() {
    let window = [("sinks".to_owned(), Value::Number(4.0)), ("recent".to_owned(), Value::Number(60.0))];
    let mut engine = tiny::load().engine("streaming_llm", &window, Some(64), Store::F16).unwrap();
    let error = engine.start(&tiny::prompt(40), Options { max_tokens: 25, ..Options::default() }).unwrap_err();
    assert_eq!(error, Error::Context { prompt: 40, generate: 25, context: 64 });
}

#[test]
fn sampling_out_of_range_is_refused() {
    let mut engine = engine("full");
    for (temperature, top_p) in [(f32::NAN, 1.0), (-3.0, 1.0), (101.0, 1.0), (1.0, 0.0), (1.0, 1.1), (1.0, f32::NAN)] {
        let sampling = Sampling { temperature, top_p, ..Sampling::default() };
        let error = engine.start(&[1], Options { max_tokens: 1, sampling, ..Options::default() }).unwrap_err();
        assert_eq!(error.code(), "param", "{temperature} {top_p}");
    }
}

#[test]
fn a_chosen_token_takes_the_place_of_the_proposed_one() {
    let mut a = engine("full");
    let mut b = engine("full");
    let options = Options { max_tokens: 6, ..Options::default() };
    assert_eq!(a.choose(1).unwrap_err().code(), "state");
    a.start(&tiny::prompt(20), options.clone()).unwrap();
    assert_eq!(a.choose(1).unwrap_err().code(), "state");
    let proposed = next(&mut a).unwrap().id;
    let other = (proposed + 1) % 256;
    a.choose(other).unwrap();
    assert_eq!(a.choose(9999).unwrap_err().code(), "token_id");
    let mut prompt = tiny::prompt(20);
    prompt.push(other);
    b.start(&prompt, options).unwrap();
    assert!(next(&mut a).is_some() && next(&mut b).is_some());
    // One was fed row by row, one as a prompt: equal but for rounding of activations.
    let (a, b) = (a.logits().unwrap().to_vec(), b.logits().unwrap().to_vec());
    let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let spread = a.iter().map(|x| x.abs()).fold(0.0, f32::max);
    assert!(far < 0.05 * spread, "{far} of {spread}");
}

#[test]
fn a_text_ends_at_its_end_or_at_its_length() {
    let mut engine = engine("full");
    engine.start(&tiny::prompt(20), Options { max_tokens: 4, ..Options::default() }).unwrap();
    let steps: Vec<Step> = std::iter::from_fn(|| next(&mut engine)).collect();
    assert_eq!(steps.iter().map(|s| s.end).collect::<Vec<_>>(), [None, None, None, Some(End::Length)]);
    let eos = vec![steps[1].id];
    engine.start(&tiny::prompt(20), Options { max_tokens: 4, eos, ..Options::default() }).unwrap();
    let until: Vec<Step> = std::iter::from_fn(|| next(&mut engine)).collect();
    let first = steps.iter().position(|s| s.id == steps[1].id).unwrap();
    assert_eq!(until.len(), first + 1);
    assert_eq!(until[first].end, Some(End::Eos));
}

#[test]
fn a_seed_means_the_same_text_again() {
    let mut engine = engine("full");
    let mut text = |seed| {
        let sampling = Sampling { temperature: 4.0, seed, ..Sampling::default() };
        engine.start(&tiny::prompt(20), Options { max_tokens: 12, sampling, ..Options::default() }).unwrap();
        std::iter::from_fn(|| next(&mut engine)).map(|s| s.id).collect::<Vec<_>>()
    };
    assert_eq!(text(3), text(3));
    assert_ne!(text(3), text(4));
}

#[test]
fn a_call_is_one_chunk_of_one_layer_at_most() {
    let mut engine = engine("full");
    let prompt = 3 * CHUNK + 1;
    engine.start(&tiny::prompt(prompt as usize), Options { max_tokens: 1, ..Options::default() }).unwrap();
    let (mut calls, mut last) = (0, 0);
    while let Progress::Working = engine.advance().unwrap() {
        calls += 1;
        let (done, total) = engine.progress();
        assert_eq!(total, prompt * tiny::LAYERS);
        assert!((last..=total).contains(&done), "from {last} to {done} of {total}");
        last = done;
    }
    // One to begin; two halves of four chunks a layer, but only the last chunk after the last layer's attention.
    assert_eq!(calls, 1 + 8 * tiny::LAYERS - 3 - 1);
}

#[test]
fn guesses_change_no_token() {
    let loaded = tiny::load();
    let text = |gamma: u32, prompt: usize, tokens: u32| {
        let given = [("group_tokens", 8), ("gamma", gamma)].map(|(n, v)| (n.to_owned(), Value::Number(v.into())));
        let mut engine = loaded.engine("quant_spec", &given, None, Store::F16).unwrap();
        let mut guessed = 0;
        let mut turn = |engine: &mut Engine| {
            // The tiny model soon repeats itself: what it thinks of every other token says more than the ids.
            let (mut ids, mut logits) = (Vec::new(), Vec::new());
            loop {
                match engine.advance().unwrap() {
                    Progress::Working | Progress::Waiting | Progress::Exchange => {}
                    Progress::Step(step) => {
                        ids.push(step.id);
                        logits.push(engine.logits().unwrap().to_vec());
                    }
                    Progress::Done => return (ids, logits),
                }
                guessed += engine
                    .tracer()
                    .take(|block| records(block).filter(|r| r.kind == Kind::Pass as u8 && r.aux == 2).count());
            }
        };
        engine.start(&tiny::prompt(prompt), Options { max_tokens: tokens, ..Options::default() }).unwrap();
        let first = turn(&mut engine);
        engine.extend(&tiny::prompt(5), Options { max_tokens: 30, ..Options::default() }).unwrap();
        let second = turn(&mut engine);
        assert_eq!((first.0.len(), second.0.len()), (tokens as usize, 30), "gamma {gamma}");
        ([first, second], guessed)
    };
    // Turns of any length end in the middle of rounds that failed.
    for (prompt, tokens) in (1..12).map(|tokens| (40, tokens)).chain([(3, 60), (16, 60), (50, 60)]) {
        let (want, none) = text(0, prompt, tokens);
        assert_eq!(none, 0);
        for gamma in 1..=7 {
            let (turns, guessed) = text(gamma, prompt, tokens);
            assert!(turns == want, "gamma {gamma}, prompt {prompt}, {tokens} tokens");
            assert!(guessed >= 15, "gamma {gamma}: {guessed} guesses");
        }
    }
}

#[test]
fn a_turn_may_begin_before_all_of_a_round_was_asked_for() {
    let run = |gamma: u32, steps: usize| {
        let given = [("group_tokens", 8), ("gamma", gamma)].map(|(n, v)| (n.to_owned(), Value::Number(v.into())));
        let mut engine = tiny::load().engine("quant_spec", &given, None, Store::F16).unwrap();
        engine.start(&tiny::prompt(40), Options { max_tokens: 40, ..Options::default() }).unwrap();
        assert!((0..steps).all(|_| next(&mut engine).is_some()));
        engine.extend(&tiny::prompt(5), Options { max_tokens: 4, ..Options::default() }).unwrap();
        let mut logits = Vec::new();
        while next(&mut engine).is_some() {
            logits.push(engine.logits().unwrap().to_vec());
        }
        (engine.ids().to_vec(), logits)
    };
    for steps in 1..14 {
        assert!(run(5, steps) == run(0, steps), "{steps} steps");
    }
}

#[test]
fn another_token_may_be_chosen_in_the_middle_of_a_round() {
    let given = [("group_tokens", 8), ("gamma", 0)].map(|(n, v)| (n.to_owned(), Value::Number(v.into())));
    let engine = |gamma: u32| {
        let given = [given[0].clone(), ("gamma".to_owned(), Value::Number(gamma.into()))];
        let mut engine = tiny::load().engine("quant_spec", &given, None, Store::F16).unwrap();
        engine.start(&tiny::prompt(30), Options { max_tokens: 40, ..Options::default() }).unwrap();
        let mut ids = Vec::new();
        while let Some(step) = next(&mut engine) {
            // Every third token is another than the one proposed.
            if step.index % 3 == 1 && step.end.is_none() {
                engine.choose((step.id + 7) % 256).unwrap();
            }
            ids.push(step.id);
        }
        (ids, engine.ids().to_vec())
    };
    assert_eq!(engine(5), engine(0));
}

#[test]
fn timing_attention_changes_no_token_and_counts_attention_alone() {
    // A clock that goes one second further at each look: a piece of attention takes a second.
    fn clock() -> f64 {
        thread_local! { static NOW: Cell<u32> = const { Cell::new(0) } }
        NOW.set(NOW.get() + 1);
        f64::from(NOW.get())
    }
    let mut plain = engine("full");
    let mut timed = engine("full");
    timed.time_attention(clock);
    for engine in [&mut plain, &mut timed] {
        engine.start(&tiny::prompt(9), Options { max_tokens: 3, ..Options::default() }).unwrap();
    }
    let layers = f64::from(timed.model().config.layers);
    for passes in 1..=3 {
        assert_eq!(next(&mut plain), next(&mut timed));
        // In every layer room is made, what is read is chosen, attention runs, the cache is edited.
        assert_eq!(timed.attention_seconds(), layers * 4.0 * f64::from(passes));
        assert_eq!(plain.attention_seconds(), 0.0);
    }
}

#[test]
fn decoding_does_not_allocate() {
    let loaded = tiny::load();
    // Score tables of a method that keeps everything, and of weights, grow with the text, by doubling.
    let watched = [(Detail::Totals, 12), (Detail::Weights, 24)];
    for (row, (trace, most)) in REGISTRY.iter().flat_map(|row| watched.map(|how| (row, how))) {
        let budget: Vec<(String, Value)> =
            row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), Value::Number(20.0))).collect();
        let mut engine = loaded.engine(row.name, &budget, None, Store::F16).unwrap();
        engine.start(&tiny::prompt(100), Options { max_tokens: 80, trace, ..Options::default() }).unwrap();
        assert!((0..12).all(|_| next(&mut engine).is_some()));
        let count = allocation_counter::measure(|| assert!((0..40).all(|_| next(&mut engine).is_some()))).count_total;
        assert!(count <= most, "{}: {count} allocations in 40 tokens, {trace:?}", row.name);
        println!("{}: {count} allocations in 40 tokens, {trace:?}", row.name);
        while next(&mut engine).is_some() {}
        engine.extend(&tiny::prompt(60), Options { max_tokens: 60, trace, ..Options::default() }).unwrap();
        assert!((0..12).all(|_| next(&mut engine).is_some()));
        let count = allocation_counter::measure(|| assert!((0..40).all(|_| next(&mut engine).is_some()))).count_total;
        assert!(count <= most, "{}: {count} allocations in 40 tokens of a second turn, {trace:?}", row.name);
    }
}
