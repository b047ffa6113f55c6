//! The handles of a pass: where the table or the lists of each are.

use super::{
    Gpu, device,
    kernels::Rule,
    memory::{ListsAt, TableAt},
};
use crate::{
    Error, Result,
    ops::{Kv, Scores, Set},
};

/// A score table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub kv: Kv,
    pub at: TableAt,
    /// Columns of the longest group, as far as the host knows.
    pub most: u32,
    /// Nothing was written to it yet: it stands for zeros.
    pub blank: bool,
}

/// A set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub at: ListsAt,
    /// Above every number in it.
    pub limit: u32,
    made: Made,
}

/// Whether the lists of a set are in the memory.
#[derive(Clone, Copy, Debug)]
enum Made {
    Yes,
    /// Not yet: all slots of a layer but those from one number to another, which an edit needs no list for.
    Except(Kv, [u32; 2]),
    /// Never: the layer was edited by it.
    Spent,
}

/// What handles stand for.
#[derive(Default)]
pub(super) struct Handles {
    tables: Vec<Table>,
    sets: Vec<Listed>,
}

impl Handles {
    pub fn clear(&mut self) {
        self.tables.clear();
        self.sets.clear();
    }

    pub fn add_table(&mut self, table: Table) -> Scores {
        self.tables.push(table);
        Scores(self.tables.len() as u32 - 1)
    }

    pub fn add_set(&mut self, listed: Listed) -> Set {
        self.sets.push(listed);
        Set(self.sets.len() as u32 - 1)
    }

    pub fn table(&self, scores: Scores) -> Result<Table> {
        self.tables.get(scores.0 as usize).copied().ok_or(Error::State("a score handle outlived its pass"))
    }

    /// A table is written.
    pub fn written(&mut self, scores: Scores) {
        if let Some(table) = self.tables.get_mut(scores.0 as usize) {
            table.blank = false;
        }
    }

    /// All numbers of a set are below `limit`.
    pub fn bound(&mut self, set: Set, limit: u32) {
        if let Some(listed) = self.sets.get_mut(set.0 as usize) {
            listed.limit = limit;
        }
    }

    pub fn listed(&self, set: Set) -> Result<Listed> {
        self.sets.get(set.0 as usize).copied().ok_or(Error::State("a set handle outlived its pass"))
    }

    /// A set is all slots of a layer but those from one number to another; its lists are made when they are asked for.
    pub fn defer(&mut self, set: Set, kv: Kv, gone: [u32; 2]) {
        if let Some(listed) = self.sets.get_mut(set.0 as usize) {
            listed.made = Made::Except(kv, gone);
        }
    }

    /// What a set of a layer leaves out, if there are no lists of it; from now on there never are.
    pub fn spend(&mut self, set: Set, kv: Kv) -> Option<[u32; 2]> {
        let listed = self.sets.get_mut(set.0 as usize)?;
        match listed.made {
            Made::Except(of, gone) if of == kv => {
                listed.made = Made::Spent;
                Some(gone)
            }
            _ => None,
        }
    }

    /// Sets of a layer that have no lists yet.
    fn deferred(&self, kv: Kv) -> Vec<Set> {
        let sets =
            self.sets.iter().zip(0..).filter(|(listed, _)| matches!(listed.made, Made::Except(of, _) if of == kv));
        sets.map(|(_, number)| Set(number)).collect()
    }
}

impl Gpu {
    /// Makes room for so many words more in this pass: what is recorded is submitted, and the memory moves.
    pub(super) fn make_room(&mut self, words: u64) -> Result<()> {
        if words <= self.memory.left() {
            return Ok(());
        }
        if let Some(burst) = self.burst.take() {
            burst.submit()?;
        }
        let old = self.memory.words.words();
        // Twice as much, if one buffer can be so large.
        let larger = self.device.buffer("GPU score tables", (2 * old).min(device::MOST / 4).max(old + words))?;
        self.device.burst().copy(&self.memory.words, &larger, &[(0, 0, old as u32)])?;
        std::mem::replace(&mut self.memory.words, larger).destroy();
        Ok(())
    }

    /// A new table over the slots of a layer.
    pub(super) fn slot_table(&mut self, kv: Kv, groups: u32) -> Result<(Scores, TableAt)> {
        let most = self.live[kv.0 as usize];
        self.make_room(u64::from(groups) * u64::from(most))?;
        let at = self.memory.slot_table(kv, groups, most)?;
        Ok((self.handles.add_table(Table { kv, at, most, blank: false }), at))
    }

    /// A new table whose columns are no slots.
    pub(super) fn fixed_table(&mut self, kv: Kv, groups: u32, columns: u32) -> Result<(Scores, TableAt)> {
        self.make_room(u64::from(groups) * u64::from(columns))?;
        let at = self.memory.fixed_table(groups, columns)?;
        Ok((self.handles.add_table(Table { kv, at, most: columns, blank: false }), at))
    }

    /// A new set of lists of up to `most` entries, all below `limit`.
    pub(super) fn new_set(&mut self, groups: u32, most: u32, limit: u32) -> Result<(Set, ListsAt)> {
        let most = most.min(limit);
        self.make_room(u64::from(groups) * (u64::from(most) + 1))?;
        let at = self.memory.lists(groups, most)?;
        Ok((self.handles.add_set(Listed { at, limit, made: Made::Yes }), at))
    }

    /// A set whose lists are in the memory.
    pub(super) fn listed(&mut self, set: Set) -> Result<Listed> {
        let listed = self.handles.listed(set)?;
        match listed.made {
            Made::Yes => {}
            Made::Except(kv, [low, high]) => {
                let slots = self.memory.slots(kv);
                let rule = Rule::Except(low, high);
                self.record(|on, burst| rule.record(burst, &on.memory.words, slots, listed.limit, listed.at))?;
                self.handles.sets[set.0 as usize].made = Made::Yes;
            }
            Made::Spent => return Err(Error::State("a set handle outlived the slots it names")),
        }
        Ok(listed)
    }

    /// Makes the lists of a layer's sets, before its slots change their numbers.
    pub(super) fn list_all(&mut self, kv: Kv) -> Result<()> {
        self.handles.deferred(kv).into_iter().try_for_each(|set| self.listed(set).map(|_| ()))
    }
}

impl Gpu {
    /// A score table of given numbers, `[groups, columns]`, over a layer's slots.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Gpu`].
    pub fn given(&mut self, kv: Kv, groups: u32, scores: &[f32]) -> Result<Scores> {
        let most = scores.len() as u32 / groups.max(1);
        self.make_room(scores.len() as u64)?;
        let at = self.memory.slot_table(kv, groups, most)?;
        self.record(|on, burst| burst.write(&on.memory.words, at.at.into(), scores))?;
        Ok(self.handles.add_table(Table { kv, at, most, blank: false }))
    }
}
