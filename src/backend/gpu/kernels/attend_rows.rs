//! Attention of a prompt's rows: over spans of slots, or over listed blocks.

use bytemuck::{Pod, Zeroable};

use super::{
    Heads, Lists, Stored,
    shaders::{ATTEND, ATTEND_BLOCKS},
};
use crate::{
    Error, Result,
    backend::gpu::device::{Buffer, Burst},
    cache::Store,
    kernels::Span,
};

/// Blocks of slots and who reads which.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    /// Slots of a block, at least 1.
    pub size: u32,
    /// Blocks of all slots, the last perhaps in part.
    pub count: u32,
    /// Ascending pairs, `query block * count + key block`; one list for all, one a KV head or one a query head.
    pub pairs: Lists<'a>,
}

/// How many slots a KV head has, where only the device knows: a word each.
#[derive(Clone, Copy)]
pub struct Counts<'a> {
    /// Where they are.
    pub buffer: &'a Buffer,
    /// Word of the first.
    pub at: u32,
    /// Words to the next.
    pub stride: u32,
    /// Of these row 0 does not see so many, the newest.
    pub after: u32,
}

/// Prefill attention.
#[derive(Clone, Copy)]
pub struct Prefill<'a> {
    /// Shape.
    pub heads: Heads,
    /// Queries, `[rows, heads, dim]`.
    pub q: &'a Buffer,
    /// Number where row 0 begins.
    pub q_first: u32,
    /// Rows.
    pub rows: u32,
    /// Keys and values.
    pub stored: Stored<'a>,
    /// What each row sees; with blocks it must be causal.
    pub span: Span,
    /// In place of what row 0 sees; not with blocks.
    pub counts: Option<Counts<'a>>,
    /// Only these blocks.
    pub blocks: Option<Blocks<'a>>,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    kv: [u32; 2],
    readers_per_kv: u32,
    heads: u32,
    rows: u32,
    sees: u32,
    step: u32,
    window: u32,
    readers_per_list: u32,
    lists: [u32; 2],
    size: u32,
    blocks: u32,
    scale: f32,
    q_first: u32,
    count_at: u32,
    count_stride: u32,
    after: u32,
}

impl Prefill<'_> {
    /// Records it: outputs `[rows, heads, dim]` and log-sum-exps `[rows, heads]`, of a row that read nothing 0 and below
    /// -1e38.
    ///
    /// # Errors
    /// [`Error::Shape`] when parts do not fit together.
    pub fn record(&self, burst: &mut Burst, out: &Buffer, lse: &Buffer) -> Result<()> {
        let (op, heads, sees) = ("attend", self.heads, self.span.sees as u32);
        heads.check(op, 8, 128)?;
        let numbers = u64::from(self.rows) * u64::from(heads.query);
        if (self.q.words().saturating_sub(self.q_first.into())).min(out.words()) < numbers * u64::from(heads.dim)
            || lse.words() < numbers
        {
            let (want, got) =
                (format!("queries, outputs and sums of {} rows", self.rows), "shorter buffers".to_owned());
            return Err(Error::Shape { op, want, got });
        }
        if self.rows == 0 {
            return Ok(());
        }
        // So many that queries, keys and weights fill 16 KiB of workgroup memory.
        let numbers = if self.stored.store == Store::F32 { 1536 } else { 2048 };
        let queries = (numbers / heads.dim).min(32) / 4 * 4;
        let together = if self.blocks.is_some() { 1 } else { heads.together() };
        let readers = heads.query / together;
        let mut params = Params {
            kv: [self.stored.rows.first, self.stored.rows.stride],
            readers_per_kv: readers / heads.kv,
            heads: heads.query,
            rows: self.rows,
            sees,
            step: u32::from(!self.span.fixed),
            window: u32::try_from(self.span.window).unwrap_or(u32::MAX).max(1),
            readers_per_list: 0,
            lists: [0; 2],
            size: 0,
            blocks: 0,
            scale: heads.scale(),
            q_first: self.q_first,
            count_at: self.counts.map_or(u32::MAX, |counts| counts.at),
            count_stride: self.counts.map_or(0, |counts| counts.stride),
            after: self.counts.map_or(0, |counts| counts.after),
        };
        let constants = [heads.dim, together, queries, self.stored.is_f32()];
        let Stored { k, v, .. } = self.stored;
        let Some(blocks) = self.blocks else {
            let kernel = burst.device().kernel(&ATTEND, &constants)?;
            let tiles = self.rows.div_ceil((queries / together).max(1));
            let nothing = burst.device().nothing.clone();
            let counts = self.counts.map_or(&nothing, |counts| counts.buffer);
            return burst.dispatch(&kernel, &params, &[self.q, k, v, counts, out, lse], [tiles, readers, 1]);
        };
        if self.counts.is_some() || self.span != Span::causal(self.span.sees) || blocks.size == 0 || sees == 0 {
            let (want, got) = ("blocks of at least a slot and a causal span".to_owned(), format!("{:?}", self.span));
            return Err(Error::Shape { op: "attend_blocks", want, got });
        }
        params.readers_per_list = blocks.pairs.readers_per_list("attend_blocks", readers)?;
        params.lists = [blocks.pairs.first, blocks.pairs.stride];
        (params.size, params.blocks) = (blocks.size, blocks.count);
        let before = sees - 1;
        let query_blocks = (before + self.rows - 1) / blocks.size - before / blocks.size + 1;
        let kernel = burst.device().kernel(&ATTEND_BLOCKS, &constants)?;
        let tiles = query_blocks * blocks.size.div_ceil(queries);
        burst.dispatch(&kernel, &params, &[self.q, k, v, blocks.pairs.buffer, out, lse], [tiles, readers, 1])
    }
}
