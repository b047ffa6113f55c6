//! The one loop: the schedule names a pass; in every layer the method says what is read, attention runs, the method
//! says what is kept; a token is chosen. [`Engine::advance`] does one bounded piece of it.

mod finish;
mod layer;
mod pass;
mod prompt;
mod safe;
mod saved;
mod step;
mod stopwatch;
mod take;

pub use layer::{LayerRun, make_room};
pub use prompt::Prompt;
pub use step::{End, Options, Progress, Step, WATCHED};

use crate::{
    Error, Result,
    guard::Guard,
    kernels::SharedProducts,
    method::{Extent, Method, Pass, PassKind, Positions, Text},
    model::Model,
    ops::{Dense, Kept, Kv, Partial, Tags},
    sampler::Sampler,
    trace::{Kind, Tracer},
};
use safe::Aside;
use std::{collections::VecDeque, ops::Range, sync::Arc};
use stopwatch::Stopwatch;

/// Rows of a long pass that are worked on at once: enough for the matrix product to be fast, few enough for
/// [`Engine::advance`] to return within tens of milliseconds.
pub const CHUNK: u32 = 128;

const FAILED: &str = "the last pass failed; start the text anew";

/// Where in a pass the engine is.
enum Stage {
    Between,
    /// A piece of a pass failed: what it had stored cannot be told from what it had not.
    Failed,
    Project {
        layer: u32,
        row: u32,
    },
    Attend {
        row: u32,
        run: LayerRun,
    },
    /// The pass is recorded; what it made has not arrived.
    Sent,
    /// Attention is done for these rows; what the other hosts found is missing.
    Exchange {
        rows: Range<u32>,
        run: LayerRun,
    },
}

/// A model, a back end and a method at work on one text.
pub struct Engine {
    model: Arc<Model>,
    backend: Box<dyn Dense>,
    method: Method,
    /// Roles that the guard has put out of service for this text.
    aside: Aside,
    guard: Option<Guard>,
    text: Text,
    /// The text's embedding rows, and the position of each, ascending.
    rows: (Vec<f32>, Vec<u32>),
    /// Tags up to the end of the newest prompt.
    tags: Tags,
    prompt: u32,
    context: u32,
    options: Options,
    sampler: Sampler,
    pass: Pass,
    passes: u32,
    stage: Stage,
    /// Steps of a pass that made several tokens, not handed out yet.
    ready: VecDeque<Step>,
    /// Position of the token handed out last.
    newest: Option<u32>,
    /// Of the rows of the last pass whose logits are there, the one whose made that token.
    logits_row: u32,
    /// Positions below it are in the cache, some of them perhaps of ids that the text no longer has.
    stored: u32,
    stopwatch: Stopwatch,
}

/// Rows that are reserved in every KV head for a text: as many as the fullest of any layer keeps, and one that is about to
/// be dropped.
#[must_use]
pub fn reserved_rows(method: &Method, text: &Extent) -> u32 {
    let most = |layer| method.retain.holds(&Extent { layer, ..*text }).most;
    (0..text.layers).map(most).max().unwrap_or(0).saturating_add(1)
}

impl Engine {
    /// An engine for texts of up to `context` tokens, with nothing to do yet. `backend` holds the weights of `model`
    /// and stores keys as the method's [`Positions`] ask.
    #[must_use]
    pub fn new(model: Arc<Model>, backend: Box<dyn Dense>, method: Method, context: u32) -> Engine {
        let (options, pass) = (Options::default(), Pass::new(PassKind::Prefill, 0..0));
        let sampler = Sampler::new(options.sampling);
        Engine {
            model,
            backend,
            method,
            aside: Aside::default(),
            guard: None,
            text: Text::default(),
            rows: Default::default(),
            tags: Tags::default(),
            prompt: 0,
            context,
            options,
            sampler,
            pass,
            passes: 0,
            stage: Stage::Between,
            ready: VecDeque::new(),
            newest: None,
            logits_row: 0,
            stored: 0,
            stopwatch: Stopwatch::default(),
        }
    }

    /// Takes what other sessions of the model on this thread have just computed, where it is the same bit for bit, and
    /// leaves its own for them: a prompt that several read at once, piece by piece in turn, is computed once, as far as
    /// their methods read all of it. See [`SharedProducts`].
    pub fn share(&mut self, products: SharedProducts) {
        self.backend.share(products);
    }

