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
}

/// The tables and sets of the running pass.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub tables: Vec<Table>,
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

    /// Takes the lists of a live set out, to be put back: what reads them may make tables meanwhile.
    pub fn take_set(&mut self, set: Set) -> Lists {
        std::mem::take(&mut self.sets[set.0 as usize])
    }
    /// Puts them back.
    pub fn put_set(&mut self, set: Set, lists: Lists) {
        self.sets[set.0 as usize] = lists;
    }

    pub fn union(&mut self, set: Set, kv_heads: usize) -> Result<Set> {
        let (from, groups) = (set.0 as usize, self.set(set)?.groups());
        let per = groups / kv_heads;
        if per * kv_heads != groups || per == 0 {
            let (want, got) = (format!("a set by query head or by KV head ({kv_heads})"), format!("{groups} groups"));
            return Err(Error::Shape { op: "union_by_kv", want, got });
        }
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

/// The `k` best of `scores`, pins first, into `out`, ascending; plus infinity is always taken, minus infinity never.
pub(super) fn pick(scores: &[f32], k: usize, pins: Pins, out: &mut Vec<u32>, work: &mut Vec<u32>) {
    let n = scores.len();
    let k = k.min(n);
    let sinks = (pins.sinks as usize).min(k);
    let recent = (pins.recent as usize).min(k - sinks);
    let free = &scores[sinks..n - recent];
    let always = free.iter().filter(|s| **s == f32::INFINITY).count();
    top_k(free, always.max(k - sinks - recent), out, work);
    out.retain(|&slot| free[slot as usize] != f32::NEG_INFINITY);
    out.iter_mut().for_each(|slot| *slot += sinks as u32);
    out.splice(..0, 0..sinks as u32);
    out.extend((n - recent) as u32..n as u32);
}

impl Cpu {
    /// Groups of a table.
    pub(super) fn groups(&self, per: Group) -> usize {
        match per {
            Group::Query => self.shape.query_heads,
            Group::Kv => self.shape.kv_heads,
            Group::All => 1,
        }
    }

    pub(super) fn open_mass(&mut self, kv: Kv, leave: Mass) -> Result<Scores> {
        let groups = self.groups(leave.per);
        self.check_alike("open", kv, groups)?;
        Ok(self.tables.next_table(kv, None, groups, self.cache.live(kv)))
    }

    /// What is one list or one row of scores for all KV heads needs heads of one length.
    pub(super) fn check_alike(&self, op: &'static str, kv: Kv, groups: usize) -> Result<()> {
        let n = self.cache.live(kv);
        if groups >= self.shape.kv_heads || self.cache.layer(kv).iter().all(|h| h.len() == n) {
            return Ok(());
        }
        let (want, got) = ("KV heads that keep the same rows".to_owned(), "KV heads of different lengths".to_owned());
        Err(Error::Shape { op, want, got })
    }

    /// Fails unless a table is of layer `kv` and has a group a KV head.
    pub(super) fn check_by_kv(&self, op: &'static str, kv: Kv, scores: Scores) -> Result<()> {
        let (table, heads) = (self.tables.table(scores)?, self.shape.kv_heads);
        if table.kv == kv && table.groups == heads {
            return Ok(());
        }
        let want = format!("scores of layer {} by KV head ({heads})", kv.0);
        Err(Error::Shape { op, want, got: format!("scores of layer {}, {} groups", table.kv.0, table.groups) })
    }

    /// A new table over a layer's slots. `fill` gets the cache, the tables that were there before, a group and its
    /// zeroed scores.
    pub(super) fn derive(
        &mut self,
        kv: Kv,
        groups: usize,
        mut fill: impl FnMut(&Cache, &[Table], usize, &mut [f32]),
    ) -> Scores {
        let stride = self.cache.live(kv);
        let out = self.tables.next_table(kv, None, groups, stride);
        let (before, new) = self.tables.tables.split_at_mut(out.0 as usize);
        let heads = self.cache.layer(kv);
        for group in 0..groups {
            let n = heads[group * heads.len() / groups].len();
            fill(&self.cache, before, group, &mut new[0].data[group * stride..][..n]);
        }
        out
    }

    /// Changes a table slot by slot, given a second table of the same layer; both by KV head.
    pub(super) fn change(
        &mut self,
        op: &'static str,
        dst: Scores,
        src: Scores,
        f: impl Fn(&mut f32, f32),
    ) -> Result<()> {
        let kv = self.tables.table(dst)?.kv;
        self.check_by_kv(op, kv, dst)?;
        self.check_by_kv(op, kv, src)?;
        let mut from = std::mem::take(&mut self.columns);
        for head in 0..self.shape.kv_heads {
            from.clear();
            from.extend_from_slice(self.tables.table(src)?.group(&self.cache, head));
            let to = self.tables.table_mut(dst)?;
            let to = match to.column {
                Some(column) => self.cache.scores_mut(kv, head, column),
                None => &mut to.data[head * to.stride..],
            };
            to.iter_mut().zip(&from).for_each(|(d, &s)| f(d, s));
        }
        self.columns = from;
        Ok(())
    }

    pub(super) fn mark_used(&mut self, scores: Scores, share: f32, fresh: usize) -> Result<Scores> {
        let kv = self.tables.table(scores)?.kv;
        self.check_by_kv("used", kv, scores)?;
        Ok(self.derive(kv, self.shape.kv_heads, |cache, tables, group, out| {
            let src = tables[scores.0 as usize].group(cache, group);
            let (n, cut) = (src.len(), share / src.len() as f32);
            out[..n.saturating_sub(fresh)].iter_mut().zip(src).for_each(|(x, s)| *x = f32::from(*s >= cut));
        }))
    }

    pub(super) fn rank_slots(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores> {
        for scores in first.into_iter().chain(then) {
            self.check_by_kv("rank", kv, scores)?;
        }
        let mut order = std::mem::take(&mut self.tables.order);
        let out = self.derive(kv, self.shape.kv_heads, |cache, tables, head, out| {
            let key = |s: Option<Scores>| s.map(|s| tables[s.0 as usize].group(cache, head));
            let (first, then) = (key(first), key(then));
            let by = |key: Option<&[f32]>, a: u32, b: u32| {
                key.map_or(std::cmp::Ordering::Equal, |k| k[a as usize].total_cmp(&k[b as usize]))
            };
            order.clear();
            order.extend(0..out.len() as u32);
            order.sort_unstable_by(|&a, &b| by(first, a, b).then_with(|| by(then, a, b)).then(a.cmp(&b)));
            order.iter().enumerate().for_each(|(place, &slot)| out[slot as usize] = place as f32);
        });
        self.tables.order = order;
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
        self.check_alike("top_k_shared", kv, 1)?;
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
