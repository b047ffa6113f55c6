//! What may be asked of a back end: [`Ops`] is what a method may compute, [`Dense`] what the model computes.
//!
//! Methods hold handles, never numbers: the CPU computes at once, a GPU may record. A handle is good until the end of
//! its pass. Widths and lengths are tokens; a *column* of a score table is a cache slot.

use crate::{Result, trace::Tracer};
use std::ops::Range;

/// One layer's keys and values: for every KV head its live slots, ascending in original position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kv(pub u32);

/// f32 scores, `[groups, columns]`; a group is a query head or a KV head, a column a slot of the layer's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scores(pub u32);

/// For every group an ascending list of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set(pub u32);

/// Stands for a token id where an embedding row takes its place.
pub const ROW: u32 = u32::MAX;

/// Which rows of the cache the queries of one layer read. Every read is causal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Every live slot.
    All,
    /// The slots of a set, by query head. In a pass of several rows by KV head or one list for all; the pass's own rows
    /// must be in it, and each reads the listed slots up to its own.
    Slots(Set),
    /// The newest so many slots as each query sees them, its own included.
    Window(u32),
    /// Key blocks by query block and query head. A pair is `query block * blocks + key block`, where the query or key at
    /// slot s is in block `s / size` and `blocks` is the number of live slots divided by `size`, rounded up. Pairs with
    /// the key block after the query block are ignored. All KV heads must keep as many rows.
    Blocks {
        /// The pairs, ascending.
        pairs: Set,
        /// Slots of a block.
        size: u32,
    },
    /// Every live slot, quantised ones by their upper plane alone.
    Coarse,
    /// As if the pass's rows were the newest slots, whether they are stored here or not: row r of n does not see the
    /// newest n - 1 - r slots. What some published code does on hosts that do not store the rows.
    BottomRight,
    /// Every live slot, each key and value rounded to so many bits (1 to 8) between its own least and largest number.
    Rounded(u8),
}

/// Whose scores stay apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// One group a query head.
    Query,
    /// The query heads of a KV head are summed.
    Kv,
    /// All heads of the layer are summed; only while its KV heads keep the same number of slots.
    All,
}

/// How the scores of several heads become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest.
    Max,
}

/// How a score is smoothed over its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their sum divided by the width of the kernel; slots beyond an end count as 0.
    Mean,
    /// The largest; slots beyond an end do not count.
    Max,
}

/// How places are shared out over the groups of a table (AdaKV, arXiv 2407.11550).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Share of an even part that every group gets, 0 to 1.
    pub floor: f32,
    /// Weigh a group by the share of its scores that an even part would cover.
    pub covered: bool,
}

/// What is known of a token besides its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Round of a conversation, 0-based: a question and its answer.
    pub round: u16,
    /// Number of the picture it belongs to, from 1; 0: text.
    pub picture: u16,
}

/// How dropped rows go into the kept row whose key is nearest by cosine; keys decide, values follow. `y` is the kept
/// row, `n` the rows that go into it, `x` each of them, `s` their cosines; rows as they were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// `(y + sum x) / (n + 1)`.
    Averaged,
    /// `(y + sum (x + y) / 2) / (n + 1)`.
    Pivotal,
    /// `(y + sum s x) / (n + 1)`.
    Weighted,
    /// `(y + sum w x) / (1 + sum w)` with `w = max((s + 1) / 2, 1e-6)`.
    NormalisedWeighted,
    /// LOOK-M's code for `Averaged`: the i-th dropped row of every head takes part only if its cosine, averaged over
    /// the heads, is at least the mean of all; and the m targets that are left are paired with the first m dropped
    /// rows.
    PublishedAveraged,
    /// LOOK-M's code for `Weighted`: with the same filter, rightly paired.
    PublishedWeighted,
}

/// A request for the softmax mass each slot got, which attention leaves behind besides its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mass {
    /// Only the newest so many query rows count; `u32::MAX` for all.
    pub rows: u32,
    /// How heads are grouped.
    pub per: Group,
}

