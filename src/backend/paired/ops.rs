//! What methods may ask, of both.

use std::ops::Range;

use super::{
    Paired,
    tolerance::{ENTROPY, EXACT, EXPONENTIAL, PAGES, ROUNDED, SUM},
};
use crate::{
    Result,
    ops::{Expand, Fresh, Group, Kv, Ops, Pins, Pooled, Pooling, Reduce, Scores, Set, Spread, Take},
};

impl Ops for Paired {
    fn column(&mut self, kv: Kv, name: &'static str, fresh: Fresh) -> Result<Scores> {
        self.new_table("column", Some(kv), EXACT, |on, _| on.column(kv, name, fresh))
    }
    fn accumulate(&mut self, dst: Scores, src: Scores, decay: f32) -> Result<()> {
        let (to, from) = (self.on(dst)?, self.on(src)?);
        self.change("accumulate", dst, ROUNDED, |on, i| on.accumulate(to[i], from[i], decay))
    }
    fn stamp(&mut self, dst: Scores, at: Scores, value: f32) -> Result<()> {
        let (to, from) = (self.on(dst)?, self.on(at)?);
        self.change("stamp", dst, EXACT, |on, i| on.stamp(to[i], from[i], value))
    }
    fn halve(&mut self, dst: Scores) -> Result<()> {
        let to = self.on(dst)?;
        self.change("halve", dst, EXACT, |on, i| on.halve(to[i]))
    }
    fn used(&mut self, scores: Scores, share: f32, fresh: u32) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("used", None, EXACT, |on, i| on.used(from[i], share, fresh))
    }
    fn rank(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores> {
        let first = first.map(|scores| self.on(scores)).transpose()?;
        let then = then.map(|scores| self.on(scores)).transpose()?;
        self.new_table("rank", Some(kv), EXACT, |on, i| on.rank(kv, first.map(|of| of[i]), then.map(|of| of[i])))
    }
    fn top_k(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set> {
        let from = self.on(scores)?;
        self.new_set("top_k", None, |on, i| on.top_k(from[i], k, pins))
    }
    fn top_k_shared(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set> {
        let from = self.on(scores)?;
        self.new_set("top_k_shared", None, |on, i| on.top_k_shared(from[i], k, pins))
    }
    fn union_by_kv(&mut self, set: Set) -> Result<Set> {
        let from = self.set(set)?;
        self.new_set("union_by_kv", None, |on, i| on.union_by_kv(from[i]))
    }
    fn except(&mut self, kv: Kv, gone: Range<u32>) -> Result<Set> {
        self.new_set("except", Some(kv), |on, _| on.except(kv, gone.clone()))
    }
    fn outside(&mut self, kv: Kv, gone: Range<u32>) -> Result<Set> {
        self.new_set("outside", Some(kv), |on, _| on.outside(kv, gone.clone()))
    }
    fn regroup(&mut self, scores: Scores, to: Group, how: Reduce) -> Result<Scores> {
        let from = self.on(scores)?;
        let tolerance = if how == Reduce::Mean { ROUNDED } else { EXACT };
        self.new_table("regroup", None, tolerance, |on, i| on.regroup(from[i], to, how))
    }
    fn per_query(&mut self, scores: Scores, rows: u32) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("per_query", None, ROUNDED, |on, i| on.per_query(from[i], rows))
    }
    fn pool(&mut self, scores: Scores, kernel: u32, how: Pooling, recent: u32) -> Result<Scores> {
        let from = self.on(scores)?;
        let tolerance = if how == Pooling::Mean { ROUNDED } else { EXACT };
        self.new_table("pool", None, tolerance, |on, i| on.pool(from[i], kernel, how, recent))
    }
    fn key_norms(&mut self, kv: Kv) -> Result<Scores> {
        self.new_table("key_norms", Some(kv), SUM, |on, _| on.key_norms(kv))
    }
    fn top_k_spread(&mut self, scores: Scores, k: u32, spread: Spread, pins: Pins) -> Result<Set> {
        let from = self.on(scores)?;
        self.new_set("top_k_spread", None, |on, i| on.top_k_spread(from[i], k, spread, pins))
    }
    fn mark(&mut self, kv: Kv, set: Set, inside: f32, outside: f32) -> Result<Scores> {
        let from = self.set(set)?;
        self.new_table("mark", Some(kv), EXACT, |on, i| on.mark(kv, from[i], inside, outside))
    }
    fn unmasked_mass(&mut self, kv: Kv, causal: u32) -> Result<Scores> {
        let tolerance = self.weights();
        self.new_table("unmasked_mass", Some(kv), tolerance, |on, _| on.unmasked_mass(kv, causal))
    }
    fn pictures(&mut self, kv: Kv, inside: f32, outside: f32) -> Result<Scores> {
        self.new_table("pictures", Some(kv), EXACT, |on, _| on.pictures(kv, inside, outside))
    }
    fn by_round(&mut self, scores: Scores) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("by_round", None, SUM, |on, i| on.by_round(from[i]))
    }
    fn rounds(&mut self, kv: Kv, listed: Set, inside: f32, outside: f32) -> Result<Scores> {
        let from = self.set(listed)?;
        self.new_table("rounds", Some(kv), EXACT, |on, i| on.rounds(kv, from[i], inside, outside))
    }
    fn tilt(&mut self, scores: Scores, rate: f32) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("tilt", None, EXPONENTIAL, |on, i| on.tilt(from[i], rate))
    }
    fn note(&mut self, what: u8, scores: Scores) -> Result<()> {
        // Compared with the trace of the pass.
        let from = self.on(scores)?;
        self.call("note", None, |on, i| on.note(what, from[i]))?;
        self.check_parts(Vec::new())
    }
    fn has_pictures(&self, from: u32) -> bool {
        self.cpu.has_pictures(from)
    }
    fn probe(&mut self, kv: Kv, rows: u32) -> Result<[Scores; 2]> {
        let [cpu, gpu] = self.call("probe", Some(kv), |on, _| on.probe(kv, rows))?;
        let made = [0, 1].map(|i| self.add_table([cpu[i], gpu[i]]));
        let tolerance = self.weights();
        made.iter().try_for_each(|table| self.check_table(*table, tolerance))?;
        Ok(made)
    }
    fn by_block(&mut self, scores: Scores, size: u32) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("by_block", None, EXACT, |on, i| on.by_block(from[i], size))
    }
    fn block_scores(&mut self, kv: Kv, size: u32, queries: Pooled) -> Result<Scores> {
        let tolerance = self.weights();
        self.new_table("block_scores", Some(kv), tolerance, |on, _| on.block_scores(kv, size, queries))
    }
    fn js_distance(&mut self, a: Scores, b: Scores) -> Result<Scores> {
        let (a, b) = (self.on(a)?, self.on(b)?);
        self.new_table("js_distance", None, SUM, |on, i| on.js_distance(a[i], b[i]))
    }
    fn entropy(&mut self, scores: Scores) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("entropy", None, ENTROPY, |on, i| on.entropy(from[i]))
    }
    fn cover(&mut self, scores: Scores, share: f32) -> Result<Scores> {
        let from = self.on(scores)?;
        self.new_table("cover", None, EXACT, |on, i| on.cover(from[i], share))
    }
    fn top_counted(&mut self, scores: Scores, take: Take, pins: Pins) -> Result<Set> {
        let (from, count) = (self.on(scores)?, self.on(take.count)?);
        self.new_set("top_counted", None, |on, i| on.top_counted(from[i], Take { count: count[i], ..take }, pins))
    }
    fn listed(&mut self, columns: &[u32]) -> Result<Set> {
        self.new_set("listed", None, |on, _| on.listed(columns))
    }
    fn pairs(&mut self, vertical: Set, slash: Set, blocks: u32) -> Result<Set> {
        let (a, b) = (self.set(vertical)?, self.set(slash)?);
        self.new_set("pairs", None, |on, i| on.pairs(a[i], b[i], blocks))
    }
    fn choose(&mut self, scores: Scores, cut: f32, yes: Set, no: Set) -> Result<Set> {
        let (from, yes, no) = (self.on(scores)?, self.set(yes)?, self.set(no)?);
        self.new_set("choose", None, |on, i| on.choose(from[i], cut, yes[i], no[i]))
    }
    fn positions(&mut self, kv: Kv, set: Set) -> Result<Set> {
        let from = self.set(set)?;
        self.new_set("positions", Some(kv), |on, i| on.positions(kv, from[i]))
    }
    fn at_positions(&mut self, kv: Kv, positions: Set) -> Result<Set> {
        let from = self.set(positions)?;
        self.new_set("at_positions", Some(kv), |on, i| on.at_positions(kv, from[i]))
    }
    fn union(&mut self, a: Set, b: Set) -> Result<Set> {
        let (a, b) = (self.set(a)?, self.set(b)?);
        self.new_set("union", None, |on, i| on.union(a[i], b[i]))
    }
    fn page_scores(&mut self, kv: Kv, page: u32, recent: u32) -> Result<Scores> {
        self.new_table("page_scores", Some(kv), PAGES, |on, _| on.page_scores(kv, page, recent))
    }
    fn expand(&mut self, kv: Kv, pages: Set, how: Expand) -> Result<Set> {
        let from = self.set(pages)?;
        self.new_set("expand", Some(kv), |on, i| on.expand(kv, from[i], how))
    }
}
