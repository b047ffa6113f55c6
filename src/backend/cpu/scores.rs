//! Score tables and sets behind the handles of a pass, and the operations on them. Buffers are reused from pass to
//! pass.

use super::Cpu;
use crate::{
    Error, Result,
    cache::Cache,
    kernels::top_k,
    ops::{Group, Kv, Mass, Pins, Scores, Set},
};

/// A score table: a layer and either numbers of its own or a column of the cache.
#[derive(Debug)]
pub(super) struct Table {
    pub kv: Kv,
    column: Option<usize>,
    pub groups: usize,
    pub stride: usize,
    /// Columns that are not slots but blocks, pairs or single numbers.
    cols: Option<usize>,
    pub data: Vec<f32>,
}

impl Table {
    /// Scores of one group, by slot.
    pub fn group<'a>(&'a self, cache: &'a Cache, group: usize) -> &'a [f32] {
        let heads = cache.layer(self.kv);
        match (self.column, self.cols) {
            (Some(column), _) => cache.scores(self.kv, group, column),
            (None, Some(cols)) => &self.data[group * self.stride..][..cols],
            (None, None) => &self.data[group * self.stride..][..heads[group * heads.len() / self.groups].len()],
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
}

/// The tables and sets of the running pass.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: Vec<Table>,
    live_tables: usize,
    sets: Vec<Lists>,
    live_sets: usize,
    work: Vec<u32>,
    order: Vec<u32>,
    place: Vec<u32>,
}

impl Tables {
    /// Forgets all handles, keeps the memory.
    pub fn clear(&mut self) {
        (self.live_tables, self.live_sets) = (0, 0);
    }

    fn next_table(&mut self, kv: Kv, column: Option<usize>, groups: usize, stride: usize) -> Scores {
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

    pub fn union(&mut self, set: Set, kv_heads: usize) -> Result<Set> {
        let from = set.0 as usize;
        let per = self.set(set)?.groups() / kv_heads;
        let lists = std::mem::take(&mut self.sets[from]);
        let union = self.new_set(kv_heads, |kv, out| {
            (kv * per..(kv + 1) * per).for_each(|g| out.extend_from_slice(lists.list(g)));
            out.sort_unstable();
            out.dedup();
        });
        self.sets[from] = lists;
        Ok(union)
    }
}

/// The `k` best of `scores`, pins first, into `out`, ascending.
pub(super) fn pick(scores: &[f32], k: usize, pins: Pins, out: &mut Vec<u32>, work: &mut Vec<u32>) {
    let n = scores.len();
    let k = k.min(n);
    let sinks = (pins.sinks as usize).min(k);
    let recent = (pins.recent as usize).min(k - sinks);
    top_k(&scores[sinks..n - recent], k - sinks - recent, out, work);
    out.iter_mut().for_each(|slot| *slot += sinks as u32);
    out.splice(..0, 0..sinks as u32);
    out.extend((n - recent) as u32..n as u32);
}

impl Cpu {
    pub(super) fn open_mass(&mut self, kv: Kv, leave: Mass) -> Scores {
        let groups = match leave.per {
            Group::Query => self.shape.query_heads,
            Group::Kv => self.shape.kv_heads,
        };
        self.tables.next_table(kv, None, groups, self.cache.live(kv))
    }

    /// Changes a column of the cache slot by slot, given a second table of the same layer.
    pub(super) fn change(&mut self, dst: Scores, src: Scores, f: impl Fn(&mut f32, f32)) -> Result<()> {
        let (to, from) = (self.tables.table(dst)?, self.tables.table(src)?);
        let Some(column) = to.column else { return Err(Error::State("only a cache column can be changed")) };
        for head in 0..self.shape.kv_heads {
            match from.column {
                Some(_) => {
                    for slot in 0..self.cache.layer(from.kv)[head].len() {
                        let x = from.group(&self.cache, head)[slot];
                        f(&mut self.cache.scores_mut(from.kv, head, column)[slot], x);
                    }
                }
                None => {
                    let column = self.cache.scores_mut(from.kv, head, column);
                    let src = &from.data[head * from.stride..][..column.len()];
                    column.iter_mut().zip(src).for_each(|(d, &s)| f(d, s));
                }
            }
        }
        Ok(())
    }

