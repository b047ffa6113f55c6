//! Sets: the best columns, and sets made of sets.

use std::ops::Range;

use super::{
    Gpu,
    kernels::{Competition, Mode, Rule, TopK, best_place, cover, listed, mark, positions, rank},
    memory::{ListsAt, TableAt},
    mirror::Call,
};
use crate::{
    Error, Result,
    backend::checks::common_groups,
    ops::{Expand, Kv, Pins, Scores, Set, Spread, Take},
    trace::Detail,
};

/// The larger of two numbers of groups; the smaller must divide it.
fn common(op: &'static str, a: u32, b: u32) -> Result<u32> {
    common_groups(op, a as usize, b as usize).map(|groups| groups as u32)
}

impl Gpu {
    /// A set of columns of a table, chosen by `top`, for `groups` groups.
    fn choose_best(&mut self, top: &TopK, groups: u32, columns: u32) -> Result<(Set, ListsAt)> {
        // Plus infinities are taken beyond any number, so the columns are the only bound.
        let (set, lists) = self.new_set(groups, columns, columns)?;
        self.record(|on, burst| top.record(burst, &on.memory.words, lists))?;
        Ok((set, lists))
    }

    pub(super) fn best(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set> {
        let table = self.filled(scores)?;
        Ok(self.choose_best(&TopK::of(table.at, k, pins), table.at.groups(), table.most)?.0)
    }

    pub(super) fn best_counted(&mut self, scores: Scores, take: Take, pins: Pins) -> Result<Set> {
        let (table, counts) = (self.filled(scores)?, self.filled(take.count)?);
        let groups = common("top_counted", table.at.groups(), counts.at.groups())?;
        let top = TopK {
            counts: Some(counts.at),
            extra: take.extra,
            unit: take.unit,
            least: take.min,
            ..TopK::of(table.at, take.max, pins)
        };
        Ok(self.choose_best(&top, groups, table.most)?.0)
    }

    pub(super) fn best_shared(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set> {
        let table = self.filled(scores)?;
        self.check_alike("top_k_shared", table.kv, 1)?;
        // A column outside every group's k best cannot be among the k of all.
        let tops = TopK { mode: Mode::Plain, ..TopK::of(table.at, k, Pins::default()) };
        let (_, lists) = self.choose_best(&tops, table.at.groups(), table.most)?;
        let (_, places) = self.slot_table(table.kv, 1)?;
        self.record(|on, burst| {
            best_place(burst, &on.memory.words, table.at, lists, places, table.most, k.min(table.most))
        })?;
        Ok(self.choose_best(&TopK::of(places, k, pins), 1, table.most)?.0)
    }

    pub(super) fn best_spread(&mut self, scores: Scores, k: u32, spread: Spread, pins: Pins) -> Result<Set> {
        let table = self.filled(scores)?;
        let (groups, width) = (table.at.groups(), table.most);
        let base = k.saturating_sub(pins.sinks.saturating_add(pins.recent));
        let tops = if spread.covered {
            let free = TopK { mode: Mode::Free, ..TopK::of(table.at, base, pins) };
            Some(self.choose_best(&free, groups, width)?.1)
        } else {
            None
        };
        let (_, joined) = self.fixed_table(table.kv, 1, groups * width)?;
        let (_, counts) = self.fixed_table(table.kv, groups, 1)?;
        let competition = Competition { scores: table.at, joined, width, pins, base, floor: spread.floor };
        self.record(|on, burst| competition.join(burst, &on.memory.words, tops))?;
        let best = TopK { mode: Mode::Plain, ..TopK::of(joined, groups.saturating_mul(base), Pins::default()) };
        let (_, winners) = self.choose_best(&best, 1, groups * width)?;
        self.record(|on, burst| competition.won(burst, &on.memory.words, winners, counts))?;
        let top = TopK { counts: Some(counts), ..TopK::of(table.at, u32::MAX, pins) };
        Ok(self.choose_best(&top, groups, width)?.0)
    }

    /// A set by a rule over the slots of a layer.
    fn listed_slots(&mut self, kv: Kv, groups: u32, rule: Rule) -> Result<Set> {
        let live = self.live[kv.0 as usize];
        self.ruled(kv, groups, live, live, rule)
    }

    fn ruled(&mut self, kv: Kv, groups: u32, most: u32, limit: u32, rule: Rule) -> Result<Set> {
        let (set, lists) = self.new_set(groups, most, limit)?;
        let slots = self.memory.slots(kv);
        self.record(|on, burst| rule.record(burst, &on.memory.words, slots, limit, lists))?;
        Ok(set)
    }

    pub(super) fn all_except(&mut self, kv: Kv, gone: &Range<u32>) -> Result<Set> {
        // Exact where the host knows how many slots there are: what follows in this pass counts on it.
        let live = self.live[kv.0 as usize];
        let most = live - gone.end.min(live).saturating_sub(gone.start);
        let (set, _) = self.new_set(self.heads.kv, most, live)?;
        self.handles.defer(set, kv, [gone.start, gone.end]);
        Ok(set)
    }

    pub(super) fn all_outside(&mut self, kv: Kv, gone: &Range<u32>) -> Result<Set> {
        self.listed_slots(kv, self.heads.kv, Rule::Outside(gone.start, gone.end))
    }

    pub(super) fn union_by_group(&mut self, set: Set) -> Result<Set> {
        let (listed, heads) = (self.listed(set)?, self.heads.kv);
        let groups = listed.at.groups;
        if groups < heads || !groups.is_multiple_of(heads) {
            let (want, got) = (format!("a set by query head or by KV head ({heads})"), format!("{groups} groups"));
            return Err(Error::Shape { op: "union_by_kv", want, got });
        }
        let most = listed.at.most.saturating_mul(groups / heads);
        self.ruled(Kv(0), heads, most, listed.limit, Rule::OfGroup(listed.at))
    }

    pub(super) fn either(&mut self, a: Set, b: Set) -> Result<Set> {
        let (a, b) = (self.listed(a)?, self.listed(b)?);
        let groups = common("union", a.at.groups, b.at.groups)?;
        let most = a.at.most.saturating_add(b.at.most);
        self.ruled(Kv(0), groups, most, a.limit.max(b.limit), Rule::Either(a.at, b.at))
    }

    pub(super) fn chosen(&mut self, scores: Scores, cut: f32, yes: Set, no: Set) -> Result<Set> {
        let (yes, no, table) = (self.listed(yes)?, self.listed(no)?, self.filled(scores)?);
        let groups = common("choose", common("choose", yes.at.groups, no.at.groups)?, table.at.groups())?;
        let (most, limit) = (yes.at.most.max(no.at.most), yes.limit.max(no.limit));
        if self.mirror.tracer.detail >= Detail::Sets && table.most > 0 {
            self.mirror.note(Call::Choose { kv: table.kv, table: table.at, cut });
        }
        self.ruled(Kv(0), groups, most, limit, Rule::Choose { scores: table.at, cut, yes: yes.at, no: no.at })
    }

    pub(super) fn block_pairs(&mut self, vertical: Set, slash: Set, blocks: u32) -> Result<Set> {
        let (vertical, slash) = (self.listed(vertical)?.at, self.listed(slash)?.at);
        let groups = common("pairs", vertical.groups, slash.groups)?;
        let limit = blocks.saturating_mul(blocks);
        self.ruled(Kv(0), groups, limit, limit, Rule::Pairs { vertical, slash, blocks })
    }

    pub(super) fn expand_pages(&mut self, kv: Kv, pages: Set, how: Expand) -> Result<Set> {
        let pages = self.listed(pages)?.at;
        let rule = Rule::Expand { pages, size: how.size, most: how.most, recent: how.recent };
        self.listed_slots(kv, pages.groups, rule)
    }

    pub(super) fn positions_of(&mut self, kv: Kv, set: Set) -> Result<Set> {
        let lists = self.listed(set)?.at;
        self.check_alike("positions", kv, lists.groups)?;
        if self.is_whole(kv) {
            return Ok(set);
        }
        let (new, to) = self.new_set(lists.groups, lists.most, self.pass.first + self.pass.rows)?;
        let slots = self.memory.slots(kv);
        self.record(|on, burst| positions(burst, &on.memory.words, slots, lists, to))?;
        Ok(new)
    }

    pub(super) fn slots_at(&mut self, kv: Kv, positions: Set) -> Result<Set> {
        let lists = self.listed(positions)?.at;
        self.check_alike("at_positions", kv, lists.groups)?;
        if self.is_whole(kv) {
            return Ok(positions);
        }
        let live = self.live[kv.0 as usize];
        self.ruled(kv, lists.groups, lists.most.max(1), live, Rule::AtPositions(lists))
    }

    pub(super) fn mark_set(&mut self, kv: Kv, set: Set, inside: f32, outside: f32) -> Result<Scores> {
        let lists = self.listed(set)?.at;
        let (scores, table) = self.slot_table(kv, lists.groups)?;
        let live = self.live[kv.0 as usize];
        self.record(|on, burst| mark(burst, &on.memory.words, lists, table, live, [inside, outside]))?;
        Ok(scores)
    }

    /// Numbers that the host gives.
    pub(super) fn given_list(&mut self, numbers: &[u32]) -> Result<Set> {
        let limit = numbers.last().map_or(0, |last| last + 1);
        let (set, lists) = self.new_set(1, numbers.len() as u32, u32::MAX)?;
        self.handles.bound(set, limit);
        self.record(|on, burst| listed(burst, &on.memory.words, lists, numbers))?;
        Ok(set)
    }

    pub(super) fn rank_slots(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores> {
        let mut key = |scores: Option<Scores>| scores.map(|scores| self.by_kv("rank", kv, scores)).transpose();
        let keys = [key(first)?, key(then)?];
        let (scores, places) = self.slot_table(kv, self.heads.kv)?;
        let live = self.live[kv.0 as usize];
        self.record(|on, burst| rank(burst, &on.memory.words, keys, places, live))?;
        Ok(scores)
    }

    pub(super) fn count_cover(&mut self, scores: Scores, share: f32) -> Result<Scores> {
        let table = self.filled(scores)?;
        let (counts, at) = self.fixed_table(table.kv, table.at.groups(), 1)?;
        self.record(|on, burst| cover(burst, &on.memory.words, table.at, at, share))?;
        Ok(counts)
    }

    /// A table of a layer by KV head.
    fn by_kv(&mut self, op: &'static str, kv: Kv, scores: Scores) -> Result<TableAt> {
        self.check_by_kv(op, kv, scores)?;
        Ok(self.filled(scores)?.at)
    }

    /// True when nothing was dropped of a layer: slots are positions.
    fn is_whole(&self, kv: Kv) -> bool {
        self.whole[kv.0 as usize]
    }
}