/// How the numbers of two 4-bit planes share their grids: a key's channel over so many tokens, a value's token over so
/// many channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneGroups {
    /// Tokens of a key group.
    pub tokens: u32,
    /// Channels of a value group, a divisor of the head; 0: all.
    pub channels: u32,
}

/// Slots that no rule may drop; they count towards a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Oldest slots kept.
    pub sinks: u32,
    /// Newest slots kept.
    pub recent: u32,
}

/// What a new slot starts with in a score column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fresh {
    /// This value.
    Value(f32),
    /// Its original position.
    Position,
}

/// Whose means are compared with the means of key blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooled {
    /// The pass's newest queries, as many as a block has; they see every block.
    Newest,
    /// Each block of the pass's queries, which sees the key blocks up to its own.
    Blocks,
}

/// How many columns each group takes: `(count + extra) / unit` rounded down, then at least `min`, then at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// `[groups, 1]`
    pub count: Scores,
    /// Added to the count.
    pub extra: i32,
    /// Counts of a column; at least 1.
    pub unit: u32,
    /// Least columns.
    pub min: u32,
    /// Most columns.
    pub max: u32,
}

/// How pages become slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expand {
    /// Slots of a page.
    pub size: u32,
    /// Most slots taken from pages, oldest first.
    pub most: u32,
    /// Newest slots, which are in no page and always in the result.
    pub recent: u32,
}

/// What a sparse read missed of the live slots; what was dropped before is not there to compare with. Means over query
/// heads.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Missed {
    /// Share of the full attention that fell on slots that were read.
    pub recall: f32,
    /// Norm of the output's difference from dense attention over the norm of that.
    pub error: f32,
}

/// What the cache holds and what the running pass read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    /// Slots, summed over layers and KV heads.
    pub rows: u64,
    /// Bytes of their keys and values, and of page bounds.
    pub bytes: u64,
    /// Bytes reserved for keys and values.
    pub allocated: u64,
    /// Rows the newest query read, summed over layers and query heads.
    pub rows_read: u64,
    /// Bytes the pass read, each row once.
    pub bytes_read: u64,
    /// Of `bytes`, those in the far tier.
    pub far: u64,
    /// Bytes that the pass moved between the tiers.
    pub moved: u64,
    /// Least signal-to-noise ratio, in dB, of the keys or the values of a head that the pass quantised, if any.
    pub noise: Option<f32>,
}

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
    /// All slots of a layer but those in `gone`, for every KV head.
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
    /// `yes` for the groups whose only score is below `cut`, else `no`.
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

/// What one host's attention found for some rows of a layer: its output, `[rows, query_heads * head_dim]`, and the
/// natural log-sum-exp of its scores, `[rows, query_heads]`, minus infinity where it has nothing to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partial {
    /// `[rows, query_heads * head_dim]`
    pub output: Vec<f32>,
    /// `[rows, query_heads]`
    pub lse: Vec<f32>,
}

impl Partial {
    /// Bytes that a host sends.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        ((self.output.len() + self.lse.len()) * size_of::<f32>()) as u64
    }
}

/// A weight of the model, by its place in the back end's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight(pub u32);

