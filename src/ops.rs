//! What may be asked of a back end: [`Ops`] is what a method may compute, [`Dense`] what the model computes.
//!
//! Methods hold handles, never numbers: the CPU computes at once, a GPU may record. A handle is good until the end of
//! its pass. Widths and lengths are tokens; a *column* of a score table is a cache slot.

mod dense;
mod tags;
mod terms;

pub use dense::{Dense, Kept, Missed, Partial, Weight};
pub use tags::Tags;
pub use terms::{
    AHEAD, Expand, Expected, Fold, Fresh, Group, Kv, Mass, Pins, PlaneGroups, Pooled, Pooling, ROW, Read, Reduce,
    Scores, Set, Spread, Tag, Take,
};

use crate::Result;
use std::ops::Range;

/// What a method may compute. Each call is one kernel.
///
/// *Columns* live in the cache: the cache compacts and cuts them with its slots, so a method never renumbers
/// anything. Calls that change a table ([`accumulate`](Ops::accumulate), [`stamp`](Ops::stamp),
/// [`halve`](Ops::halve)) take a table by KV head as `dst`, as a rule such a column, and one of the same layer beside
/// it. [`Error::Shape`](crate::Error::Shape) where groups do not fit.
///
/// A mass table may be shared with the other role: change a copy of it ([`regroup`](Ops::regroup)).
pub trait Ops {
    /// The cache's own score column `name` of a layer, `[kv_heads, slots]`; made at first use.
    fn column(&mut self, kv: Kv, name: &'static str, fresh: Fresh) -> Result<Scores>;
    /// `dst = decay * dst + src`.
    fn accumulate(&mut self, dst: Scores, src: Scores, decay: f32) -> Result<()>;
    /// `dst = value` where `at` is not 0.
    fn stamp(&mut self, dst: Scores, at: Scores, value: f32) -> Result<()>;
    /// `dst = floor(dst / 2)`.
    fn halve(&mut self, dst: Scores) -> Result<()>;
    /// 1 where a slot's score is at least `share / slots`, else 0; the newest `fresh` slots are always 0.
    fn used(&mut self, scores: Scores, share: f32, fresh: u32) -> Result<Scores>;
    /// The place (0 first) of every slot of a layer when ordered by `first`, then by `then`, then by position.
    fn rank(&mut self, kv: Kv, first: Option<Scores>, then: Option<Scores>) -> Result<Scores>;
    /// The `k` best slots of every group, pins first. Ties go to the lower slot. A score of plus infinity means
    /// *always* (such slots are all taken, even beyond `k`), minus infinity *never*.
    fn top_k(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set>;
    /// One set of at most `k` slots for all groups: pins, then slots by their best place in any group; ties go to the
    /// lower slot.
    fn top_k_shared(&mut self, scores: Scores, k: u32, pins: Pins) -> Result<Set>;
    /// Every query head gets the union of the sets of its KV head's group.
    fn union_by_kv(&mut self, set: Set) -> Result<Set>;
    /// All slots of a layer but those in `gone`, for every KV head. Good until the layer is edited by it.
    fn except(&mut self, kv: Kv, gone: Range<u32>) -> Result<Set>;
    /// All slots of a layer but those at the original positions in `gone`, for every KV head.
    fn outside(&mut self, kv: Kv, gone: Range<u32>) -> Result<Set>;
    /// A new table, `[groups of `to`, slots]`: the scores of the heads that share a group, as one. Of the same groups
    /// it is a copy.
    fn regroup(&mut self, scores: Scores, to: Group, how: Reduce) -> Result<Scores>;
    /// A new table: each slot's mass divided by the number of queries that could see it, the queries being those of
    /// the newest `rows` slots.
    fn per_query(&mut self, scores: Scores, rows: u32) -> Result<Scores>;
    /// A new table: scores smoothed over `kernel` neighbouring slots (odd), stride 1. The newest `recent` slots take
    /// no part and get 0.
    fn pool(&mut self, scores: Scores, kernel: u32, how: Pooling, recent: u32) -> Result<Scores>;
    /// Minus the L2 norm of every stored key, `[kv_heads, slots]`: the shortest key is the best.
    fn key_norms(&mut self, kv: Kv) -> Result<Scores>;
    /// The best slots of every group, `k` of them on average, pins included: groups compete for the places.
    fn top_k_spread(&mut self, scores: Scores, k: u32, spread: Spread, pins: Pins) -> Result<Set>;
    /// A table with one value for the slots in a set and another for all others, `[groups of the set, slots]`.
    fn mark(&mut self, kv: Kv, set: Set, inside: f32, outside: f32) -> Result<Scores>;
    /// The mass each slot would get if of the pass's queries only the newest `causal` were causal and the others saw
    /// all slots, `[query_heads, slots]`: the column sums of some published code. Reads every key for every query.
    fn unmasked_mass(&mut self, kv: Kv, causal: u32) -> Result<Scores>;
    /// A table with one value for slots whose token belongs to a picture and another for all others,
    /// `[kv_heads, slots]`.
    fn pictures(&mut self, kv: Kv, inside: f32, outside: f32) -> Result<Scores>;
    /// Sums over the slots of each round before that of the pass's newest row, `[groups, rounds]`.
    fn by_round(&mut self, scores: Scores) -> Result<Scores>;
    /// A table with one value for the slots of the listed rounds and of the newest row's, and another for all others,
    /// `[kv_heads, slots]`. Rounds that are not there are ignored.
    fn rounds(&mut self, kv: Kv, listed: Set, inside: f32, outside: f32) -> Result<Scores>;
    /// A new table: column c times `exp(rate * c)`.
    fn tilt(&mut self, scores: Scores, rate: f32) -> Result<Scores>;
    /// Puts a table's numbers into the trace as remark number `what` of the method, at most 65536 columns of a group.
    fn note(&mut self, what: u8, scores: Scores) -> Result<()>;
    /// Whether a token at original position `from` or later belongs to a picture; known to the host.
    fn has_pictures(&self, from: u32) -> bool;

    /// Where the pass's newest `rows` queries look, as the mean of their softmax rows: what each slot gets, and what each
    /// diagonal gets, its last column being the queries' own slots, the one before it those one slot back, and so on.
    /// Both `[query_heads, slots]`.
    fn probe(&mut self, kv: Kv, rows: u32) -> Result<[Scores; 2]>;
    /// Sums of `size` consecutive columns, `[groups, columns / size rounded up]`.
    fn by_block(&mut self, scores: Scores, size: u32) -> Result<Scores>;
    /// Softmax over key blocks of scaled products of mean queries with mean keys; the slots are cut into blocks of
    /// `size`. `[query_heads, blocks]` for the newest queries, `[query_heads, blocks * blocks]` by query block (only in a
    /// pass that holds all live rows), 0 after a query block's own.
    fn block_scores(&mut self, kv: Kv, size: u32, queries: Pooled) -> Result<Scores>;
    /// Square root of the Jensen-Shannon divergence (natural logarithm) of two tables of distributions, `[groups, 1]`.
    fn js_distance(&mut self, a: Scores, b: Scores) -> Result<Scores>;
    /// Entropy of each group's columns over that of an even distribution, mean over the groups, `[1, 1]`.
    fn entropy(&mut self, scores: Scores) -> Result<Scores>;
    /// The fewest best columns whose sum is more than `share` of the group's sum, as a number, `[groups, 1]`.
    fn cover(&mut self, scores: Scores, share: f32) -> Result<Scores>;
    /// As [`top_k`](Ops::top_k), each group its own number of columns.
    fn top_counted(&mut self, scores: Scores, take: Take, pins: Pins) -> Result<Set>;
    /// These columns, ascending, for all groups.
    fn listed(&mut self, columns: &[u32]) -> Result<Set>;
    /// Block pairs as [`Read::Blocks`] wants them from vertical lines (key blocks) and slash lines (column c is the
    /// diagonal `blocks - 1 - c` blocks before the queries).
    fn pairs(&mut self, vertical: Set, slash: Set, blocks: u32) -> Result<Set>;
    /// `yes` for the groups whose only score is below `cut`, else `no`. Which it was is in the trace, so a table stays as it is
    /// after it was asked.
    fn choose(&mut self, scores: Scores, cut: f32, yes: Set, no: Set) -> Result<Set>;
    /// The original positions of a set's slots as the layer is now: they outlive an edit and hold in other layers. One
    /// list for all heads only while KV heads keep the same tokens.
    fn positions(&mut self, kv: Kv, set: Set) -> Result<Set>;
    /// The slots of a layer that hold these positions; a group of which it has none gets the newest slot.
    fn at_positions(&mut self, kv: Kv, positions: Set) -> Result<Set>;
    /// What is in either, group by group.
    fn union(&mut self, a: Set, b: Set) -> Result<Set>;
    /// The most that a key of each page of `page` slots could score with the query of a pass of one row: the sum over
    /// components of the larger product with the page's smallest and largest. The newest `recent` slots are in no page.
    /// `[query_heads, pages]`; the back end keeps the pages' bounds from pass to pass.
    fn page_scores(&mut self, kv: Kv, page: u32, recent: u32) -> Result<Scores>;
    /// The slots of pages, and the newest.
    fn expand(&mut self, kv: Kv, pages: Set, how: Expand) -> Result<Set>;
}
