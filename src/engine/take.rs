//! Takes prompts: a new text, or the next round of one.

use super::{Engine, FAILED, Options, Prompt, Stage, reserved_rows};
use crate::{
    Error, Result,
    guard::{Guard, Limits},
    method::{Extent, Positions, Retain},
    ops::{Dense, ROW},
    sampler::Sampler,
    trace::{ALL_HEADS, Detail, Kind},
};

impl Engine {
    /// Begins a new text: forgets the cache and takes a prompt.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::TokenId`], [`Error::Shape`] for embedding rows of another width,
    /// [`Error::Param`], [`Error::Context`]; what ran before is then still there. [`Error::Memory`]: it is not.
    pub fn start(&mut self, prompt: impl Into<Prompt>, options: Options) -> Result<()> {
        let prompt = prompt.into();
        self.check(&prompt, 0, &options, self.aside.retain(&self.method))?;
        self.forget();
        self.backend.reset(self.reserve(&prompt, 0, &options))?;
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
        self.between_passes()?;
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

    /// Goes on where a run ended or was left, without a further prompt: up to `max_tokens` tokens more. Not past a token
    /// that ends the text.
    ///
    /// # Errors
    /// As [`extend`](Engine::extend); [`Error::State`] before the first token.
    pub fn resume(&mut self, options: Options) -> Result<()> {
        self.between_passes()?;
        let Some(newest) = self.newest else {
            return Err(Error::State("there is no token to go on from"));
        };
        self.check_room(newest + 1, 0, &options, &*self.method.retain)?;
        let last = (newest + 1).saturating_add(options.max_tokens);
        let text = Extent { generated: last - self.prompt, ..self.extent() };
        self.backend.reserve(reserved_rows(&self.method, &text))?;
        if self.text.accepted > last {
            self.take_back(last);
        }
        self.text.limit = last;
        self.follow(options);
        self.hand_out(newest);
        Ok(())
    }

    /// Ids handed out since the newest prompt.
    #[must_use]
    pub fn generated(&self) -> &[u32] {
        let end = self.newest.map_or(self.prompt, |newest| newest + 1);
        &self.text.ids[self.prompt as usize..end as usize]
    }

    /// Goes on with another back end, as when a device was lost: what the text has so far is run again on it by the next
    /// pass, so no token is. What a method dropped on the way it chooses anew. Records of the trace that were not taken
    /// are gone.
    ///
    /// # Errors
    /// [`Error::Memory`]; then the engine is as it was.
    pub fn move_to(&mut self, mut backend: Box<dyn Dense>) -> Result<()> {
        let layers = self.model.config.layers;
        backend.reset(reserved_rows(&self.method, &self.extent()))?;
        backend.tag(0, self.tags.known());
        backend.measure_noise(self.options.measures_noise());
        let (detail, step) = (self.backend.tracer().detail, self.backend.tracer().step);
        self.backend = backend;
        let tracer = self.backend.tracer();
        (tracer.detail, tracer.step) = (detail, step);
        if detail >= Detail::Sets {
            // Who follows the trace is to forget the rows that are stored anew.
            (0..layers).for_each(|layer| tracer.record(Kind::Cut, layer, ALL_HEADS.into(), 0, 0, self.stored));
        }
        self.text.ids.truncate(self.text.accepted as usize);
        (self.text.fed, self.stored) = (0, 0);
        self.method.schedule.restart();
        self.stage = Stage::Between;
        Ok(())
    }

    /// Forgets the text, until a new one is there: all but the cache, for which whoever begins makes room.
    pub(super) fn forget(&mut self) {
        self.stage = Stage::Failed;
        self.aside.restore(&mut self.method);
        self.guard = None;
        self.backend.tracer().take(|_| ());
        (self.text, self.rows, self.tags) = Default::default();
        (self.passes, self.stored) = (0, 0);
        self.method.schedule.restart();
        self.ready.clear();
        self.newest = None;
    }

    fn between_passes(&self) -> Result<()> {
        match self.stage {
            Stage::Between if self.guesses() == 0 => Ok(()),
            Stage::Failed => Err(Error::State(FAILED)),
            _ => Err(Error::State("the session is in the middle of a pass; let it finish or start anew")),
        }
    }

    /// The text as far as it may come.
    pub(super) fn extent(&self) -> Extent {
        let (pictures, layers) = (self.tags.pictures(0), self.model.config.layers);
        let generated = self.text.limit.saturating_sub(self.prompt);
        Extent { prompt: self.prompt, pictures, generated, layer: 0, layers }
    }

    /// Rows a KV head may come to hold.
    fn reserve(&self, prompt: &Prompt, before: u32, options: &Options) -> u32 {
        let (pictures, layers) = (prompt.pictures(), self.model.config.layers);
        let prompt = before.saturating_add(prompt.len());
        let text = Extent { prompt, pictures, generated: options.max_tokens, layer: 0, layers };
        reserved_rows(&self.method, &text)
    }

    fn check(&self, prompt: &Prompt, before: u32, options: &Options, retain: &dyn Retain) -> Result<()> {
        prompt.check(self.model.config.vocabulary, self.model.config.width)?;
        self.check_room(before, prompt.len(), options, retain)
    }

    /// Refuses options that cannot be, and more tokens than the context has.
    fn check_room(&self, before: u32, prompt: u32, options: &Options, retain: &dyn Retain) -> Result<()> {
        let generate = options.max_tokens;
        options.sampling.check()?;
        options.guard.as_ref().map_or(Ok(()), Limits::check)?;
        if generate == 0 {
            return Err(Error::Param { name: "maxTokens".into(), got: "0".into(), allowed: "at least 1".into() });
        }
        let endless = self.endless_rows(retain);
        let prompt = endless.map_or(before, |bound| before.min(bound)).saturating_add(prompt);
        let needed = prompt.saturating_add(if endless.is_some() { 1 } else { generate });
        if needed > self.context {
            return Err(Error::Context { prompt, generate, context: self.context });
        }
        Ok(())
    }

    /// The rows of a cache with which a text may go on for ever: rotation by slot never sees a distance beyond it.
    pub(super) fn endless_rows(&self, retain: &dyn Retain) -> Option<u32> {
        let bound = retain.bound().filter(|&bound| bound < self.context);
        bound.filter(|_| retain.positions() == Positions::Slot)
    }

    fn take(&mut self, prompt: Prompt, options: Options) {
        self.ready.clear();
        self.newest = None;
        let before = self.text.ids.len() as u32;
        let (rounds, mut tags) = (prompt.rounds(), prompt.tags);
        let pictures = self.tags.known().iter().map(|tag| tag.picture).max().unwrap_or(0);
        for (tag, at) in tags.iter_mut().zip(0..) {
            tag.picture = if tag.picture > 0 { tag.picture.saturating_add(pictures) } else { 0 };
            let round = self.text.rounds.len() + rounds.partition_point(|&first| first <= at) - 1;
            tag.round = round.min(u16::MAX.into()) as u16;
        }
        self.text.rounds.extend(rounds.iter().map(|first| before + first));
        self.backend.tag(before, &tags);
        self.tags.put(before, &tags);
        self.rows.0.extend_from_slice(&prompt.rows);
        self.rows.1.extend(prompt.ids.iter().zip(before..).filter(|(id, _)| **id == ROW).map(|(_, at)| at));
        self.text.ids.extend_from_slice(&prompt.ids);
        self.prompt = self.text.ids.len() as u32;
        self.text.accepted = self.prompt;
        self.text.limit = self.prompt.saturating_add(options.max_tokens);
        self.follow(options);
    }

    /// Runs by other options from now on; how many tokens is in the text's limit.
    pub(super) fn follow(&mut self, options: Options) {
        self.text.ids.reserve(options.max_tokens.min(self.context) as usize);
        self.backend.tracer().detail = options.trace;
        // A monitor that has tripped stays so in later turns.
        self.guard = options.guard.map(|limits| {
            let mut guard = self.guard.take().unwrap_or_else(|| Guard::new(limits));
            guard.limit(limits);
            guard
        });
        self.backend.measure_noise(options.measures_noise());
        self.options = options;
    }

    /// Shortens the text to `length` ids. Their rows in the cache go when the next pass begins.
    pub(super) fn take_back(&mut self, length: u32) {
        self.ready.clear();
        self.text.ids.truncate(length as usize);
        self.text.accepted = self.text.accepted.min(length);
        self.text.fed = self.text.fed.min(length);
    }
}
