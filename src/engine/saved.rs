//! A text with its cache as bytes, between two tokens, and back: the run goes on with the same tokens and the same trace,
//! without a prompt being read again. Records of the trace that were not taken are not saved.

use super::{Engine, FAILED, Options, Stage, Step, reserved_rows};
use crate::{
    Error, Result,
    guard::Limits,
    method::{Extent, Heads, MOST_STATE, Method, Retain},
    ops::{AHEAD, Expected, ROW, Tag},
    sampler::Sampler,
    tape::{Tape, check},
};

impl Engine {
    /// Appends the text and its cache to some bytes.
    ///
    /// # Errors
    /// [`Error::State`] unless the last call of [`advance`](Engine::advance) made a step or found nothing left to do;
    /// [`Error::Unsupported`] on a back end that cannot.
    pub fn save(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if matches!(self.stage, Stage::Failed) {
            return Err(Error::State(FAILED));
        }
        let between = matches!(self.stage, Stage::Between) && self.guesses() == 0 && self.newest.is_some();
        if !between || self.text.fed + 1 != self.text.accepted {
            return Err(Error::State("a session is saved between two tokens; let it make one"));
        }
        let mut tape = Tape::Save(std::mem::take(out));
        self.save_or_restore(&mut tape)?;
        *out = tape.into_bytes();
        Ok(())
    }

    /// Goes on from [`save`](Engine::save), of an engine with the same model, method, context and back end. `options`
    /// are as for [`start`](Engine::start), but how many tokens are still to come is saved.
    ///
    /// # Errors
    /// [`Error::Saved`], [`Error::Memory`], [`Error::Unsupported`]; then a text is begun anew by
    /// [`start`](Engine::start). [`Error::Param`].
    pub fn restore(&mut self, saved: &[u8], options: Options) -> Result<()> {
        options.sampling.check()?;
        options.guard.as_ref().map_or(Ok(()), Limits::check)?;
        self.forget();
        self.follow(options);
        let mut tape = Tape::Restore(saved);
        self.save_or_restore(&mut tape)?;
        check(matches!(tape, Tape::Restore([])), "it goes on after its end")?;
        self.stage = Stage::Between;
        Ok(())
    }

    fn save_or_restore(&mut self, tape: &mut Tape) -> Result<()> {
        tape.list(&mut self.text.ids)?;
        tape.list(&mut self.text.rounds)?;
        let mut pictures: Vec<u16> = self.tags.known().iter().map(|tag| tag.picture).collect();
        tape.list(&mut pictures)?;
        tape.list(&mut self.rows.0)?;
        tape.list(&mut self.rows.1)?;
        let mut newest = self.newest.unwrap_or(0);
        let text = [&mut self.prompt, &mut self.text.limit, &mut self.stored, &mut self.passes, &mut newest];
        text.into_iter().try_for_each(|n| tape.number(n))?;
        let mut random = self.sampler.state();
        tape.number(&mut random)?;
        self.aside.save_or_restore(tape, &mut self.method)?;
        if let Some(guard) = &mut self.guard {
            guard.save_or_restore(tape)?;
        }
        if tape.restores() {
            self.check_text(&pictures, newest)?;
            let rounds = &self.text.rounds;
            let round =
                |at: u32| rounds.partition_point(|&first| first <= at).saturating_sub(1).min(u16::MAX.into()) as u16;
            let tags: Vec<Tag> =
                pictures.iter().zip(0..).map(|(&picture, at)| Tag { round: round(at), picture }).collect();
            (self.text.accepted, self.text.fed) = (self.text.ids.len() as u32, self.text.ids.len() as u32 - 1);
            self.sampler = Sampler::resumed(self.options.sampling, random);
            self.tags.put(0, &tags);
            self.backend.reset(reserved_rows(&self.method, &self.extent()))?;
            self.backend.tag(0, &tags);
        }
        let (stored, fed) = (self.stored, self.text.fed);
        let Method { retain, schedule, .. } = &mut self.method;
        for (state, most) in [(retain.state(), MOST_STATE - 1), (schedule.state(), fed)] {
            for number in state {
                tape.number(number)?;
                check(*number <= most, "its method was never there")?;
            }
        }
        let of = Extent { generated: fed + 1 - self.prompt, ..self.extent() };
        let expected = expected(self.aside.retain(&self.method), &of, stored);
        self.backend.save_or_restore(tape, &expected)?;
        if tape.restores() {
            self.hand_out(newest);
        }
        Ok(())
    }

    /// Refuses a text that no run can have made.
    fn check_text(&self, pictures: &[u16], newest: u32) -> Result<()> {
        let (config, ids, rounds) = (&self.model.config, &self.text.ids, &self.text.rounds);
        let length = ids.len() as u32;
        check(self.prompt >= 1 && self.prompt <= newest && newest < length, "its tokens do not add up")?;
        check(ids.iter().all(|id| *id < config.vocabulary || *id == ROW), "an id is no token of this model")?;
        check(rounds.first() == Some(&0) && rounds.is_sorted_by(|a, b| a < b), "its rounds do not follow each other")?;
        check(
            rounds.last().is_some_and(|last| *last < length) && pictures.len() <= ids.len(),
            "its rounds are longer",
        )?;
        let (rows, positions) = &self.rows;
        let embedded = ids.iter().zip(0..).filter(|(id, _)| **id == ROW).map(|(_, at)| at);
        check(embedded.eq(positions.iter().copied()), "its embedding rows are not where they belong")?;
        check(rows.len() == positions.len() * config.width as usize, "its embedding rows have another width")?;
        let endless = self.endless_rows(self.aside.retain(&self.method)).is_some();
        let most = if endless { u32::MAX } else { self.context };
        check((length..=most).contains(&self.text.limit), "it is longer than the context")?;
        // Rows of guesses that did not hold stay until the next pass; a round has no more guesses than there are names.
        check((length - 1..length + (ROW - AHEAD)).contains(&self.stored), "its cache is not that of its text")?;
        check(self.passes < u32::MAX / 2, "it ran more passes than there can be")
    }

    /// Makes the tokens after `newest`, which the last pass made and nobody asked for yet, the next steps.
    pub(super) fn hand_out(&mut self, newest: u32) {
        let kept = self.backend.kept();
        let step = |position: u32| {
            let id = self.text.ids[position as usize];
            Step { index: position - self.prompt, id, position, kept, end: self.ends(id, position) }
        };
        self.ready = (newest + 1..self.text.accepted).map(step).collect();
        self.newest = Some(newest);
    }
}

/// What a cache must hold of a text after passes over the positions below `end`.
fn expected(retain: &dyn Retain, of: &Extent, end: u32) -> Expected {
    let (heads, holds) = (retain.heads(), retain.holds(of));
    let alike = heads == Heads::Alike;
    Expected {
        end,
        even: heads >= Heads::Even,
        alike,
        // Of a role that keeps rows of its own choice in some texts only, `holds` says in which.
        everything: alike && retain.bound().is_none() && holds.rows == of.rows(),
        planes: holds.planes.map(|(groups, _)| groups),
    }
}
