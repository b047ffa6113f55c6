//! What one host's attention found, and what all hosts found together (Star Attention's second phase).

use super::Cpu;
use crate::{
    Error, Result,
    kernels::merge,
    ops::{Kv, Part},
    trace::{ALL_HEADS, Detail, Kind},
};

impl Cpu {
    pub(super) fn own_part(&self) -> Result<Part> {
        if self.lse.is_empty() {
            return Err(Error::State("this attention left no log-sum-exp"));
        }
        Ok(Part { output: self.output.clone(), lse: self.lse.clone() })
    }

    pub(super) fn merge_parts(&mut self, kv: Kv, parts: &[Part]) -> Result<()> {
        let (outputs, lses) = (self.output.len(), self.lse.len());
        for part in parts {
            if part.output.len() != outputs || part.lse.len() != lses || outputs == 0 {
                let want = format!("parts of {outputs} outputs and {lses} log-sum-exps");
                let got = format!("{} and {}", part.output.len(), part.lse.len());
                return Err(Error::Shape { op: "merge", want, got });
            }
        }
        merge(self.shape.head_dim, parts.iter().map(|p| (&p.output[..], &p.lse[..])), &mut self.output, &mut self.lse);
        if self.tracer.detail >= Detail::Sets {
            let bytes = |hosts: usize| (hosts * (outputs + lses) * size_of::<f32>()) as u32;
            let received = bytes(parts.len().saturating_sub(1));
            self.tracer.record(Kind::Exchange, kv.0, ALL_HEADS.into(), parts.len().min(255) as u8, bytes(1), received);
        }
        Ok(())
    }
}