    /// Takes `id` instead of the token that the last step proposed (teacher forcing).
    ///
    /// # Errors
    /// [`Error::TokenId`]; [`Error::State`] when no step was just made.
    pub fn choose(&mut self, id: u32) -> Result<()> {
        let vocabulary = self.model.config.vocabulary;
        if id >= vocabulary {
            return Err(Error::TokenId { got: id, vocabulary });
        }
        let newest = self.newest.filter(|_| matches!(self.stage, Stage::Between) && self.guesses() == 0);
        let Some(position) = newest else {
            return Err(Error::State("a token can be chosen only right after a step"));
        };
        if self.text.ids[position as usize] != id {
            self.take_back(position);
            self.text.ids.push(id);
            self.text.accepted = position + 1;
        }
        self.backend.tracer().record(Kind::Token, 0, 0, 1, id, position);
        Ok(())
    }

    /// Guesses that were not checked yet.
    fn guesses(&self) -> u32 {
        self.text.ids.len() as u32 - self.text.accepted
    }

    /// Works until the next token, or to the end.
    ///
    /// # Errors
    /// As [`advance`](Engine::advance).
    pub fn next_step(&mut self) -> Result<Option<Step>> {
        loop {
            match self.advance()? {
                Progress::Working | Progress::Waiting | Progress::Exchange => {}
                Progress::Step(step) => return Ok(Some(step)),
                Progress::Done => return Ok(None),
            }
        }
    }

    /// Does a bounded piece of work: at most [`CHUNK`] rows of one layer.
    ///
    /// # Errors
    /// From the back end or the method; then, until a new [`start`](Engine::start), [`Error::State`]. The ids so far
    /// are kept.
    pub fn advance(&mut self) -> Result<Progress> {
        if let Some(step) = self.ready.pop_front() {
            self.newest = Some(step.position);
            self.logits_row += 1;
            return Ok(Progress::Step(step));
        }
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Between => self.begin(),
            Stage::Failed => Err(Error::State(FAILED)),
            Stage::Project { layer, row } => self.project(layer, row).map(|()| Progress::Working),
            Stage::Attend { row, run } => self.attend(row, run),
            Stage::Sent => self.receive(),
            exchange @ Stage::Exchange { .. } => {
                self.stage = exchange;
                Err(Error::State("the partial results of the other hosts are missing"))
            }
        }
    }

    /// After [`Progress::Exchange`]: what this host's attention found for some rows of a layer, for all hosts.
    ///
    /// # Errors
    /// [`Error::State`] when no exchange is due.
    pub fn partial(&self) -> Result<Partial> {
        match self.stage {
            Stage::Exchange { .. } => self.backend.partial(),
            _ => Err(Error::State("no exchange is due")),
        }
    }

    /// Goes on with the partial results of all hosts, this one's included, in the order of the hosts.
    ///
    /// # Errors
    /// [`Error::State`] when no exchange is due; [`Error::Shape`] for some that do not fit, after which the run cannot
    /// go on.
    pub fn merge(&mut self, partials: &[Partial]) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Exchange { rows, run } => {
                self.backend.merge(Kv(run.site.layer), partials)?;
                self.absorb(rows, run)
            }
            other => {
                self.stage = other;
                Err(Error::State("no exchange is due"))
            }
        }
    }

    /// Logits after the newest finished pass, `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::State`] when no pass was just finished, or when [`Options::logits`] said that nobody asks.
    pub fn logits(&self) -> Result<&[f32]> {
        if !self.options.logits {
            return Err(Error::State("logits are there only if the options of the run ask for them"));
        }
        if self.text.fed == 0 || self.guesses() > 0 || !matches!(self.stage, Stage::Between) {
            return Err(Error::State("logits are there only right after a step"));
        }
        let width = self.model.config.vocabulary as usize;
        let first = self.logits_row as usize * width;
        let none = Error::State("logits are there only right after a step");
        self.backend.answer().get(first..first + width).ok_or(none)
    }

    /// Times attention from now on, by a clock that counts seconds: what is read is chosen, attention runs, the method
    /// learns and its edits are made.
    pub fn time_attention(&mut self, clock: fn() -> f64) {
        self.stopwatch = Stopwatch::new(clock);
    }

    /// Seconds of attention since [`time_attention`](Engine::time_attention); 0 without it.
    #[must_use]
    pub fn attention_seconds(&self) -> f64 {
        self.stopwatch.spent()
    }

    /// Prompt and generated ids so far, without guesses that were not checked yet.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.text.ids[..self.text.accepted as usize]
    }

    /// What the cache holds and what the newest pass read.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.backend.kept()
    }

    /// How keys are rotated; another back end must do the same.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.aside.retain(&self.method).positions()
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The trace; take its records every step.
    pub fn tracer(&mut self) -> &mut Tracer {
        self.backend.tracer()
    }
}
