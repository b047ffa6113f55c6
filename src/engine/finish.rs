//! The end of a pass: what it made.

use super::{End, Engine, Progress, Stage, Step};
use crate::{
    Error, Result,
    method::PassKind,
    ops::{AHEAD, ROW},
    trace::Kind,
};

impl Engine {
    /// What the guard hears of passes that have arrived.
    fn end_pass(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.quantised(self.backend.kept().noise);
            self.backend.missed().iter().for_each(|missed| guard.missed(*missed));
        }
        self.leave_pass();
    }

    fn leave_pass(&mut self) {
        (self.text.fed, self.stored) = (self.pass.rows.end, self.pass.rows.end);
        self.passes += 1;
        self.stage = Stage::Between;
    }

    /// Why nothing follows this token, if so.
    pub(super) fn ends(&self, id: u32, position: u32) -> Option<End> {
        if self.options.eos.contains(&id) {
            return Some(End::Eos);
        }
        (position + 1 >= self.text.limit).then_some(End::Length)
    }

    /// Whether the pass ends where a token is wanted.
    fn makes_token(&self) -> bool {
        self.pass.rows.end >= self.text.accepted
    }

    /// Guesses that only the device knows.
    fn ahead(&self) -> usize {
        self.text.ids[self.text.accepted as usize..].iter().filter(|id| **id >= AHEAD).count()
    }

    /// Asks for the tokens or the logits that are wanted and sends the pass off.
    pub(super) fn finish(&mut self) -> Result<Progress> {
        if self.makes_token() {
            let rows = self.rows();
            let first = if self.pass.kind == PassKind::Verify { 0 } else { rows - 1 };
            let is_guess = self.pass.kind == PassKind::Draft;
            let pick = self.sampler.ask(is_guess || self.pass.kind == PassKind::Verify);
            let back = pick.is_none() || (self.options.logits && !is_guess);
            self.model.logits(first..rows, back, &mut *self.backend)?;
            if let Some(pick) = pick {
                self.backend.pick(pick, is_guess.then_some(self.pass.rows.end))?;
                // There are names for so many, and for those of the pass that checks them.
                let is_named = 2 * self.guesses() + 3 <= ROW - AHEAD;
                if is_guess && is_named && self.backend.submit_ahead()? {
                    let id = AHEAD + self.ahead() as u32;
                    self.text.ids.push(id);
                    self.leave_pass();
                    return Ok(Progress::Working);
                }
            }
        }
        self.backend.submit()?;
        self.receive()
    }

    /// Takes what was picked, or draws from the logits: how many guesses hold, and the token after them.
    fn take_token(&mut self) -> (u32, u32) {
        let (guesses, ahead) = (self.guesses(), self.ahead());
        let (picked, logits) = (self.backend.picked(), self.backend.answer());
        let finite = picked.iter().all(|picked| picked.finite)
            && (!picked.is_empty() || logits.iter().all(|logit| logit.is_finite()));
        let (known, picked) = picked.split_at(ahead.min(picked.len()));
        let guessed = &mut self.text.ids[self.text.accepted as usize..];
        let unknown = guessed.iter_mut().filter(|id| **id >= AHEAD);
        unknown.zip(known).for_each(|(id, known)| *id = known.id);
        let (checked, (held, id)) = match self.pass.kind {
            PassKind::Verify => (guesses, self.sampler.verify(guessed, picked, logits)),
            PassKind::Draft => (0, (0, self.sampler.guess(picked, logits))),
            PassKind::Prefill | PassKind::Decode | PassKind::Correct => (0, (0, self.sampler.sample(picked))),
        };
        if let Some(guard) = &mut self.guard {
            guard.finite(finite);
            guard.round(checked, held);
        }
        (held, id)
    }

    /// A token or a guess, and what there is to report.
    pub(super) fn receive(&mut self) -> Result<Progress> {
        if !self.backend.arrived()? {
            self.stage = Stage::Sent;
            return Ok(Progress::Waiting);
        }
        if !self.makes_token() {
            self.end_pass();
            return Ok(Progress::Working);
        }
        let (held, id) = self.take_token();
        self.end_pass();
        if self.leave_path() {
            return Ok(Progress::Working);
        }
        if self.pass.kind == PassKind::Draft {
            // One that was picked is recorded where it was.
            if self.sampler.ask(true).is_none() {
                self.backend.tracer().guess(id, self.text.ids.len() as u32);
            }
            self.text.ids.push(id);
            return Ok(Progress::Working);
        }
        self.logits_row = 0;
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
            let end = self.ends(id, position);
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
}
