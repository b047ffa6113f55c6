//! Attention of a decode step: split over tiles of what is read, then merged.

use bytemuck::{Pod, Zeroable};

use super::{
    Stored,
    shaders::{ATTEND_LISTED, MERGE},
};
use crate::{
    Error, Result,
    backend::gpu::device::{Buffer, Burst},
};

/// Slots of a decode tile: a workgroup's invocations.
pub(crate) const TILE: u32 = 64;

/// The heads of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: u32,
    /// KV heads.
    pub kv: u32,
    /// Components of a head, a multiple of 8, at most 256; in prefill at most 128.
    pub dim: u32,
}

impl Heads {
    /// Query heads that one workgroup serves together, a divisor of those that share a KV head: the components of a
    /// vector.
    pub(crate) fn together(&self) -> u32 {
        let group = self.query / self.kv;
        (1..=4).rev().find(|n| group.is_multiple_of(*n)).unwrap_or(1)
    }

    pub(crate) fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    pub(crate) fn check(&self, op: &'static str, multiple: u32, most: u32) -> Result<()> {
        let whole = self.kv > 0 && self.query.is_multiple_of(self.kv);
        if !whole || self.dim == 0 || !self.dim.is_multiple_of(multiple) || self.dim > most {
            let want = format!("heads of a multiple of {multiple} components, at most {most}");
            return Err(Error::Shape { op, want, got: format!("{self:?}") });
        }
        Ok(())
    }
}

/// Lists in a buffer, each its count and then its entries, ascending.
#[derive(Clone, Copy)]
pub struct Lists<'a> {
    /// Where they are.
    pub buffer: &'a Buffer,
    /// Word of the first.
    pub first: u32,
    /// Words from one to the next.
    pub stride: u32,
    /// How many: one for all, one a KV head or one a query head.
    pub count: u32,
}

impl Lists<'_> {
    /// Lists for `readers` of equal size each.
    pub(crate) fn readers_per_list(&self, op: &'static str, readers: u32) -> Result<u32> {
        if self.count == 0 || !readers.is_multiple_of(self.count) {
            return Err(Error::Shape {
                op,
                want: format!("a divisor of {readers} lists"),
                got: self.count.to_string(),
            });
        }
        Ok(readers / self.count)
    }
}

/// What a decode step reads; of each only the count of a list is used, or its entries too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeRead {
    /// As many slots as the count says, of these the newest `window`; of several rows row r does not see the newest
    /// rows - 1 - r slots.
    All {
        /// `u32::MAX` for all.
        window: u32,
    },
    /// The listed slots.
    Slots,
    /// The slots of the listed blocks.
    Blocks {
        /// Slots of a block.
        size: u32,
        /// Slots there are.
        live: u32,
    },
}

/// What the tiles of a step leave for the merge: by query head of a row and tile the weighted values, their weights'
/// sum and the largest score, `[rows * heads, tiles, dim + 2]`.
#[derive(Clone, Copy)]
pub struct Partials<'a> {
    /// Room for all tiles.
    pub buffer: &'a Buffer,
    /// Tiles of the merge.
    pub tiles: u32,
    /// The first of this call; calls of one step have tiles of their own.
    pub first: u32,
}

/// Decode attention over stored rows.
#[derive(Clone, Copy)]
pub struct Decode<'a> {
    /// Shape.
    pub heads: Heads,
    /// Queries, `[rows, heads, dim]`.
    pub q: &'a Buffer,
    /// Number where row 0 begins.
    pub q_first: u32,
    /// Rows of the pass; more than one only with [`DecodeRead::All`].
    pub rows: u32,
    /// Keys and values.
    pub stored: Stored<'a>,
    /// What is read.
    pub read: DecodeRead,
    /// The lists, or of [`DecodeRead::All`] the counts.
    pub lists: Lists<'a>,
    /// Slots that any list may have, as far as the host knows: tiles beyond a list's end return at once.
    pub most: u32,
    /// Slots of the counts that are elsewhere, the oldest; with [`DecodeRead::All`].
    pub skipped: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct DecodeParams {
    kv: [u32; 2],
    readers_per_kv: u32,
    readers_per_list: u32,
    lists: [u32; 2],
    rows: u32,
    window: u32,
    live: u32,
    size: u32,
    first_tile: u32,
    tiles: u32,
    heads: u32,
    scores_stride: u32,
    scale: f32,
    q_first: u32,
    skipped: u32,
}

