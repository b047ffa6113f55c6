//! L2Norm: after the prompt, keeps the keys of smallest norm; no attention is needed.
//!
//! Paper: arXiv 2406.11430. Reference: Zefan-Cai/KVCache-Factory c97f9d7, `L2NormCluster.update_kv`; Knorm of
//! NVIDIA/kvpress 8bb29b9 keeps the same keys. The published rule has no window and may drop the newest token: that is
//! `recent = 0`, the default. The code skips layers 0 and 1. A later turn's prompt compresses all that is cached
//! then. Role: keeps.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "l2_norm",
    title: "L2Norm",
    summary: "After the prompt, keeps the keys of smallest norm.",
    paper: Some("2406.11430"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("budget", 256, 1..=1 << 20, "prompt tokens kept in every KV head").budget(),
        Param::tokens("recent", 0, 0..=4096, "newest prompt tokens kept whatever their norm"),
        Param::layer("first_layer", 2, "first layer that drops tokens"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (budget, recent) = (p.int("budget")?, p.int("recent")?);
    p.require("recent", recent <= budget, || format!("at most the budget ({budget})"))?;
    let retain = L2Norm { budget, recent, first_layer: p.int("first_layer")? };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct L2Norm {
    /// Prompt tokens kept in every KV head.
    pub budget: u32,
    /// Newest of them kept whatever their norm.
    pub recent: u32,
    /// First layer that drops tokens.
    pub first_layer: u32,
}

impl Retain for L2Norm {
    fn holds(&self, of: &Extent) -> Holds {
        of.with_prompt(if of.layer < self.first_layer { of.prompt } else { self.budget })
    }
    fn edit(&mut self, cx: &mut LayerCx, _: Option<Scores>) -> Result<Edit> {
        let Site { kind, layer, live, .. } = cx.site;
        if kind != PassKind::Prefill || layer < self.first_layer || live <= self.budget {
            return Ok(Edit::None);
        }
        let norms = cx.ops.key_norms(cx.kv)?;
        Ok(Edit::Keep(cx.ops.top_k(norms, self.budget, Pins { sinks: 0, recent: self.recent })?))
    }
}
