//! The words in which a back end is asked: handles, reads, groups and rules.

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

/// From here on, below [`ROW`], ids stand for tokens that are known to the device alone: the first, the second and so on
/// that was picked since a pass arrived.
pub const AHEAD: u32 = ROW - 64;

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

/// What must hold of a cache that is read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Positions are below it.
    pub end: u32,
    /// Every KV head of a layer holds as many slots.
    pub even: bool,
    /// The same slots.
    pub alike: bool,
    /// Every position below `end`.
    pub everything: bool,
    /// How rows in planes share their grids; `None`: there are none.
    pub planes: Option<PlaneGroups>,
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
    /// A [number](crate::kernels::random) from 0 to below 1 that its original position and its KV head hash to, the same
    /// in every layer.
    Random,
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