impl Decode<'_> {
    /// Tiles that [`record`](Decode::record) fills.
    #[must_use]
    pub fn tiles(&self) -> u32 {
        Decode::tiles_of(self.most)
    }

    /// Those of so many slots; at least one, which says that nothing was read.
    #[must_use]
    pub fn tiles_of(slots: u32) -> u32 {
        slots.div_ceil(TILE).max(1)
    }

    /// Records the tiles. `scores` gets the scaled scores of every query head by place in its list, so many numbers
    /// from one head to the next.
    ///
    /// # Errors
    /// [`Error::Shape`] when parts do not fit together.
    pub fn record(&self, burst: &mut Burst, partials: Partials, scores: Option<(&Buffer, u32)>) -> Result<()> {
        let op = "attend_listed";
        self.heads.check(op, 8, 256)?;
        check_tiles(op, partials, self.tiles(), self.rows * self.heads.query, self.heads.dim)?;
        let together = if self.lists.count > self.heads.kv { 1 } else { self.heads.together() };
        let readers = self.heads.query / together;
        let (read, window, live, size) = match self.read {
            DecodeRead::All { window } => (0, window.max(1), 0, 1),
            DecodeRead::Slots => (1, u32::MAX, 0, 1),
            DecodeRead::Blocks { size, live } => (2, u32::MAX, live, size.max(1)),
        };
        let params = DecodeParams {
            kv: [self.stored.rows.first, self.stored.rows.stride],
            readers_per_kv: readers / self.heads.kv,
            readers_per_list: self.lists.readers_per_list(op, readers)?,
            lists: [self.lists.first, self.lists.stride],
            rows: self.rows,
            window,
            live,
            size,
            first_tile: partials.first,
            tiles: partials.tiles,
            heads: self.heads.query,
            scores_stride: scores.map_or(0, |(_, stride)| stride),
            scale: self.heads.scale(),
            q_first: self.q_first,
            skipped: self.skipped,
        };
        let kernel =
            burst.device().kernel(&ATTEND_LISTED, &[self.heads.dim, together, TILE, read, self.stored.is_f32()])?;
        let nothing = burst.device().nothing.clone();
        let scores = scores.map_or(&nothing, |(buffer, _)| buffer);
        let Stored { k, v, .. } = self.stored;
        let buffers = [self.q, k, v, self.lists.buffer, partials.buffer, scores];
        burst.dispatch(&kernel, &params, &buffers, [self.tiles(), readers, self.rows])
    }
}

/// Refuses tiles for which there is no room.
pub(crate) fn check_tiles(op: &'static str, partials: Partials, own: u32, heads: u32, dim: u32) -> Result<()> {
    let words = u64::from(heads) * u64::from(partials.tiles) * u64::from(dim + 2);
    if partials.first + own > partials.tiles || words > partials.buffer.words() {
        let want = format!("room for {words} numbers and {own} tiles from {} on", partials.first);
        let got = format!("{} numbers, {} tiles", partials.buffer.words(), partials.tiles);
        return Err(Error::Shape { op, want, got });
    }
    Ok(())
}

/// The parts of an attention as one.
#[derive(Clone, Copy)]
pub struct Merge<'a> {
    /// Query heads of all rows.
    pub heads: u32,
    /// Components of a head.
    pub dim: u32,
    /// What the tiles left.
    pub partials: Partials<'a>,
}

impl Merge<'_> {
    /// Records it: outputs `[heads, dim]` and log-sum-exps `[heads]`, of a head that read nothing 0 and below -1e38.
    ///
    /// # Errors
    /// [`Error::Shape`] when the tiles have no room.
    pub fn record(&self, burst: &mut Burst, out: &Buffer, lse: &Buffer) -> Result<()> {
        check_tiles("merge", self.partials, 0, self.heads, self.dim)?;
        let kernel = burst.device().kernel(&MERGE, &[self.dim])?;
        burst.dispatch(&kernel, &self.partials.tiles, &[self.partials.buffer, out, lse], [self.heads, 1, 1])
    }
}
