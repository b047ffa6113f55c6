//! One setting on one case.

use super::{
    counter::{Cost, Counter},
    plan::Setting,
    suite::{Answer, Case},
};
use attnscope::{
    Result,
    engine::{Engine, Options, Progress},
    kernels::{Precision, SharedProducts},
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

/// A setting at work on a case.
pub struct Run<'a> {
    case: &'a Case,
    engine: Engine,
    counter: Counter,
    clock: Clock,
    /// The turn at hand, and the tokens of its answer so far.
    turn: usize,
    text: Vec<u32>,
}

impl<'a> Run<'a> {
    /// Begins the first turn.
    ///
    /// # Errors
    /// From the engine.
    pub fn begin(setting: &Setting, case: &'a Case, precision: Precision, loaded: &Loaded) -> Result<Run<'a>> {
        let engine = setting.method.engine(setting.budget, case.asked(), precision, loaded)?;
        let (counter, clock, text) = (Counter::default(), Clock::default(), Vec::new());
        let mut run = Run { case, engine, counter, clock, turn: 0, text };
        run.read()?;
        Ok(run)
    }

    /// Computes nothing that a run beside it has just computed; its speed is no speed then.
    pub fn share(&mut self, products: SharedProducts) {
        self.engine.share(products);
    }

    /// Does one piece of work; `at` gets the logits before every token of a forced last answer, and that token. False
    /// when there was nothing left to do.
    ///
    /// # Errors
    /// From the engine.
    pub fn advance(&mut self, at: &mut impl FnMut(&[f32], u32)) -> Result<bool> {
        let Some(turn) = self.case.turns.get(self.turn) else { return Ok(false) };
        let progress = self.clock.time(|| self.engine.advance())?;
        self.counter.after(&mut self.engine);
        match progress {
            Progress::Working | Progress::Waiting | Progress::Exchange => {}
            Progress::Done => {
                self.turn += 1;
                self.read()?;
            }
            Progress::Step(step) => {
                self.clock.token();
                self.engine.tracer().detail = Detail::Totals;
                let gold = turn.answer.get(step.index as usize).copied().filter(|_| turn.how == Answer::Forced);
                if let Some(gold) = gold {
                    if self.turn + 1 == self.case.turns.len() {
                        at(self.engine.logits()?, gold);
                    }
                    self.engine.choose(gold)?;
                }
                self.text.push(gold.unwrap_or(step.id));
            }
        }
        Ok(true)
    }

    /// Gives the prompt of the turn at hand to the engine, if there is one.
    fn read(&mut self) -> Result<()> {
        let Some(turn) = self.case.turns.get(self.turn) else { return Ok(()) };
        // What a prompt reads is in the sets; tokens are counted by totals.
        let max_tokens = turn.answer.len() as u32;
        let shadow = if self.case.suite.compares() { COMPARED } else { 0 };
        let options = Options { max_tokens, trace: Detail::Sets, shadow, ..Options::default() };
        if self.turn == 0 {
            self.engine.start(turn.tagged(), options)?;
        } else {
            self.engine.extend(turn.tagged(), options)?;
        }
        self.clock.prompt(turn.prompt.len());
        self.text.clear();
        Ok(())
    }

    /// What it came to.
    pub fn end(self, loaded: &Loaded) -> Outcome {
        Outcome {
            cost: self.counter.cost(&self.engine, loaded),
            speed: self.clock.speed(),
            text: self.text,
            missed: self.counter.missed(),
        }
    }
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
