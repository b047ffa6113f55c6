//! Score tables and sets behind the handles of a pass. Buffers are reused from pass to pass.

use super::Cpu;
use crate::{
    Error, Result,
    cache::Cache,
    ops::{Kv, Scores, Set},
};

/// A score table: a layer and either numbers of its own or a column of the cache.
#[derive(Debug)]
pub(super) struct Table {
    pub kv: Kv,
    pub column: Option<usize>,
    pub groups: usize,
    pub stride: usize,
    /// Columns that are not slots but blocks, pairs or single numbers.
    cols: Option<usize>,
    pub data: Vec<f32>,
}

impl Table {
    /// Scores of one group, by slot.
    pub fn group<'a>(&'a self, cache: &'a Cache, group: usize) -> &'a [f32] {
        match self.column {
            Some(column) => cache.scores(self.kv, group, column),
            None => &self.data[group * self.stride..][..self.columns(cache, group)],
        }
    }

    /// Columns of one group.
    fn columns(&self, cache: &Cache, group: usize) -> usize {
        let heads = cache.layer(self.kv);
        self.cols.unwrap_or_else(|| heads[group * heads.len() / self.groups].len())
    }

    /// The same, whatever the cache has dropped since.
    pub fn whole<'a>(&'a self, cache: &'a Cache, group: usize) -> &'a [f32] {
        match self.column {
            Some(column) => cache.scores(self.kv, group, column),
            None => &self.data[group * self.stride..][..self.stride],
        }
    }
}

/// Ascending slots by group.
#[derive(Debug, Default)]
pub(super) struct Lists(Vec<Vec<u32>>, usize);

impl Lists {
    pub fn groups(&self) -> usize {
        self.1
    }
    pub fn list(&self, group: usize) -> &[u32] {
        &self.0[group]
    }
    pub fn all(&self) -> &[Vec<u32>] {
        &self.0[..self.1]
    }
}

/// The tables and sets of the running pass.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: Vec<Table>,
    live_tables: usize,
    sets: Vec<Lists>,
    live_sets: usize,
    /// Room to work in, for the operations.
    pub work: Vec<u32>,
    pub keys: Vec<u64>,
    pub order: Vec<u32>,
    pub place: Vec<u32>,
}

impl Tables {
    /// Forgets all handles, keeps the memory.
    pub fn clear(&mut self) {
        (self.live_tables, self.live_sets) = (0, 0);
    }

    pub fn next_table(&mut self, kv: Kv, column: Option<usize>, groups: usize, stride: usize) -> Scores {
        if self.tables.len() == self.live_tables {
            self.tables.push(Table { kv, column, groups, stride, cols: None, data: Vec::new() });
        }
        let table = &mut self.tables[self.live_tables];
        (table.kv, table.column, table.groups, table.stride, table.cols) = (kv, column, groups, stride, None);
        table.data.clear();
        if column.is_none() {
            table.data.resize(groups * stride, 0.0);
        }
        self.live_tables += 1;
        Scores(self.live_tables as u32 - 1)
    }

    /// A table of `cols` columns that are not slots.
    pub fn other(&mut self, kv: Kv, groups: usize, cols: usize) -> Scores {
        let scores = self.next_table(kv, None, groups, cols);
        self.tables[scores.0 as usize].cols = Some(cols);
        scores
    }

    /// The list of a group of a set that is being written.
    pub fn list_mut(&mut self, set: Set, group: usize) -> &mut Vec<u32> {
        &mut self.sets[set.0 as usize].0[group]
    }

    /// A table of given numbers.
    pub fn given(&mut self, kv: Kv, groups: usize, scores: &[f32]) -> Scores {
        let table = self.next_table(kv, None, groups, scores.len() / groups.max(1));
        self.tables[table.0 as usize].data.iter_mut().zip(scores).for_each(|(x, y)| *x = *y);
        table
    }

    /// A table that is a column of the cache, by KV head.
    pub fn column(&mut self, kv: Kv, column: usize, kv_heads: usize) -> Scores {
        self.next_table(kv, Some(column), kv_heads, 0)
    }

