//! What calls make: tables and sets of both, under handles of their own.

use super::{
    CPU, GPU, Paired, Table,
    check::{Keeps, Part},
    tolerance::{self, Tolerance},
};
use crate::{
    Error, Result,
    ops::{Dense, Kv, Scores, Set},
};

impl Paired {
    pub(super) fn add_table(&mut self, on: [Scores; 2]) -> Scores {
        self.tables.push(Table { on, said: Vec::new() });
        Scores(self.tables.len() as u32 - 1)
    }

    pub(super) fn table(&self, scores: Scores) -> Result<&Table> {
        self.tables.get(scores.0 as usize).ok_or(Error::State("a score handle outlived its pass"))
    }

    /// The handles of a table.
    pub(super) fn on(&self, scores: Scores) -> Result<[Scores; 2]> {
        self.table(scores).map(|table| table.on)
    }

    /// The handles of a set.
    pub(super) fn set(&self, set: Set) -> Result<[Set; 2]> {
        self.sets.get(set.0 as usize).copied().ok_or(Error::State("a set handle outlived its pass"))
    }

    /// A table was written.
    pub(super) fn check_table(&mut self, scores: Scores, tolerance: Tolerance) -> Result<()> {
        let on = self.on(scores)?;
        let place = self.gpu.table_place(on[GPU])?;
        let want = self.cpu.table_rows(on[CPU])?;
        let mut parts = Vec::new();
        if let Some((place, groups)) = place {
            self.same_groups(groups, want.len())?;
            parts.push(Part::floats(["group", "column"], place, want, tolerance));
        }
        self.check(parts, Keeps::Table(scores), on)
    }

    pub(super) fn same_groups(&mut self, got: usize, want: usize) -> Result<()> {
        if got == want {
            return Ok(());
        }
        let differ = Err(self.differ(format!("{got} groups, the CPU {want}")));
        self.hold(differ)
    }

    /// An operation that makes a table.
    pub(super) fn new_table(
        &mut self,
        op: &'static str,
        kv: Option<Kv>,
        tolerance: Tolerance,
        what: impl Fn(&mut dyn Dense, usize) -> Result<Scores>,
    ) -> Result<Scores> {
        let on = self.call(op, kv, what)?;
        let scores = self.add_table(on);
        self.check_table(scores, tolerance)?;
        Ok(scores)
    }

    /// An operation that changes one.
    pub(super) fn change(
        &mut self,
        op: &'static str,
        dst: Scores,
        tolerance: Tolerance,
        what: impl Fn(&mut dyn Dense, usize) -> Result<()>,
    ) -> Result<()> {
        self.call(op, None, what)?;
        self.check_table(dst, tolerance)
    }

    /// An operation that makes a set.
    pub(super) fn new_set(
        &mut self,
        op: &'static str,
        kv: Option<Kv>,
        what: impl Fn(&mut dyn Dense, usize) -> Result<Set>,
    ) -> Result<Set> {
        let on = self.call(op, kv, what)?;
        let (place, groups) = self.gpu.set_place(on[GPU])?;
        let want = self.cpu.set_lists(on[CPU])?.to_vec();
        self.same_groups(groups, want.len())?;
        self.check_parts(vec![Part::lists(place, want)])?;
        self.sets.push(on);
        Ok(Set(self.sets.len() as u32 - 1))
    }

    /// The tolerance of weights of a softmax over a layer's keys.
    pub(super) fn weights(&self) -> Tolerance {
        if self.gpu.rounds_turned_keys() { tolerance::TURNED_WEIGHTS } else { tolerance::WEIGHTS }
    }

    /// Slots, positions and counts of a layer, by KV head.
    pub(super) fn slot_parts(&self, kv: Kv) -> Vec<Part> {
        let heads = self.cpu.cache().layer(kv);
        let [counts, positions] = self.gpu.slot_places(kv);
        let slots = heads.iter().map(|head| vec![head.len() as u32]).collect();
        let position = heads.iter().map(|head| head.position.clone()).collect();
        vec![
            Part::words(["head", "slots"], counts, slots),
            Part::words(["head", "position of slot"], positions, position),
        ]
    }
}
