//! Scores by round of a conversation, and remarks.

use super::Cpu;
use crate::{
    Result,
    ops::{Kv, Scores, Set},
    trace::{Detail, Kind},
};

impl Cpu {
    fn newest_round(&self) -> usize {
        self.tags.round((self.pass.first + self.pass.rows).saturating_sub(1)).into()
    }

    pub(super) fn round_sums(&mut self, scores: Scores) -> Result<Scores> {
        let ((kv, groups), newest) = (self.kv_of(scores)?, self.newest_round());
        self.fill_table(kv, groups, newest, |on, group, out| {
            let heads = on.cache.layer(kv);
            let position = &heads[group * heads.len() / groups].position;
            for (x, &position) in on.columns(scores, group)?.iter().zip(position) {
                let round = usize::from(on.tags.round(position));
                if round < newest {
                    out[round] += x;
                }
            }
            Ok(())
        })
    }

    pub(super) fn round_slots(&mut self, kv: Kv, listed: Set, inside: f32, outside: f32) -> Result<Scores> {
        let (heads, newest) = (self.shape.kv_heads, self.newest_round());
        self.fill_slots(kv, heads, |on, head, out| {
            let listed = on.list_of(listed, head, heads)?;
            for (out, &position) in out.iter_mut().zip(&on.cache.layer(kv)[head].position) {
                let round = usize::from(on.tags.round(position));
                let chosen = round == newest || listed.binary_search(&(round as u32)).is_ok();
                *out = if chosen { inside } else { outside };
            }
            Ok(())
        })
    }

    pub(super) fn tilted(&mut self, scores: Scores, rate: f32) -> Result<Scores> {
        let (kv, groups) = self.kv_of(scores)?;
        let columns = self.columns(scores, 0)?.len();
        self.fill_table(kv, groups, columns, |on, group, out| {
            for ((out, x), at) in out.iter_mut().zip(on.columns(scores, group)?).zip(0u16..) {
                *out = x * (rate * f32::from(at)).exp();
            }
            Ok(())
        })
    }

    pub(super) fn note_scores(&mut self, what: u8, scores: Scores) -> Result<()> {
        let (kv, groups) = self.kv_of(scores)?;
        if self.tracer.detail < Detail::Sets {
            return Ok(());
        }
        for group in 0..groups {
            let column = self.tables.table(scores)?.group(&self.cache, group);
            for (x, at) in column.iter().zip(0..=u32::from(u16::MAX)) {
                self.tracer.record(Kind::Note, kv.0, group as u32, what, at, x.to_bits());
            }
        }
        Ok(())
    }
}
