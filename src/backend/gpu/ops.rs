//! Where each operation of [`Ops`] is recorded.

use std::ops::Range;

use super::{
    Gpu,
    kernels::{Change, Derive},
};
use crate::{
    Result,
    ops::{Expand, Fresh, Group, Kv, Ops, Pins, Pooled, Pooling, Reduce, Scores, Set, Spread, Take},
};

impl Ops for Gpu {
    fn column(&mut self, kv: Kv, name: &'static str, fresh: Fresh) -> Result<Scores> {
        self.score_column(kv, name, fresh)
    }
    fn accumulate(&mut self, dst: Scores, src: Scores, decay: f32) -> Result<()> {
        self.change("accumulate", dst, src, |src| Change::Accumulate(src, decay))
    }
    fn stamp(&mut self, dst: Scores, at: Scores, value: f32) -> Result<()> {
        self.change("stamp", dst, at, |at| Change::Stamp(at, value))
    }
    fn halve(&mut self, dst: Scores) -> Result<()> {
        self.change("halve", dst, dst, |_| Change::Halve)
    }
    fn used(&mut self, scores: Scores, share: f32, fresh: u32) -> Result<Scores> {
        self.mark_used(scores, share, fresh)
    }
    fn rank(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores> {
        self.rank_slots(kv, first, then)
    }
    fn top_k(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set> {
        self.best(scores, k, pins)
    }
    fn top_k_shared(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set> {
        self.best_shared(scores, k, pins)
    }
    fn union_by_kv(&mut self, set: Set) -> Result<Set> {
        self.union_by_group(set)
    }
    fn except(&mut self, kv: Kv, gone: Range<u32>) -> Result<Set> {
        self.all_except(kv, &gone)
    }
    fn outside(&mut self, kv: Kv, gone: Range<u32>) -> Result<Set> {
        self.all_outside(kv, &gone)
    }
    fn regroup(&mut self, scores: Scores, to: Group, how: Reduce) -> Result<Scores> {
        self.reduce(scores, to, how)
    }
    fn per_query(&mut self, scores: Scores, rows: u32) -> Result<Scores> {
        self.derive_alike(scores, Derive::PerQuery(rows))
    }
    fn pool(&mut self, scores: Scores, kernel: u32, how: Pooling, recent: u32) -> Result<Scores> {
        self.smooth(scores, kernel, how, recent)
    }
    fn key_norms(&mut self, kv: Kv) -> Result<Scores> {
        self.negative_norms(kv)
    }
    fn top_k_spread(&mut self, scores: Scores, k: u32, spread: Spread, pins: Pins) -> Result<Set> {
        self.best_spread(scores, k, spread, pins)
    }
    fn mark(&mut self, kv: Kv, set: Set, inside: f32, outside: f32) -> Result<Scores> {
        self.mark_set(kv, set, inside, outside)
    }
    fn unmasked_mass(&mut self, kv: Kv, causal: u32) -> Result<Scores> {
        self.column_sums(kv, causal)
    }
    fn pictures(&mut self, kv: Kv, inside: f32, outside: f32) -> Result<Scores> {
        self.tagged_slots(kv, None, inside, outside)
    }
    fn by_round(&mut self, scores: Scores) -> Result<Scores> {
        self.round_sums(scores)
    }
    fn rounds(&mut self, kv: Kv, listed: Set, inside: f32, outside: f32) -> Result<Scores> {
        self.tagged_slots(kv, Some(listed), inside, outside)
    }
    fn tilt(&mut self, scores: Scores, rate: f32) -> Result<Scores> {
        self.derive_alike(scores, Derive::Tilt(rate))
    }
    fn note(&mut self, what: u8, scores: Scores) -> Result<()> {
        self.note_scores(what, scores)
    }
    fn has_pictures(&self, from: u32) -> bool {
        self.tags.pictures(from) > 0
    }
    fn probe(&mut self, kv: Kv, rows: u32) -> Result<[Scores; 2]> {
        self.probe_rows(kv, rows)
    }
    fn by_block(&mut self, scores: Scores, size: u32) -> Result<Scores> {
        self.block_sums(scores, size)
    }
    fn block_scores(&mut self, kv: Kv, size: u32, queries: Pooled) -> Result<Scores> {
        self.pooled_scores(kv, size, queries)
    }
    fn js_distance(&mut self, a: Scores, b: Scores) -> Result<Scores> {
        self.distance(a, b)
    }
    fn entropy(&mut self, scores: Scores) -> Result<Scores> {
        self.mean_entropy(scores)
    }
    fn cover(&mut self, scores: Scores, share: f32) -> Result<Scores> {
        self.count_cover(scores, share)
    }
    fn top_counted(&mut self, scores: Scores, take: Take, pins: Pins) -> Result<Set> {
        self.best_counted(scores, take, pins)
    }
    fn listed(&mut self, columns: &[u32]) -> Result<Set> {
        self.given_list(columns)
    }
    fn pairs(&mut self, vertical: Set, slash: Set, blocks: u32) -> Result<Set> {
        self.block_pairs(vertical, slash, blocks)
    }
    fn choose(&mut self, scores: Scores, cut: f32, yes: Set, no: Set) -> Result<Set> {
        self.chosen(scores, cut, yes, no)
    }
    fn positions(&mut self, kv: Kv, set: Set) -> Result<Set> {
        self.positions_of(kv, set)
    }
    fn at_positions(&mut self, kv: Kv, positions: Set) -> Result<Set> {
        self.slots_at(kv, positions)
    }
    fn union(&mut self, a: Set, b: Set) -> Result<Set> {
        self.either(a, b)
    }
    fn page_scores(&mut self, kv: Kv, page: u32, recent: u32) -> Result<Scores> {
        self.bound_pages(kv, page, recent)
    }
    fn expand(&mut self, kv: Kv, pages: Set, how: Expand) -> Result<Set> {
        self.expand_pages(kv, pages, how)
    }
}
