//! Scores by what is known of tokens, by how even they are, and remarks.

use super::{
    Gpu, at_least,
    kernels::{ByRound, Derive, Divergence, TagWords, Tagged},
    mirror::Call,
};
use crate::{
    Error, Result,
    ops::{Kv, Reduce, Scores, Set, Tag},
    trace::Detail,
};

impl Gpu {
    /// Sends what has changed of the tags.
    fn send_tags(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.tags_sent, true) {
            return Ok(());
        }
        let word = |tag: &Tag| u32::from(tag.picture) << 16 | u32::from(tag.round);
        let words: Vec<u32> = self.tags.known().iter().map(word).collect();
        at_least(&self.device, &mut self.room.tags, words.len() as u64)?;
        self.record(|on, burst| burst.write(&on.room.tags, 0, &words))
    }

    /// The tags on the device.
    fn tags_there(&self) -> TagWords<'_> {
        let newest = (self.pass.first + self.pass.rows).saturating_sub(1);
        TagWords {
            words: &self.room.tags,
            known: self.tags.known().len() as u32,
            last_round: self.tags.round(u32::MAX).into(),
            newest: self.tags.round(newest).into(),
        }
    }

    /// One value for the slots of pictures, or of the listed rounds and the newest, and another for all others.
    pub(super) fn tagged_slots(&mut self, kv: Kv, rounds: Option<Set>, inside: f32, outside: f32) -> Result<Scores> {
        let rounds = rounds.map(|rounds| self.listed(rounds).map(|listed| listed.at)).transpose()?;
        self.send_tags()?;
        let (out, at) = self.slot_table(kv, self.heads.kv)?;
        let (slots, most) = (self.memory.slots(kv), self.live[kv.0 as usize]);
        self.record(|on, burst| {
            let tagged = Tagged { tags: on.tags_there(), slots, rounds, inside, outside, most };
            tagged.record(burst, &on.memory.words, at)
        })?;
        Ok(out)
    }

    pub(super) fn round_sums(&mut self, scores: Scores) -> Result<Scores> {
        let source = self.filled(scores)?;
        self.send_tags()?;
        let (out, at) = self.fixed_table(source.kv, source.at.groups(), self.tags_there().newest)?;
        self.record(|on, burst| {
            let sums = ByRound { tags: on.tags_there(), slots: on.memory.slots(source.kv), scores: source.at };
            sums.record(burst, &on.memory.words, at)
        })?;
        Ok(out)
    }

    pub(super) fn mean_entropy(&mut self, scores: Scores) -> Result<Scores> {
        let source = self.filled(scores)?;
        let (out, at) = self.fixed_table(source.kv, 1, 1)?;
        self.record(|on, burst| Divergence::Entropy(source.at).record(burst, &on.memory.words, at))?;
        Ok(out)
    }

    pub(super) fn distance(&mut self, a: Scores, b: Scores) -> Result<Scores> {
        let (a, b) = (self.filled(a)?, self.filled(b)?);
        let [groups, other] = [a, b].map(|table| table.at.groups());
        let is_alike = a.at.fixed() == b.at.fixed() && (a.at.fixed().is_some() || a.kv == b.kv);
        // Of tables over slots and others the columns may be as many all the same.
        if groups != other || !(is_alike || a.most == b.most) {
            let want = "two tables of the same shape".to_owned();
            let got = format!("{groups} groups of {}, {other} of {}", a.most, b.most);
            return Err(Error::Shape { op: "js_distance", want, got });
        }
        let (out, at) = self.fixed_table(a.kv, groups, 1)?;
        self.record(|on, burst| Divergence::Distance(a.at, b.at).record(burst, &on.memory.words, at))?;
        Ok(out)
    }

    pub(super) fn note_scores(&mut self, what: u8, scores: Scores) -> Result<()> {
        let table = self.handles.table(scores)?;
        if self.mirror.tracer.detail < Detail::Sets || table.most == 0 {
            return Ok(());
        }
        // A copy: what comes back is as of the end of the pass.
        let copy = self.derive_alike(scores, Derive::Regroup(Reduce::Sum))?;
        let table = self.handles.table(copy)?.at;
        self.mirror.note(Call::Note { kv: self.handles.table(scores)?.kv, what, table });
        Ok(())
    }
}
