//! SnapKV: after the prompt, keeps what its last tokens attend to, and those last tokens.
//!
//! Paper: arXiv 2404.14469. Reference: FasterDecoding/SnapKV e216ddc, `SnapKVCluster.update_kv` (SCOPE and
//! KVCache-Factory give the same); with `group`, KVCache-Factory c97f9d7 in its KV-head mode. Nothing is dropped while
//! decoding, so the cache grows by a row a token. A later turn's prompt compresses all that is cached then, the same
//! way. `shift_positions` is kvpress 8bb29b9's `KeyRerotationPress`. Scores and defaults: `observation.rs`. A prompt
//! that ends with the question flatters the method: the window is the question. Role: keeps.

use super::{
    Param, Params, Role, Row, Shape,
    observation::{GROUP, KERNEL, Observation, POOLING, WINDOW},
};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "snap_kv",
    title: "SnapKV",
    summary: "After the prompt, keeps what its last tokens look at; what is generated is all kept.",
    paper: Some("2404.14469"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("budget", 256, 1..=1 << 20, "prompt tokens kept in every KV head, the window included").budget(),
        WINDOW,
        KERNEL,
        POOLING,
        GROUP,
        Param::flag("shift_positions", false, "rotate keys by their slot in the cache, not their place in the text"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (budget, observation) = (p.int("budget")?, Observation::of(p)?);
    p.require("window", observation.window <= budget, || format!("at most the budget ({budget})"))?;
    let retain = SnapKv { budget, observation, shift: p.flag("shift_positions")? };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct SnapKv {
    /// Prompt tokens kept in every KV head.
    pub budget: u32,
    /// Scores.
    pub observation: Observation,
    /// Rotate keys by slot.
    pub shift: bool,
}

impl Retain for SnapKv {
    fn holds(&self, of: &Extent) -> Holds {
        of.with_prompt(self.budget)
    }
    fn positions(&self) -> Positions {
        if self.shift { Positions::Slot } else { Positions::Text }
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.observation.wants(at)
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Some(mass) = mass.filter(|_| cx.site.live > self.budget) else { return Ok(Edit::None) };
        let scores = self.observation.scores(cx, mass)?;
        Ok(Edit::Keep(cx.ops.top_k(scores, self.budget, self.observation.pins())?))
    }
}
