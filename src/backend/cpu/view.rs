//! What another back end's results are compared with.

use std::ops::Range;

use super::Cpu;
use crate::{
    Result,
    ops::{Kv, Scores, Set},
};

impl Cpu {
    /// A table's scores by group.
    pub(in crate::backend) fn table_rows(&self, scores: Scores) -> Result<Vec<Vec<f32>>> {
        let table = self.tables.table(scores)?;
        Ok((0..table.groups).map(|group| table.group(&self.cache, group).to_vec()).collect())
    }

    /// Lists of a set by group.
    pub(in crate::backend) fn set_lists(&self, set: Set) -> Result<&[Vec<u32>]> {
        Ok(self.tables.set(set)?.all())
    }

    /// The residual stream of some rows of the pass.
    pub(in crate::backend) fn residual(&self, rows: &Range<u32>) -> &[f32] {
        let width = self.width();
        &self.x[rows.start as usize * width..rows.end as usize * width]
    }

    /// Queries of some rows of the pass.
    pub(in crate::backend) fn queries(&self, rows: &Range<u32>) -> &[f32] {
        let width = self.shape.query_heads * self.shape.head_dim;
        &self.q[rows.start as usize * width..rows.end as usize * width]
    }

    /// The MLP's hidden rows, after [`gate_up`](crate::ops::Dense::gate_up).
    pub(in crate::backend) fn hidden(&self) -> &[f32] {
        &self.chunk[0]
    }

    /// Log-sum-exps of the newest attention by row and query head; none when it read less than everything.
    pub(in crate::backend) fn log_sums(&self) -> &[f32] {
        &self.lse
    }

    /// Keys and values of some slots of a KV head, `[slots, head_dim]`; those in planes as both planes say.
    pub(in crate::backend) fn stored(&self, kv: Kv, head: usize, slots: Range<usize>) -> [Vec<f32>; 2] {
        let (head, dim) = (&self.cache.layer(kv)[head], self.shape.head_dim);
        let in_planes = head.quantised();
        [(&head.k, true), (&head.v, false)].map(|(rows, is_key)| {
            let mut out = vec![0.0; slots.len() * dim];
            for (slot, row) in slots.clone().zip(out.chunks_exact_mut(dim)) {
                match &head.planes {
                    Some(planes) if slot < in_planes && is_key => planes.key(slot, false, row),
                    Some(planes) if slot < in_planes => planes.value(slot, false, row),
                    _ => rows.fetch_into((slot - in_planes) * dim, row),
                }
            }
            out
        })
    }
}
