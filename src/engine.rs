//! The one loop: the schedule names a pass; in every layer the method says what is read, attention runs, the method
//! says what is kept; a token is chosen. [`Engine::advance`] does one bounded piece of it.

mod layer;
mod prompt;
mod safe;
mod step;
mod watch;

pub use layer::{LayerRun, make_room};
pub use prompt::Prompt;
pub use step::{End, Options, Progress, Step, WATCHED};

use crate::{
    Error, Result,
    guard::Guard,
    method::{Extent, Method, Pass, PassKind, Positions, Retain, Site, Text},
    model::Model,
    ops::{Dense, Kept, Kv, Part, ROW},
    sampler::Sampler,
    trace::{Kind, Tracer},
};
use safe::Parked;
use std::{collections::VecDeque, ops::Range, sync::Arc};
use watch::Watch;

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
    parked: Parked,
    guard: Option<Guard>,
    text: Text,
    /// The text's embedding rows, and the position of each.
    rows: (Vec<f32>, Vec<u32>),
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
    /// Row of the last pass whose logits made that token.
    logits_row: u32,
    /// Positions below it are in the cache, some of them perhaps of ids that the text no longer has.
    stored: u32,
    watch: Watch,
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
            parked: Parked::default(),
            guard: None,
            text: Text::default(),
            rows: Default::default(),
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
            watch: Watch::default(),
        }
    }

    /// Begins a new text: forgets the cache and takes a prompt.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::TokenId`], [`Error::Shape`] for embedding rows of another width,
    /// [`Error::Param`], [`Error::Context`]; what ran before is then still there. [`Error::Memory`]: it is not.
    pub fn start(&mut self, prompt: impl Into<Prompt>, options: Options) -> Result<()> {
        let prompt = prompt.into();
        self.check(&prompt, 0, &options, self.parked.retain(&self.method))?;
        self.stage = Stage::Failed;
        self.parked.restore(&mut self.method);
        self.guard = None;
        self.backend.reset(self.reserve(&prompt, 0, &options))?;
        self.backend.tracer().take(|_| ());
        (self.text, self.rows) = Default::default();
        (self.passes, self.stored) = (0, 0);
        self.method.schedule.restart();
        self.stage = Stage::Between;
        self.sampler = Sampler::new(options.sampling);
        self.take(prompt, options);
        Ok(())
    }

    /// Goes on with the same text: appends a further prompt, with which a new round begins. Tokens that a pass made but
    /// nobody has asked for yet are taken back first.
    ///
    /// # Errors
    /// As [`start`](Engine::start), but what ran before is always still there; [`Error::State`] in the middle of a pass
    /// or after a failed one.
    pub fn extend(&mut self, prompt: impl Into<Prompt>, options: Options) -> Result<()> {
        let prompt = prompt.into();
        match self.stage {
            Stage::Between if self.guesses() == 0 => {}
            Stage::Failed => return Err(Error::State(FAILED)),
            _ => return Err(Error::State("the session is in the middle of a pass; let it finish or start anew")),
        }
        let before = if self.ready.is_empty() { None } else { self.newest };
        let before = before.map_or(self.text.ids.len() as u32, |newest| newest + 1);
        self.check(&prompt, before, &options, &*self.method.retain)?;
        self.backend.reserve(self.reserve(&prompt, before, &options))?;
        self.take_back(before);
        // As after any step, the newest token has no row yet.
        self.text.fed = self.text.fed.min(before.saturating_sub(1));
        self.take(prompt, options);
        Ok(())
    }

    /// Rows a KV head may come to hold.
    fn reserve(&self, prompt: &Prompt, before: u32, options: &Options) -> u32 {
        let (prompt, layers) = (before.saturating_add(prompt.len()), self.model.config.layers);
        let text = Extent { prompt, pictures: 0, generated: options.max_tokens, layer: 0, layers };
        reserved_rows(&self.method, &text)
    }

    fn check(&self, prompt: &Prompt, before: u32, options: &Options, retain: &dyn Retain) -> Result<()> {
        let generate = options.max_tokens;
        options.sampling.check()?;
        prompt.check(self.model.config.vocabulary, self.model.config.width)?;
        if generate == 0 {
            return Err(Error::Param { name: "maxTokens".into(), got: "0".into(), allowed: "at least 1".into() });
        }
        // Rotation by slot never sees a distance beyond the cache, so with one that fits the text may go on for ever.
        let bound = retain.bound().filter(|&bound| bound < self.context);
        let endless = bound.filter(|_| retain.positions() == Positions::Slot);
        let prompt = endless.map_or(before, |bound| before.min(bound)).saturating_add(prompt.len());
        let needed = prompt.saturating_add(if endless.is_some() { 1 } else { generate });
        if needed > self.context {
            return Err(Error::Context { prompt, generate, context: self.context });
        }
        Ok(())
    }

    fn take(&mut self, prompt: Prompt, options: Options) {
        self.ready.clear();
        self.newest = None;
        let before = self.text.ids.len() as u32;
        let (rounds, mut tags) = (prompt.rounds(), prompt.tags);
        for (tag, at) in tags.iter_mut().zip(0..) {
            let round = self.text.rounds.len() + rounds.partition_point(|&first| first <= at) - 1;
            tag.round = round.min(u16::MAX.into()) as u16;
        }
        self.text.rounds.extend(rounds.iter().map(|first| before + first));
        self.backend.tag(before, &tags);
        self.rows.0.extend_from_slice(&prompt.rows);
        self.rows.1.extend(prompt.ids.iter().zip(before..).filter(|(id, _)| **id == ROW).map(|(_, at)| at));
        self.text.ids.extend_from_slice(&prompt.ids);
        self.prompt = self.text.ids.len() as u32;
        self.text.accepted = self.prompt;
        self.text.limit = self.prompt.saturating_add(options.max_tokens);
        self.text.ids.reserve(options.max_tokens.min(self.context) as usize);
        self.backend.tracer().detail = options.trace;
        // A monitor that has tripped stays so in later turns.
        self.guard = options.guard.map(|limits| self.guard.take().unwrap_or_else(|| Guard::new(limits)));
        self.options = options;
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

    /// Shortens the text to `length` ids. Their rows in the cache go when the next pass begins.
    fn take_back(&mut self, length: u32) {
        self.ready.clear();
        self.text.ids.truncate(length as usize);
        self.text.accepted = self.text.accepted.min(length);
        self.text.fed = self.text.fed.min(length);
    }

    /// Guesses that were not checked yet.
    fn guesses(&self) -> u32 {
        self.text.ids.len() as u32 - self.text.accepted
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
            exchange @ Stage::Exchange { .. } => {
                self.stage = exchange;
                Err(Error::State("the parts of the other hosts are missing"))
            }
        }
    }

    /// After [`Progress::Exchange`]: what this host's attention found for some rows of a layer, for all hosts.
    ///
    /// # Errors
    /// [`Error::State`] when no exchange is due.
    pub fn part(&self) -> Result<Part> {
        match self.stage {
            Stage::Exchange { .. } => self.backend.part(),
            _ => Err(Error::State("no exchange is due")),
        }
    }

    /// Goes on with the parts of all hosts, this one's included, in the order of the hosts.
    ///
    /// # Errors
    /// [`Error::State`] when no exchange is due; [`Error::Shape`] for parts that do not fit, after which the run cannot
    /// go on.
    pub fn merge(&mut self, parts: &[Part]) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Exchange { rows, run } => {
                self.backend.merge(Kv(run.site.layer), parts)?;
                self.absorb(rows, run)
            }
            other => {
                self.stage = other;
                Err(Error::State("no exchange is due"))
            }
        }
    }

    fn begin(&mut self) -> Result<Progress> {
        let generated = self.text.accepted - self.prompt;
        let ended = generated > 0
            && self.guesses() == 0
            && self.text.ids.last().is_some_and(|id| self.options.eos.contains(id));
        let Some(pass) = (!ended).then(|| self.method.schedule.next(&self.text)).flatten() else {
            self.stage = Stage::Between;
            return Ok(Progress::Done);
        };
        if self.guesses() == 0 {
            self.sampler.begin_round();
        }
        self.backend.tracer().step = generated;
        if pass.rows.start < self.stored {
            (0..self.model.config.layers).try_for_each(|layer| self.backend.cut(Kv(layer), pass.rows.start))?;
        }
        let tracer = self.backend.tracer();
        tracer.record(Kind::Pass, 0, 0, pass.kind as u8, pass.rows.start, pass.rows.end - pass.rows.start);
        let ids = &self.text.ids[pass.rows.start as usize..pass.rows.end as usize];
        self.backend.narrow(pass.kind == PassKind::Draft && self.method.schedule.narrow_guesses());
        self.model.embed(ids, pass.rows.start, &mut *self.backend)?;
        let width = self.model.config.width as usize;
        for (row, &position) in self.rows.0.chunks_exact(width).zip(&self.rows.1) {
            if pass.rows.contains(&position) {
                self.backend.put_row(position - pass.rows.start, row)?;
            }
        }
        self.pass = pass;
        self.stage = Stage::Project { layer: 0, row: 0 };
        Ok(Progress::Working)
    }

    fn site(&self, layer: u32) -> Site {
        let (rows, rounds) = (&self.pass.rows, &self.text.rounds);
        let round = rounds.partition_point(|&first| first < rows.end);
        let first = rounds[..round].last().copied().unwrap_or(0);
        Site {
            layer,
            layers: self.model.config.layers,
            group: self.model.config.group(),
            kind: self.pass.kind,
            rows: self.rows(),
            position: self.pass.rows.end - 1,
            step: self.passes,
            live: self.backend.live(Kv(layer)),
            quantised: self.backend.quantised(Kv(layer)),
            round: round.saturating_sub(1) as u32,
            question: rows.end.saturating_sub(first).min(rows.end - rows.start),
        }
    }

    fn rows(&self) -> u32 {
        self.pass.rows.end - self.pass.rows.start
    }

    fn chunk(&self, row: u32) -> Range<u32> {
        row..self.rows().min(row + CHUNK)
    }

    fn project(&mut self, layer: u32, row: u32) -> Result<()> {
        let rows = self.chunk(row);
        if row == 0 {
            let site = self.site(layer);
            self.watch.time(|| make_room(&mut self.method, &mut *self.backend, site))?;
        }
        self.model.project(layer, rows.clone(), self.pass.stores, &mut *self.backend)?;
        self.stage = if rows.end < self.rows() {
            Stage::Project { layer, row: rows.end }
        } else {
            let site = self.site(layer);
            let hidden = &self.pass.hidden;
            let run = self.watch.time(|| LayerRun::begin(&mut self.method, &mut *self.backend, site, hidden))?;
            // Only the newest row is read after the last layer, unless all are checked.
            let skip = layer + 1 == site.layers && site.kind != PassKind::Verify && !run.needs_all_rows();
            Stage::Attend { row: if skip { site.rows - 1 } else { 0 }, run }
        };
        Ok(())
    }

    fn attend(&mut self, row: u32, run: LayerRun) -> Result<Progress> {
        let rows = self.chunk(row);
        self.watch.time(|| run.attend(rows.clone(), &mut *self.backend))?;
        if self.is_compared()
            && let Some(missed) = run.shadow(&mut *self.backend)?
            && let Some(guard) = &mut self.guard
        {
            guard.missed(missed);
        }
        if self.pass.shared {
            self.stage = Stage::Exchange { rows, run };
            return Ok(Progress::Exchange);
        }
        self.absorb(rows, run)
    }

    fn absorb(&mut self, rows: Range<u32>, run: LayerRun) -> Result<Progress> {
        let layer = run.site.layer;
        self.model.absorb(layer, rows.clone(), &mut *self.backend)?;
        if rows.end < run.site.rows {
            self.stage = Stage::Attend { row: rows.end, run };
            return Ok(Progress::Working);
        }
        self.watch.time(|| run.settle(&mut self.method, &mut *self.backend))?;
        if layer + 1 < run.site.layers {
            self.stage = Stage::Project { layer: layer + 1, row: 0 };
            return Ok(Progress::Working);
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<Progress> {
        let rows = self.rows();
        if self.pass.rows.end < self.text.accepted {
            (self.text.fed, self.stored) = (self.pass.rows.end, self.pass.rows.end);
            self.passes += 1;
            self.stage = Stage::Between;
            return Ok(Progress::Working);
        }
        let guesses = self.guesses() as usize;
        let verify = self.pass.kind == PassKind::Verify;
        let first = if verify { 0 } else { rows - 1 };
        let logits = self.model.logits(first..rows, &mut *self.backend)?;
        let (held, id) = match self.pass.kind {
            PassKind::Verify => self.sampler.verify(&self.text.ids[self.text.accepted as usize..][..guesses], logits),
            PassKind::Draft => (0, self.sampler.guess(logits)),
            PassKind::Prefill | PassKind::Decode | PassKind::Correct => (0, self.sampler.sample(logits)),
        };
        if let Some(guard) = &mut self.guard {
            guard.logits(logits);
            guard.round(if verify { guesses as u32 } else { 0 }, held);
        }
        (self.text.fed, self.stored) = (self.pass.rows.end, self.pass.rows.end);
        self.passes += 1;
        self.stage = Stage::Between;
        if self.leave_path() {
            return Ok(Progress::Working);
        }
        if self.pass.kind == PassKind::Draft {
            self.backend.tracer().record(Kind::Token, 0, 0, 2, id, self.text.ids.len() as u32);
            self.text.ids.push(id);
            return Ok(Progress::Working);
        }
        self.logits_row = first;
        let kept = self.backend.kept();
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let tracer = self.backend.tracer();
        tracer.record(Kind::Rows, 0, 0, 0, short(kept.rows), short(kept.rows_read));
        tracer.record(Kind::Bytes, 0, 0, 0, short(kept.bytes), short(kept.bytes_read));
        if kept.far + kept.moved > 0 {
            tracer.record(Kind::Far, 0, 0, 0, short(kept.far), short(kept.moved));
        }
        self.text.ids.truncate((self.text.accepted + held) as usize);
        self.text.ids.push(id);
        for position in self.text.accepted..self.text.ids.len() as u32 {
            let id = self.text.ids[position as usize];
            self.text.accepted = position + 1;
            self.backend.tracer().record(Kind::Token, 0, 0, 0, id, position);
            let end = if self.options.eos.contains(&id) {
                Some(End::Eos)
            } else {
                (position + 1 >= self.text.limit).then_some(End::Length)
            };
            self.ready.push_back(Step { index: position - self.prompt, id, position, kept, end });
            if end.is_some() {
                self.text.ids.truncate(position as usize + 1);
                break;
            }
        }
        // Rows of guesses that did not hold are not the text's; the newest token has none yet.
        self.text.fed = self.text.accepted - 1;
        let step = self.ready.pop_front().ok_or(Error::State("a pass made no token"))?;
        self.newest = Some(step.position);
        Ok(Progress::Step(step))
    }

    /// Row-layers done and to do in the pass that is running; `(0, 0)` between passes.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        let rows = self.rows();
        let done = match &self.stage {
            Stage::Between | Stage::Failed => return (0, 0),
            Stage::Project { layer, row } => layer * rows + row / 2,
            Stage::Attend { row, run } | Stage::Exchange { rows: Range { start: row, .. }, run } => {
                run.site.layer * rows + (rows + row) / 2
            }
        };
        (done, self.model.config.layers * rows)
    }

    /// Logits after the newest finished pass, `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::State`] when no pass was just finished.
    pub fn logits(&mut self) -> Result<&[f32]> {
        if self.text.fed == 0 || !matches!(self.stage, Stage::Between) {
            return Err(Error::State("logits are there only right after a step"));
        }
        let row = self.logits_row;
        self.model.logits(row..row + 1, &mut *self.backend)
    }

    /// Times attention from now on, by a clock that counts seconds: what is read is chosen, attention runs, the method
    /// learns and its edits are made.
    pub fn time_attention(&mut self, clock: fn() -> f64) {
        self.watch = Watch::new(clock);
    }

    /// Seconds of attention since [`time_attention`](Engine::time_attention); 0 without it.
    #[must_use]
    pub fn attention_seconds(&self) -> f64 {
        self.watch.spent()
    }

    /// Prompt and generated ids so far.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.text.ids
    }

    /// What the cache holds and what the newest pass read.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.backend.kept()
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
