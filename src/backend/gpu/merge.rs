//! What several hosts' attentions found, as one.

use super::{
    Gpu, at_least,
    kernels::{Merge, Partials},
};
use crate::{
    Error, Result,
    ops::{Kv, Partial},
    trace::Detail,
};

/// Of a part that read nothing: the merge skips it.
const NONE: f32 = -3e38;

impl Gpu {
    /// Uploads what the hosts found as parts of one attention, each with a sum of 1 and its log-sum-exp as the largest
    /// score, and merges them.
    pub(super) fn merge_partials(&mut self, kv: Kv, partials: &[Partial]) -> Result<()> {
        let heads = self.heads;
        let (dim, all) = (heads.dim as usize, (self.pass.newest * heads.query) as usize);
        for partial in partials {
            if partial.lse.len() != all || partial.output.len() != all * dim || all == 0 {
                let want = format!("partials of {} outputs and {all} log-sum-exps", all * dim);
                let got = format!("{} and {}", partial.output.len(), partial.lse.len());
                return Err(Error::Shape { op: "merge", want, got });
            }
        }
        let mut parts = Vec::with_capacity(all * partials.len() * (dim + 2));
        for head in 0..all {
            for Partial { output, lse } in partials {
                let is_read = lse[head] > NONE;
                parts.extend_from_slice(&output[head * dim..][..dim]);
                parts.extend([f32::from(u8::from(is_read)), if is_read { lse[head] } else { NONE }]);
            }
        }
        at_least(&self.device, &mut self.room.partials, parts.len() as u64)?;
        self.record(|on, burst| {
            burst.write(&on.room.partials, 0, &parts)?;
            let partials = Partials { buffer: &on.room.partials, tiles: partials.len() as u32, first: 0 };
            let merge = Merge { heads: all as u32, dim: heads.dim, partials };
            merge.record(burst, &on.room.output, &on.room.lse)
        })?;
        if self.mirror.tracer.detail >= Detail::Sets {
            let bytes = partials.first().map_or(0, Partial::bytes) as u32;
            self.mirror.exchange(kv, bytes, Partial::shares(partials, heads.query as usize));
        }
        Ok(())
    }
}
