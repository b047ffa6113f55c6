//! What one host's attention found, and what all hosts found together (Star Attention's second phase).

use super::Cpu;
use crate::{
    Error, Result,
    kernels::merge,
    ops::{Kv, Partial},
    trace::Detail,
};

impl Cpu {
    pub(super) fn own_partial(&self) -> Result<Partial> {
        if self.lse.is_empty() {
            return Err(Error::State("this attention left no log-sum-exp"));
        }
        Ok(Partial { output: self.output.clone(), lse: self.lse.clone() })
    }

    pub(super) fn merge_partials(&mut self, kv: Kv, partials: &[Partial]) -> Result<()> {
        let (outputs, lses) = (self.output.len(), self.lse.len());
        for partial in partials {
            if partial.output.len() != outputs || partial.lse.len() != lses || outputs == 0 {
                let want = format!("partials of {outputs} outputs and {lses} log-sum-exps");
                let got = format!("{} and {}", partial.output.len(), partial.lse.len());
                return Err(Error::Shape { op: "merge", want, got });
            }
        }
        merge(
            self.shape.head_dim,
            partials.iter().map(|p| (&p.output[..], &p.lse[..])),
            &mut self.output,
            &mut self.lse,
        );
        if self.tracer.detail >= Detail::Sets {
            let bytes = partials.first().map_or(0, Partial::bytes) as u32;
            self.tracer.exchange(kv.0, bytes, Partial::shares(partials, self.shape.query_heads));
        }
        Ok(())
    }
}
