//! Operations on scores by slot: what the classic rules and the choice of the best slots take.

use super::Cpu;
use crate::{
    Error, Result,
    backend::checks::{self, unlike_heads},
    kernels::{top_k, top_k_in_order},
    ops::{Group, Kv, Mass, Pins, Scores, Set},
};

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
    /// PlaneGroups of a table.
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
        Err(unlike_heads(op))
    }

    /// Fails unless a table is of layer `kv` and has a group a KV head.
    pub(super) fn check_by_kv(&self, op: &'static str, kv: Kv, scores: Scores) -> Result<()> {
        checks::check_by_kv(op, kv, self.shape.kv_heads, self.kv_of(scores)?)
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
        self.fill_slots(kv, self.shape.kv_heads, |on, group, out| {
            let src = on.columns(scores, group)?;
            let (n, cut) = (src.len(), share / src.len() as f32);
            out[..n.saturating_sub(fresh)].iter_mut().zip(src).for_each(|(x, s)| *x = f32::from(*s >= cut));
            Ok(())
        })
    }

    pub(super) fn rank_slots(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores> {
        for scores in first.into_iter().chain(then) {
            self.check_by_kv("rank", kv, scores)?;
        }
        let mut order = std::mem::take(&mut self.tables.order);
        let out = self.fill_slots(kv, self.shape.kv_heads, |on, head, out| {
            let key = |s: Option<Scores>| s.map(|s| on.columns(s, head)).transpose();
            let (first, then) = (key(first)?, key(then)?);
            let by = |key: Option<&[f32]>, a: u32, b: u32| {
                key.map_or(std::cmp::Ordering::Equal, |k| k[a as usize].total_cmp(&k[b as usize]))
            };
            order.clear();
            order.extend(0..out.len() as u32);
            order.sort_unstable_by(|&a, &b| by(first, a, b).then_with(|| by(then, a, b)).then(a.cmp(&b)));
            order.iter().enumerate().for_each(|(place, &slot)| out[slot as usize] = place as f32);
            Ok(())
        });
        self.tables.order = order;
        out
    }

    pub(super) fn best(&mut self, scores: Scores, k: usize, pins: Pins) -> Result<Set> {
        let mut work = std::mem::take(&mut self.tables.work);
        let set = self.fill_set(self.kv_of(scores)?.1, |on, group, out| {
            pick(on.columns(scores, group)?, k, pins, out, &mut work);
            Ok(())
        });
        self.tables.work = work;
        set
    }

    pub(super) fn union_by_group(&mut self, set: Set) -> Result<Set> {
        let (groups, heads) = (self.tables.set(set)?.groups(), self.shape.kv_heads);
        let per = groups / heads;
        if per * heads != groups || per == 0 {
            let (want, got) = (format!("a set by query head or by KV head ({heads})"), format!("{groups} groups"));
            return Err(Error::Shape { op: "union_by_kv", want, got });
        }
        self.fill_set(heads, |on, head, out| {
            let lists = on.tables.set(set)?;
            (head * per..(head + 1) * per).for_each(|group| out.extend_from_slice(lists.list(group)));
            out.sort_unstable();
            out.dedup();
            Ok(())
        })
    }

    pub(super) fn best_shared(&mut self, scores: Scores, k: usize, pins: Pins) -> Result<Set> {
        let groups = self.tables.table(scores)?.groups;
        let kv = self.tables.table(scores)?.kv;
        let n = self.cache.live(kv);
        self.check_alike("top_k_shared", kv, 1)?;
        // Best place of every slot in any group; a slot outside every group's k best cannot be among the k of all.
        let (mut place, mut order, mut keys) = (
            std::mem::take(&mut self.tables.place),
            std::mem::take(&mut self.tables.order),
            std::mem::take(&mut self.tables.keys),
        );
        place.clear();
        place.resize(n, u32::MAX);
        for g in 0..groups {
            let scores = self.tables.table(scores)?.group(&self.cache, g);
            top_k_in_order(scores, k, &mut order, &mut keys);
            for (i, &slot) in order.iter().enumerate() {
                place[slot as usize] = place[slot as usize].min(i as u32);
            }
        }
        // Places are below 2^24, so they are exact as the negated scores that `pick` takes.
        let table = self.tables.next_table(kv, None, 1, n);
        let data = &mut self.tables.table_mut(table)?.data;
        data.iter_mut().zip(&place).for_each(|(x, &p)| *x = -(p.min(1 << 24) as f32));
        (self.tables.place, self.tables.order, self.tables.keys) = (place, order, keys);
        self.best(table, k, pins)
    }
}
