//! Attention of a decode step over slots in two 4-bit planes.

use bytemuck::{Pod, Zeroable};

use super::{
    Heads, Partials, Rows,
    attend::{TILE, check_tiles},
    shaders::ATTEND_PLANES,
    stored::f32_rows,
};
use crate::{
    Error, Result,
    backend::gpu::device::{Buffer, Burst},
    cache::Store,
};

/// Keys and values in planes, in the cache's own order (`cache::Planes`): eight codes a word, the upper plane of all
/// rows first, then the lower plane.
#[derive(Clone, Copy)]
pub struct PlaneBuffers<'a> {
    /// Codes of keys.
    pub k: &'a Buffer,
    /// Codes of values.
    pub v: &'a Buffer,
    /// Those of the layer at hand, in rows of `dim` codes.
    pub rows: Rows,
    /// Words from an upper code to its lower one.
    pub lower: u32,
    /// Grids, a step and a zero each: as f16 in a word, or two of f32.
    pub grids: &'a Buffer,
    /// Which of the two, [`Store::F16`] or [`Store::F32`].
    pub store: Store,
    /// Grid where a KV head's key grids begin, `[slots / tokens, dim]`.
    pub key_grids: Rows,
    /// Grid where its value grids begin, `[slots, dim / channels]`.
    pub value_grids: Rows,
    /// Tokens of a key group.
    pub tokens: u32,
    /// Channels of a value group, a multiple of 8.
    pub channels: u32,
}

/// Decode attention over planes.
#[derive(Clone, Copy)]
pub struct DecodePlanes<'a> {
    /// Shape.
    pub heads: Heads,
    /// Queries, `[rows, heads, dim]`.
    pub q: &'a Buffer,
    /// Number where row 0 begins.
    pub q_first: u32,
    /// Rows of the pass; all see every slot in planes.
    pub rows: u32,
    /// Keys and values.
    pub planes: PlaneBuffers<'a>,
    /// Slots in planes, whole key groups.
    pub slots: u32,
    /// Read the lower plane too.
    pub both: bool,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    codes: [u32; 2],
    lower: u32,
    readers_per_kv: u32,
    slots: u32,
    tokens: u32,
    tiles_per_group: u32,
    key_grids: [u32; 2],
    value_grids: [u32; 2],
    first_tile: u32,
    tiles: u32,
    heads: u32,
    scores_stride: u32,
    scale: f32,
    q_first: u32,
}

impl DecodePlanes<'_> {
    /// Tiles that [`record`](DecodePlanes::record) fills: none spans two key groups.
    #[must_use]
    pub fn tiles(&self) -> u32 {
        DecodePlanes::tiles_of(self.slots, self.planes.tokens)
    }

    /// Those of so many slots in key groups of `tokens`.
    #[must_use]
    pub fn tiles_of(slots: u32, tokens: u32) -> u32 {
        let tokens = tokens.max(1);
        slots / tokens * tokens.div_ceil(TILE)
    }

    /// Records the tiles. `scores` gets the scaled scores of every query head by slot, so many numbers from one head to
    /// the next.
    ///
    /// # Errors
    /// [`Error::Shape`] when parts do not fit together.
    pub fn record(&self, burst: &mut Burst, partials: Partials, scores: Option<(&Buffer, u32)>) -> Result<()> {
        let (op, planes) = ("attend_planes", &self.planes);
        // Longer ones need more workgroup memory than there is.
        self.heads.check(op, 8, 224)?;
        check_tiles(op, partials, self.tiles(), self.rows * self.heads.query, self.heads.dim)?;
        let fits = planes.channels > 0
            && planes.channels.is_multiple_of(8)
            && self.heads.dim.is_multiple_of(planes.channels)
            && self.slots.is_multiple_of(planes.tokens.max(1));
        if !fits {
            let want = "value groups of a multiple of 8 channels, whole key groups".to_owned();
            let got = format!("{} channels, {} slots of {}", planes.channels, self.slots, planes.tokens);
            return Err(Error::Shape { op, want, got });
        }
        let together = self.heads.together();
        let readers = self.heads.query / together;
        let params = Params {
            codes: [planes.rows.first, planes.rows.stride],
            lower: planes.lower,
            readers_per_kv: readers / self.heads.kv,
            slots: self.slots,
            tokens: planes.tokens.max(1),
            tiles_per_group: planes.tokens.max(1).div_ceil(TILE),
            key_grids: [planes.key_grids.first, planes.key_grids.stride],
            value_grids: [planes.value_grids.first, planes.value_grids.stride],
            first_tile: partials.first,
            tiles: partials.tiles,
            heads: self.heads.query,
            scores_stride: scores.map_or(0, |(_, stride)| stride),
            scale: self.heads.scale(),
            q_first: self.q_first,
        };
        // What the usual step does not need is not compiled into it.
        let (scored, grids) = (u32::from(scores.is_some()), self.heads.dim / planes.channels);
        let constants = [self.heads.dim, together, TILE, u32::from(self.both), scored, grids, f32_rows(planes.store)];
        let kernel = burst.device().kernel(&ATTEND_PLANES, &constants)?;
        let nothing = burst.device().nothing.clone();
        let scores = scores.map_or(&nothing, |(buffer, _)| buffer);
        let buffers = [self.q, planes.k, planes.v, planes.grids, partials.buffer, scores];
        burst.dispatch(&kernel, &params, &buffers, [self.tiles(), readers, self.rows])
    }
}