    pub(super) fn mark_used(&mut self, scores: Scores, share: f32, fresh: usize) -> Result<Scores> {
        let Table { kv, groups, .. } = *self.tables.table(scores)?;
        let out = self.open_mass(kv, Mass { rows: 0, per: Group::Kv });
        for group in 0..groups {
            let mut data = std::mem::take(&mut self.tables.table_mut(out)?.data);
            let stride = self.tables.table(out)?.stride;
            let src = self.tables.table(scores)?.group(&self.cache, group);
            let (n, cut) = (src.len(), share / src.len() as f32);
            for (slot, x) in data[group * stride..][..n.saturating_sub(fresh)].iter_mut().enumerate() {
                *x = f32::from(src[slot] >= cut);
            }
            self.tables.table_mut(out)?.data = data;
        }
        Ok(out)
    }

    pub(super) fn rank_slots(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores> {
        let out = self.open_mass(kv, Mass { rows: 0, per: Group::Kv });
        let mut data = std::mem::take(&mut self.tables.table_mut(out)?.data);
        let mut order = std::mem::take(&mut self.tables.order);
        let stride = self.tables.table(out)?.stride;
        for (h, head) in self.cache.layer(kv).iter().enumerate() {
            let key = |s: Option<Scores>| s.map(|s| Ok(self.tables.table(s)?.group(&self.cache, h))).transpose();
            let (first, then) = (key(first)?, key(then)?);
            let by = |key: Option<&[f32]>, a: u32, b: u32| {
                key.map_or(std::cmp::Ordering::Equal, |k| k[a as usize].total_cmp(&k[b as usize]))
            };
            order.clear();
            order.extend(0..head.len() as u32);
            order.sort_unstable_by(|&a, &b| by(first, a, b).then_with(|| by(then, a, b)).then(a.cmp(&b)));
            for (place, &slot) in order.iter().enumerate() {
                data[h * stride + slot as usize] = place as f32;
            }
        }
        self.tables.order = order;
        self.tables.table_mut(out)?.data = data;
        Ok(out)
    }

    pub(super) fn best(&mut self, scores: Scores, k: usize, pins: Pins) -> Result<Set> {
        let groups = self.tables.table(scores)?.groups;
        let mut work = std::mem::take(&mut self.tables.work);
        let table = scores.0 as usize;
        let tables = std::mem::take(&mut self.tables.tables);
        let set =
            self.tables.new_set(groups, |g, out| pick(tables[table].group(&self.cache, g), k, pins, out, &mut work));
        self.tables.tables = tables;
        self.tables.work = work;
        Ok(set)
    }

    pub(super) fn best_shared(&mut self, scores: Scores, k: usize, pins: Pins) -> Result<Set> {
        let groups = self.tables.table(scores)?.groups;
        let kv = self.tables.table(scores)?.kv;
        let n = self.cache.live(kv);
        if self.cache.layer(kv).iter().any(|h| h.len() != n) {
            let (want, got) =
                ("KV heads that keep the same rows".to_owned(), "KV heads of different lengths".to_owned());
            return Err(Error::Shape { op: "top_k_shared", want, got });
        }
        // Best place of every slot in any group; a slot outside every group's k best cannot be among the k of all.
        let (mut place, mut order, mut work) = (
            std::mem::take(&mut self.tables.place),
            std::mem::take(&mut self.tables.order),
            std::mem::take(&mut self.tables.work),
        );
        place.clear();
        place.resize(n, u32::MAX);
        for g in 0..groups {
            let scores = self.tables.table(scores)?.group(&self.cache, g);
            top_k(scores, k.min(n), &mut order, &mut work);
            order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
            for (i, &slot) in order.iter().enumerate() {
                place[slot as usize] = place[slot as usize].min(i as u32);
            }
        }
        // Places are below 2^24, so they are exact as the negated scores that `pick` takes.
        let table = self.tables.next_table(kv, None, 1, n);
        let data = &mut self.tables.table_mut(table)?.data;
        data.iter_mut().zip(&place).for_each(|(x, &p)| *x = -(p.min(1 << 24) as f32));
        (self.tables.place, self.tables.order, self.tables.work) = (place, order, work);
        self.best(table, k, pins)
    }
}
