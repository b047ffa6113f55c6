//! Score columns, and tables made of others column by column.

use super::{
    Gpu,
    kernels::{Change, Derive, KeyNorms},
    memory::TableAt,
    tables::Table,
};
use crate::{
    Error, Result,
    backend::checks::{self, unlike_heads},
    ops::{Fresh, Group, Kv, Pooling, Reduce, Scores},
};

impl Gpu {
    /// What another call may read: a table that nothing was written to gets its zeros.
    pub(super) fn filled(&mut self, scores: Scores) -> Result<Table> {
        let table = self.handles.table(scores)?;
        if table.blank {
            self.change_table(table, Change::Fill(Fresh::Value(0.0)))?;
            self.handles.written(scores);
        }
        Ok(Table { blank: false, ..table })
    }

    fn change_table(&mut self, table: Table, how: Change) -> Result<()> {
        self.record(|on, burst| how.record(burst, &on.memory.words, table.at, on.memory.slots(table.kv), table.most))
    }

    pub(super) fn score_column(&mut self, kv: Kv, name: &'static str, fresh: Fresh) -> Result<Scores> {
        let (at, new) = self.memory.column(kv, name, fresh)?;
        let table = Table { kv, at, most: self.live[kv.0 as usize], blank: false };
        if new {
            self.change_table(table, Change::Fill(fresh))?;
        }
        Ok(self.handles.add_table(table))
    }

    /// Fails unless a table is of layer `kv` and has a group a KV head.
    pub(super) fn check_by_kv(&self, op: &'static str, kv: Kv, scores: Scores) -> Result<()> {
        let table = self.handles.table(scores)?;
        checks::check_by_kv(op, kv, self.heads.kv as usize, (table.kv, table.at.groups() as usize))
    }

    /// What is one row of scores for all KV heads needs heads of one length.
    pub(super) fn check_alike(&self, op: &'static str, kv: Kv, groups: u32) -> Result<()> {
        if groups >= self.heads.kv || self.alike[kv.0 as usize] {
            return Ok(());
        }
        Err(unlike_heads(op))
    }

    /// Changes a table by KV head, given a second one of the same layer.
    pub(super) fn change(
        &mut self,
        op: &'static str,
        dst: Scores,
        src: Scores,
        how: impl Fn(TableAt) -> Change,
    ) -> Result<()> {
        let kv = self.handles.table(dst)?.kv;
        self.check_by_kv(op, kv, dst)?;
        self.check_by_kv(op, kv, src)?;
        let (to, other) = (self.filled(dst)?, self.filled(src)?);
        self.change_table(to, how(other.at))
    }

    /// A table of `groups` groups over the same columns as another.
    pub(super) fn derive(&mut self, scores: Scores, groups: u32, how: Derive) -> Result<Scores> {
        let source = self.filled(scores)?;
        let (out, at) = match source.at.fixed() {
            Some(columns) => self.fixed_table(source.kv, groups, columns)?,
            None => self.slot_table(source.kv, groups)?,
        };
        self.record(|on, burst| how.record(burst, &on.memory.words, source.at, at, source.most))?;
        Ok(out)
    }

    /// The same of as many groups.
    pub(super) fn derive_alike(&mut self, scores: Scores, how: Derive) -> Result<Scores> {
        let groups = self.handles.table(scores)?.at.groups();
        self.derive(scores, groups, how)
    }

    pub(super) fn reduce(&mut self, scores: Scores, to: Group, how: Reduce) -> Result<Scores> {
        let (table, groups) = (self.handles.table(scores)?, self.groups(to));
        if table.at.groups() < groups || !table.at.groups().is_multiple_of(groups) {
            let (want, got) = (format!("a multiple of {groups} groups"), format!("{} groups", table.at.groups()));
            return Err(Error::Shape { op: "regroup", want, got });
        }
        self.check_alike("regroup", table.kv, groups)?;
        self.derive(scores, groups, Derive::Regroup(how))
    }

    pub(super) fn mark_used(&mut self, scores: Scores, share: f32, fresh: u32) -> Result<Scores> {
        self.check_by_kv("used", self.handles.table(scores)?.kv, scores)?;
        self.derive_alike(scores, Derive::Used(share, fresh))
    }

    pub(super) fn smooth(&mut self, scores: Scores, kernel: u32, how: Pooling, recent: u32) -> Result<Scores> {
        if kernel.is_multiple_of(2) {
            return Err(Error::Shape { op: "pool", want: "an odd kernel".to_owned(), got: kernel.to_string() });
        }
        self.derive_alike(scores, Derive::Pool(how, kernel, recent))
    }

    pub(super) fn block_sums(&mut self, scores: Scores, size: u32) -> Result<Scores> {
        let (source, size) = (self.filled(scores)?, size.max(1));
        let blocks = source.most.div_ceil(size);
        let (out, at) = self.fixed_table(source.kv, source.at.groups(), blocks)?;
        self.record(|on, burst| Derive::Block(size).record(burst, &on.memory.words, source.at, at, blocks))?;
        Ok(out)
    }

    pub(super) fn negative_norms(&mut self, kv: Kv) -> Result<Scores> {
        let (out, at) = self.slot_table(kv, self.heads.kv)?;
        self.record(|on, burst| {
            let slots = on.live[kv.0 as usize];
            let norms = KeyNorms { heads: on.heads, stored: on.stored(kv), slots };
            norms.record(burst, &on.memory.words, at)
        })?;
        Ok(out)
    }
}
