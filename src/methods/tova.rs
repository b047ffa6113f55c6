//! TOVA (token omission via attention): whatever the newest query looks at least leaves, one set for all heads.
//!
//! Paper: arXiv 2401.06104. Reference: NVIDIA/kvpress 8bb29b9, `TOVAPress`, which does it once, after the prompt
//! (`prompt_only`); the paper does it at every token, the default here. Scores are the newest query's probabilities,
//! averaged over all heads; the newest token stays. Role: keeps.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "tova",
    title: "TOVA",
    summary: "The token that the newest query looks at least leaves, in all heads at once.",
    paper: Some("2401.06104"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("budget", 256, 1..=1 << 20, "tokens kept").budget(),
        Param::flag("prompt_only", false, "drop tokens after the prompt only"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let retain = Tova { budget: p.int("budget")?, prompt_only: p.flag("prompt_only")? };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct Tova {
    /// Tokens kept.
    pub budget: u32,
    /// Drop tokens after the prompt only.
    pub prompt_only: bool,
}

impl Retain for Tova {
    fn heads(&self) -> Heads {
        Heads::Alike
    }
    fn bound(&self) -> Option<u32> {
        (!self.prompt_only).then_some(self.budget)
    }
    fn holds(&self, of: &Extent) -> Holds {
        if self.prompt_only { of.with_prompt(self.budget) } else { Holds::rows(of.rows().min(self.budget)) }
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        let asks = !self.prompt_only || at.kind == PassKind::Prefill;
        asks.then_some(Mass { rows: 1, per: Group::Query })
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Some(mass) = mass.filter(|_| cx.site.live > self.budget) else { return Ok(Edit::None) };
        let mean = cx.ops.regroup(mass, Group::All, Reduce::Mean)?;
        Ok(Edit::Keep(cx.ops.top_k(mean, self.budget, Pins { sinks: 0, recent: 1 })?))
    }
}