    pub fn table(&self, scores: Scores) -> Result<&Table> {
        self.tables[..self.live_tables].get(scores.0 as usize).ok_or(Error::State("a score handle outlived its pass"))
    }

    pub fn table_mut(&mut self, scores: Scores) -> Result<&mut Table> {
        self.tables[..self.live_tables]
            .get_mut(scores.0 as usize)
            .ok_or(Error::State("a score handle outlived its pass"))
    }

    pub fn set(&self, set: Set) -> Result<&Lists> {
        self.sets[..self.live_sets].get(set.0 as usize).ok_or(Error::State("a set handle outlived its pass"))
    }

    /// A set of `groups` lists, each written by `fill` into an empty one.
    pub fn new_set(&mut self, groups: usize, mut fill: impl FnMut(usize, &mut Vec<u32>)) -> Set {
        if self.sets.len() == self.live_sets {
            self.sets.push(Lists::default());
        }
        let set = &mut self.sets[self.live_sets];
        set.1 = groups;
        set.0.resize_with(groups.max(set.0.len()), Vec::new);
        for (group, list) in set.0[..groups].iter_mut().enumerate() {
            list.clear();
            fill(group, list);
        }
        self.live_sets += 1;
        Set(self.live_sets as u32 - 1)
    }
}

impl Cpu {
    /// Scores of one group of a table, by slot of the cache as it is or by another column.
    pub(super) fn columns(&self, scores: Scores, group: usize) -> Result<&[f32]> {
        Ok(self.tables.table(scores)?.group(&self.cache, group))
    }

    /// The layer and the groups of a table.
    pub(super) fn kv_of(&self, scores: Scores) -> Result<(Kv, usize)> {
        let table = self.tables.table(scores)?;
        Ok((table.kv, table.groups))
    }

    /// The list that group `group` of `groups` reads of a set that may have fewer.
    pub(super) fn list_of(&self, set: Set, group: usize, groups: usize) -> Result<&[u32]> {
        let lists = self.tables.set(set)?;
        Ok(lists.list(group * lists.groups() / groups.max(1)))
    }

    /// A table over a layer's slots, each group's zeroed scores written by `fill`.
    pub(super) fn fill_slots(
        &mut self,
        kv: Kv,
        groups: usize,
        fill: impl FnMut(&Cpu, usize, &mut [f32]) -> Result<()>,
    ) -> Result<Scores> {
        let out = self.tables.next_table(kv, None, groups, self.cache.live(kv));
        self.fill(out, fill)
    }

    /// A table of `cols` columns that are not slots, written in the same way.
    pub(super) fn fill_table(
        &mut self,
        kv: Kv,
        groups: usize,
        cols: usize,
        fill: impl FnMut(&Cpu, usize, &mut [f32]) -> Result<()>,
    ) -> Result<Scores> {
        let out = self.tables.other(kv, groups, cols);
        self.fill(out, fill)
    }

    fn fill(&mut self, out: Scores, mut fill: impl FnMut(&Cpu, usize, &mut [f32]) -> Result<()>) -> Result<Scores> {
        let table = self.tables.table_mut(out)?;
        let (groups, stride, mut data) = (table.groups, table.stride, std::mem::take(&mut table.data));
        for group in 0..groups {
            let n = self.tables.table(out)?.columns(&self.cache, group);
            fill(self, group, &mut data[group * stride..][..n])?;
        }
        self.tables.table_mut(out)?.data = data;
        Ok(out)
    }

    /// A set of `groups` lists, each written by `fill` into an empty one.
    pub(super) fn fill_set(
        &mut self,
        groups: usize,
        mut fill: impl FnMut(&Cpu, usize, &mut Vec<u32>) -> Result<()>,
    ) -> Result<Set> {
        let out = self.tables.new_set(groups, |_, _| ());
        for group in 0..groups {
            let mut list = std::mem::take(self.tables.list_mut(out, group));
            fill(self, group, &mut list)?;
            *self.tables.list_mut(out, group) = list;
        }
        Ok(out)
    }
}
