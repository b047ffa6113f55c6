//! Sessions that share what they compute of a prompt: all methods at once are what each is alone, bit for bit.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    cache::Store,
    engine::{Engine, Options, Progress},
    kernels::{Precision, SharedProducts},
    methods,
    methods::Spec,
    trace::Detail,
};
use common::{
    rows::{PROMPT, STEPS, Variant, budgets, model},
    tiny,
};

/// What a run gave: ids, logits of every step, trace.
#[derive(Default, PartialEq)]
struct Gave {
    ids: Vec<u32>,
    logits: Vec<f32>,
    trace: Vec<u8>,
}

struct Run {
    name: &'static str,
    engine: Engine,
    gave: Gave,
}

impl Run {
    fn begin(row: &'static methods::Row) -> Run {
        let spec = Spec::method(row.name, &budgets(&Variant { row, given: Vec::new() }, 12));
        let mut engine = model().compose(&spec, None, Store::F16, Precision::Fast).unwrap();
        let options = Options { max_tokens: STEPS, trace: Detail::Sets, ..Options::default() };
        engine.start(&tiny::prompt(PROMPT), options).unwrap();
        Run { name: row.name, engine, gave: Gave::default() }
    }

    /// A piece of work; false at the end.
    fn advance(&mut self) -> bool {
        let Gave { ids, logits, trace } = &mut self.gave;
        match self.engine.advance().unwrap() {
            Progress::Done => return false,
            Progress::Step(step) => {
                ids.push(step.id);
                logits.extend_from_slice(self.engine.logits().unwrap());
                self.engine.tracer().take(|block| trace.extend_from_slice(block));
            }
            Progress::Working | Progress::Waiting | Progress::Exchange => {}
        }
        true
    }
}

#[test]
fn every_method_gives_beside_all_others_what_it_gives_alone() {
    let alone = methods::REGISTRY.iter().map(|row| {
        let mut run = Run::begin(row);
        while run.advance() {}
        run.gave
    });
    let alone: Vec<Gave> = alone.collect();
    let shared = SharedProducts::default();
    let mut beside: Vec<Run> = methods::REGISTRY.iter().map(Run::begin).collect();
    beside.iter_mut().for_each(|run| run.engine.share(shared.clone()));
    // One after another, and some ahead of the others.
    let mut turn = 0;
    let mut more = true;
    while more {
        more = false;
        for (i, run) in beside.iter_mut().enumerate() {
            for _ in 0..=(turn + i) % 3 {
                more |= run.advance();
            }
        }
        turn += 1;
    }
    for (run, alone) in beside.iter().zip(&alone) {
        assert_eq!(run.gave.ids.len(), STEPS as usize, "{}", run.name);
        assert!(run.gave == *alone, "{} gives something else beside others", run.name);
    }
}