/// What the model computes. A back end has one set of activation buffers, named after their role: the residual
/// stream, queries (kept for the whole pass), attention output and the MLP's hidden rows. Calls work on a range of
/// the pass's rows, so a long prompt is done in bounded pieces.
pub trait Dense: Ops {
    /// Begins a pass: residual = embeddings of `ids`, the first at position `first`; 0 where an id is [`ROW`].
    fn embed(&mut self, table: Weight, ids: &[u32], first: u32) -> Result<()>;
    /// Whether products from now on may be with narrower copies of matrices, where the back end has any.
    fn narrow(&mut self, on: bool);
    /// Residual of row `row` of the pass = `values`.
    fn put_row(&mut self, row: u32, values: &[f32]) -> Result<()>;
    /// queries, keys, values = norm(residual) times three matrices; rotates queries and, if the pass stores its rows,
    /// appends keys and values to `kv`.
    fn project(&mut self, kv: Kv, norm: Weight, qkv: [Weight; 3], rows: Range<u32>, stores: bool) -> Result<()>;
    /// A zeroed score table for each request, that [`attend`](Dense::attend) of this layer fills.
    fn open(&mut self, kv: Kv, leave: Mass) -> Result<Scores>;
    /// output = attention of the queries over `kv`, which already holds all rows of the pass if they are stored at all;
    /// adds the mass each slot got to the tables of `leave`.
    fn attend(&mut self, kv: Kv, read: Read, rows: Range<u32>, leave: &[Option<(Mass, Scores)>; 2]) -> Result<()>;
    /// What the newest [`attend`](Dense::attend) of [`Read::All`] or [`Read::BottomRight`] found, for other hosts.
    fn partial(&self) -> Result<Partial>;
    /// output = what the hosts found together, each over its own share of the keys (Star Attention).
    fn merge(&mut self, kv: Kv, partials: &[Partial]) -> Result<()>;
    /// Compares the newest [`attend`](Dense::attend), of a pass of one row, with attention over every live slot and
    /// records both figures by query head. Changes nothing else.
    fn shadow(&mut self, kv: Kv, read: Read) -> Result<Missed>;
    /// residual += output times a matrix.
    fn add_output(&mut self, w: Weight, rows: Range<u32>) -> Result<()>;
    /// hidden = silu(gate) * up of norm(residual).
    fn gate_up(&mut self, norm: Weight, gate: Weight, up: Weight, rows: Range<u32>) -> Result<()>;
    /// residual += hidden times a matrix.
    fn add_down(&mut self, w: Weight, rows: Range<u32>) -> Result<()>;
    /// norm(residual) of some rows of the pass times the output matrix, `[rows, vocabulary]`.
    fn logits(&mut self, norm: Weight, head: Weight, rows: Range<u32>) -> Result<&[f32]>;

    /// Reserves room for `rows` slots in every KV head of every layer and forgets all slots.
    fn reset(&mut self, rows: u32) -> Result<()>;
    /// Makes room for `rows` slots in every KV head of every layer, those that are there included.
    fn reserve(&mut self, rows: u32) -> Result<()>;
    /// Keeps only the slots of `set` (by KV head, or one list for all) in `kv`, and no more room than was reserved.
    fn keep(&mut self, kv: Kv, set: Set) -> Result<()>;
    /// Moves the oldest `rows` full-precision rows of `kv` into two 4-bit planes.
    fn quantise(&mut self, kv: Kv, groups: PlaneGroups, rows: u32) -> Result<()>;
    /// Moves the slots of `near` (by KV head, or one list for all) to the near tier and all others of `kv` to the far one.
    fn place(&mut self, kv: Kv, near: Set) -> Result<()>;
    /// Takes back the slots of `kv` from position `first` on.
    fn cut(&mut self, kv: Kv, first: u32) -> Result<()>;
    /// Most live slots of any KV head of `kv`.
    fn live(&self, kv: Kv) -> u32;
    /// Most slots in two planes of any KV head of `kv`.
    fn quantised(&self, kv: Kv) -> u32;
    /// What the cache holds and what this pass read.
    fn kept(&self) -> Kept;
    /// The trace.
    fn tracer(&mut self) -> &mut Tracer;
    /// Tags the tokens at original positions from `first` on; a token that was never tagged is text of the
    /// same round as the one before. [`reset`](Dense::reset) forgets all tags.
    fn tag(&mut self, first: u32, tags: &[Tag]);
    /// As [`keep`](Dense::keep), but every dropped row first goes into the kept row whose key is nearest.
    fn fold(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()>;
}
