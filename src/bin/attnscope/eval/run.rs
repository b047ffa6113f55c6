//! One setting on one case.

use super::{
    counter::{Cost, Counter},
    plan::Setting,
    suite::{Answer, Case},
};
use attnscope::{
    Result,
    engine::{Engine, Options, Progress},
    kernels::Precision,
    loader::Loaded,
    ops::Missed,
    trace::Detail,
};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What a run gave besides the values of its answer.
pub struct Outcome {
    /// What it cost.
    pub cost: Cost,
    /// How fast it was.
    pub speed: Speed,
    /// The tokens of the last answer.
    pub text: Vec<u32>,
    /// What sparse reads missed, for every token that was compared.
    pub missed: Vec<Missed>,
}

/// Tokens from one comparison of a sparse read with a dense one to the next.
const COMPARED: u32 = 8;

/// Tokens per second, of the engine's work alone.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Speed {
    /// Of prompts.
    pub prefill: f64,
    /// Of answers.
    pub decode: f64,
}

/// Runs `setting` on `case`; `at` gets the logits before every token of a forced last answer, and that token.
///
/// # Errors
/// From the engine.
pub fn run(
    setting: &Setting,
    case: &Case,
    precision: Precision,
    loaded: &Loaded,
    mut at: impl FnMut(&[f32], u32),
) -> Result<Outcome> {
    let mut engine = setting.method.engine(setting.budget, case.prompt_tokens(), precision, loaded)?;
    let (mut counter, mut clock, mut text) = (Counter::default(), Clock::default(), Vec::new());
    for (i, turn) in case.turns.iter().enumerate() {
        let measured = i + 1 == case.turns.len();
        let free = turn.how == Answer::Free;
        // What a prompt reads is in the sets; tokens are counted by totals.
        let max_tokens = turn.answer.len() as u32;
        let shadow = if case.suite.compares() { COMPARED } else { 0 };
        let options = Options { max_tokens, trace: Detail::Sets, shadow, ..Options::default() };
        if i == 0 {
            engine.start(turn.tagged(), options)?
        } else {
            engine.extend(turn.tagged(), options)?
        }
        clock.prompt(turn.prompt.len());
        text.clear();
        loop {
            let progress = clock.time(|| engine.advance())?;
            counter.after(&mut engine);
            match progress {
                Progress::Working | Progress::Waiting | Progress::Exchange => {}
                Progress::Done => break,
                Progress::Step(step) => {
                    clock.token();
                    engine.tracer().detail = Detail::Totals;
                    let gold = turn.answer.get(step.index as usize).copied().filter(|_| !free);
                    if let Some(gold) = gold {
                        force(&mut engine, gold, measured, &mut at)?;
                    }
                    text.push(gold.unwrap_or(step.id));
                }
            }
        }
    }
    Ok(Outcome { cost: counter.cost(&engine, loaded), speed: clock.speed(), text, missed: counter.missed() })
}

fn force(engine: &mut Engine, gold: u32, measured: bool, at: &mut impl FnMut(&[f32], u32)) -> Result<()> {
    if measured {
        at(engine.logits()?, gold);
    }
    engine.choose(gold)
}

/// Time in the engine: of prompts, up to their first token, and of the tokens after it.
#[derive(Default)]
struct Clock {
    decoding: bool,
    seconds: [f64; 2],
    tokens: [usize; 2],
}

impl Clock {
    fn prompt(&mut self, tokens: usize) {
        self.decoding = false;
        self.tokens[0] += tokens;
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.seconds[usize::from(self.decoding)] += begun.elapsed().as_secs_f64();
        done
    }

    fn token(&mut self) {
        self.tokens[1] += usize::from(self.decoding);
        self.decoding = true;
    }

    fn speed(&self) -> Speed {
        let [prefill, decode] = [0, 1].map(|i| self.tokens[i] as f64 / self.seconds[i].max(1e-9));
        Speed { prefill, decode }
    }
}
