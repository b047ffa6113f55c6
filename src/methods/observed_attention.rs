//! Observed attention: after the prompt, keeps the tokens with the largest mean attention over the queries that could
//! see them. H2O's sum favours early tokens, which more queries see; the mean does not.
//!
//! No paper. Reference: NVIDIA/kvpress 8bb29b9, `ObservedAttentionPress`: column sum over the number of queries, mean
//! over a KV head's group. There is no window, so the newest tokens, seen by few, compete like all others: `recent = 0`,
//! the default. A later turn's prompt compresses all that is cached then, by its own queries. Role: keeps.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "observed_attention",
    title: "Observed attention",
    summary: "After the prompt, keeps the tokens with the largest mean attention over the queries that could see them.",
    paper: None,
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("budget", 256, 1..=1 << 20, "prompt tokens kept in every KV head").budget(),
        Param::tokens("recent", 0, 0..=4096, "newest prompt tokens kept whatever their attention"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (budget, recent) = (p.int("budget")?, p.int("recent")?);
    p.require("recent", recent <= budget, || format!("at most the budget ({budget})"))?;
    Ok(Method { retain: Box::new(ObservedAttention { budget, recent }), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct ObservedAttention {
    /// Prompt tokens kept in every KV head.
    pub budget: u32,
    /// Newest of them kept whatever their attention.
    pub recent: u32,
}

impl ObservedAttention {
    /// Scores by KV head.
    ///
    /// # Errors
    /// From the back end.
    pub fn scores(&self, cx: &mut LayerCx, mass: Scores) -> Result<Scores> {
        let mean = cx.ops.regroup(mass, Group::Kv, Reduce::Mean)?;
        cx.ops.per_query(mean, cx.site.rows)
    }
}

impl Retain for ObservedAttention {
    fn holds(&self, of: &Extent) -> Holds {
        of.with_prompt(self.budget)
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        (at.kind == PassKind::Prefill).then_some(Mass { rows: u32::MAX, per: Group::Query })
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Some(mass) = mass.filter(|_| cx.site.live > self.budget) else { return Ok(Edit::None) };
        let scores = self.scores(cx, mass)?;
        Ok(Edit::Keep(cx.ops.top_k(scores, self.budget, Pins { sinks: 0, recent: self.recent })?))
    }
}
