//! Pages of slots: their bounds, and the slots of chosen ones.

use super::Cpu;
use crate::{
    Error, Result,
    kernels::page_bound,
    method::Positions,
    ops::{Expand, Kv, Scores, Set},
};

impl Cpu {
    pub(super) fn bound_pages(&mut self, kv: Kv, page: usize, recent: usize) -> Result<Scores> {
        if page == 0 || self.pass.rows != 1 {
            let (want, got) = (
                "pages of at least 1 slot and a pass of one row",
                format!("pages of {page} and {} rows", self.pass.rows),
            );
            return Err(Error::Shape { op: "page_scores", want: want.to_owned(), got });
        }
        if self.rope.is_some() && self.positions == Positions::Slot {
            return Err(Error::State("page bounds need keys that are stored rotated, not rotated by their slot"));
        }
        self.check_unquantised(kv)?;
        self.cache.update_bounds(kv, page, recent);
        let (dim, query_heads, kv_heads) = (self.shape.head_dim, self.shape.query_heads, self.shape.kv_heads);
        let heads = self.cache.layer(kv);
        self.read.bytes += heads.iter().map(|head| head.bounds().bytes() as u64).sum::<u64>();
        let most = heads.iter().map(|head| head.bounds().min().len() / dim).max().unwrap_or(0);
        self.fill_table(kv, query_heads, most, |on, head, out| {
            let bounds = on.cache.layer(kv)[head * kv_heads / query_heads].bounds();
            let (there, beyond) = out.split_at_mut(bounds.min().len() / dim);
            page_bound(&on.q[head * dim..][..dim], bounds.min(), bounds.max(), there);
            beyond.fill(f32::NEG_INFINITY);
            Ok(())
        })
    }

    pub(super) fn expand_pages(&mut self, kv: Kv, pages: Set, how: Expand) -> Result<Set> {
        let groups = self.tables.set(pages)?.groups();
        self.fill_set(groups, |on, group, out| {
            let heads = on.cache.layer(kv);
            let live = heads[group * heads.len() / groups.max(1)].len() as u32;
            let end = live.saturating_sub(how.recent);
            let slots =
                |page: u32| page.saturating_mul(how.size).min(end)..(page + 1).saturating_mul(how.size).min(end);
            let chosen = on.list_of(pages, group, groups)?.iter().flat_map(|page| slots(*page));
            out.extend(chosen.take(how.most as usize));
            out.extend(end..live);
            Ok(())
        })
    }
}
