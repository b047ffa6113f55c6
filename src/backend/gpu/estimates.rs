//! Estimates from the queries of the running pass.

use std::ops::Range;

use super::{
    Gpu, Rows, at_least,
    kernels::{BlockScores, Looks, PageScores, Prefill, Probe, RowsMass, Stored},
    mirror::Call,
};
use crate::{
    Error, Result,
    backend::account::MOST_BLOCKS,
    cache::Store,
    kernels::Span,
    method::Positions,
    ops::{Kv, Pooled, Scores},
};

/// Rows whose log-sum-exps are taken at a time where all of a prompt are: their outputs, which nobody reads, need room.
const ROWS: u32 = 512;

impl Gpu {
    fn refuse_rows(&self, op: &'static str, want: String) -> Error {
        Error::Shape { op, want, got: format!("a pass of {} rows", self.pass.rows) }
    }

    /// Keys, not yet rotated by their slots, and values: what is stored, or copies that were rounded.
    pub(super) fn unturned(&self, kv: Kv) -> Stored<'_> {
        if !self.pass.rounded {
            return self.stored(kv);
        }
        let ([k, v], stride) = (&self.room.gathered, self.live[kv.0 as usize]);
        Stored { k, v, rows: Rows { first: 0, stride }, store: Store::F32 }
    }

    /// Keys as queries see them, and values.
    pub(super) fn readable(&self, kv: Kv) -> Stored<'_> {
        let turned = self.positions == Positions::Slot && self.rope.is_some();
        let stored = self.unturned(kv);
        Stored { k: if turned { &self.room.turned } else { stored.k }, ..stored }
    }

    /// Keys that are rotated when they are read are rotated for what follows.
    fn prepare_keys(&mut self, kv: Kv) -> Result<()> {
        if self.positions == Positions::Slot { self.turn_keys(kv) } else { Ok(()) }
    }

    fn looks(&self, kv: Kv) -> Looks<'_> {
        let slots = self.live[kv.0 as usize];
        Looks { heads: self.heads, q: &self.room.q, stored: self.readable(kv), slots }
    }

    /// The log-sum-exps of some rows, from an attention whose output nobody reads; the layer's own is left alone.
    fn row_sums(&mut self, kv: Kv, rows: &Range<u32>, span: Span) -> Result<()> {
        let (n, heads) = (rows.end - rows.start, self.heads);
        at_least(&self.device, &mut self.room.unread, u64::from(n) * u64::from(heads.query * heads.dim))?;
        at_least(&self.device, &mut self.room.sums, u64::from(n) * u64::from(heads.query))?;
        self.record(|on, burst| {
            let stored = on.readable(kv);
            let q_first = rows.start * heads.query * heads.dim;
            let prefill = Prefill { heads, q: &on.room.q, q_first, rows: n, stored, span, counts: None, blocks: None };
            prefill.record(burst, &on.room.unread, &on.room.sums)
        })
    }

    pub(super) fn probe_rows(&mut self, kv: Kv, rows: u32) -> Result<[Scores; 2]> {
        if rows == 0 || rows > self.pass.rows {
            return Err(self.refuse_rows("probe", format!("{rows} rows")));
        }
        if !self.alike[kv.0 as usize] {
            return Gpu::missing("a probe of KV heads of different lengths");
        }
        let (heads, first) = (self.heads, self.pass.rows - rows);
        let sees = (self.live[kv.0 as usize] + 1).saturating_sub(rows);
        self.prepare_keys(kv)?;
        self.row_sums(kv, &(first..self.pass.rows), Span::causal(sees as usize))?;
        let [(vertical, a), (slash, b)] = [self.slot_table(kv, heads.query)?, self.slot_table(kv, heads.query)?];
        self.record(|on, burst| {
            let q_first = first * heads.query * heads.dim;
            let probe = Probe { looks: on.looks(kv), lse: &on.room.sums, rows, q_first };
            probe.record(burst, &on.memory.words, [a, b])
        })?;
        Ok([vertical, slash])
    }

    pub(super) fn column_sums(&mut self, kv: Kv, causal: u32) -> Result<Scores> {
        if !self.alike[kv.0 as usize] {
            return Gpu::missing("the mass without a mask over KV heads of different lengths");
        }
        let (heads, total, live) = (self.heads, self.pass.rows, self.live[kv.0 as usize]);
        self.prepare_keys(kv)?;
        let (out, mass) = self.slot_table(kv, heads.query)?;
        let whole = total.saturating_sub(causal);
        let mut first = 0;
        while first < total {
            let end = (first + ROWS).min(if first < whole { whole } else { total });
            let sees = if first < whole { live } else { live - (total - 1 - first) } as usize;
            let span = Span { fixed: first < whole, ..Span::causal(sees) };
            self.row_sums(kv, &(first..end), span)?;
            self.record(|on, burst| {
                let rows_mass = RowsMass {
                    heads,
                    mass,
                    stored: on.readable(kv),
                    slots: live,
                    q: &on.room.q,
                    q_first: first * heads.query * heads.dim,
                    lse: &on.room.sums,
                    lse_first: 0,
                    rows: end - first,
                    span,
                    counts: None,
                    adds: first > 0,
                };
                rows_mass.record(burst, &on.memory.words)
            })?;
            first = end;
        }
        Ok(out)
    }

    pub(super) fn pooled_scores(&mut self, kv: Kv, size: u32, queries: Pooled) -> Result<Scores> {
        let (heads, rows, live) = (self.heads, self.pass.rows, self.live[kv.0 as usize]);
        let (blocks, most) = (live.div_ceil(size.max(1)), MOST_BLOCKS as u32);
        if size == 0 || size > most || blocks > most {
            let want = format!("blocks of 1 to {most} slots, at most {most} of them");
            return Err(Error::Shape { op: "blocks", want, got: format!("{blocks} of {size} slots") });
        }
        self.check_alike("blocks", kv, 1)?;
        if rows < size || (queries == Pooled::Blocks && rows != live) {
            return Err(self.refuse_rows("block_scores", format!("all {live} live rows")));
        }
        let causal = queries == Pooled::Blocks;
        let query_blocks = if causal { blocks } else { 1 };
        self.prepare_keys(kv)?;
        let (out, at) = self.fixed_table(kv, heads.query, query_blocks * blocks)?;
        let first_row = if causal { 0 } else { rows - size };
        let numbers = u64::from(heads.kv * blocks + heads.query * query_blocks) * u64::from(heads.dim);
        at_least(&self.device, &mut self.room.means, numbers)?;
        self.record(|on, burst| {
            let (looks, means) = (on.looks(kv), &on.room.means);
            let scores = BlockScores { looks, means, size, rows, first_row, query_blocks, causal };
            scores.record(burst, &on.memory.words, at)
        })?;
        Ok(out)
    }

    pub(super) fn bound_pages(&mut self, kv: Kv, page: u32, recent: u32) -> Result<Scores> {
        if page == 0 || self.pass.rows != 1 {
            let want = "pages of at least 1 slot and a pass of one row".to_owned();
            return Err(Error::Shape {
                op: "page_scores",
                want,
                got: format!("pages of {page} and {} rows", self.pass.rows),
            });
        }
        if self.rope.is_some() && self.positions == Positions::Slot {
            return Err(Error::State("page bounds need keys that are stored rotated, not rotated by their slot"));
        }
        let counts = self.memory.slots(kv);
        let pages = PageScores { looks: self.looks(kv), counts, page, newest: recent }.pages();
        let (out, at) = self.fixed_table(kv, self.heads.query, pages)?;
        self.record(|on, burst| {
            PageScores { looks: on.looks(kv), counts, page, newest: recent }.record(burst, &on.memory.words, at)
        })?;
        self.mirror.note(Call::Bounds { kv, page, recent });
        Ok(out)
    }
}
