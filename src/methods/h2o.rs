//! H2O (heavy-hitter oracle): keeps the tokens that have received most attention so far, and the newest ones.
//!
//! Paper: arXiv 2306.14048. Reference: FMInference/H2O ac75c2a, `h2o_hf/utils_real_drop` (`H2OKVCache_LayerWise`),
//! which drops rows physically. The code has as many KV heads as query heads; with grouped heads the scores of a
//! group are summed (project rule). The default budgets are tokens, not the paper's shares of the prompt. Role: keeps.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "h2o",
    title: "H2O",
    summary: "Keeps the tokens with the largest attention sum so far (heavy hitters) and the newest ones.",
    paper: Some("2306.14048"),
    roles: &[Role::Retain],
    params: &[
        Param::tokens("heavy", 128, 0..=1 << 20, "heavy hitters kept").budget(),
        Param::tokens("recent", 128, 1..=1 << 20, "newest tokens kept").budget(),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let retain = H2o { heavy: p.int("heavy")?, recent: p.int("recent")? };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct H2o {
    /// Heavy hitters kept.
    pub heavy: u32,
    /// Newest tokens kept.
    pub recent: u32,
}

impl H2o {
    /// The score column: attention received so far, summed over queries and the group's heads.
    pub const SCORE: &str = "h2o.score";
}

impl Retain for H2o {
    fn bound(&self) -> Option<u32> {
        Some(self.heavy + self.recent)
    }
    fn wants(&self, _: &Site) -> Option<Mass> {
        Some(Mass { rows: u32::MAX, per: Group::Kv })
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Some(mass) = mass else { return Ok(Edit::None) };
        let score = cx.ops.column(cx.kv, Self::SCORE, Fresh::Value(0.0))?;
        cx.ops.accumulate(score, mass, 1.0)?;
        let budget = self.heavy + self.recent;
        if cx.site.live <= budget {
            return Ok(Edit::None);
        }
        Ok(Edit::Keep(cx.ops.top_k(score, budget, Pins { sinks: 0, recent: self.recent })?))
    }
}
