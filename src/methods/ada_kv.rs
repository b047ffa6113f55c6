//! AdaKV: SnapKV whose heads compete for the budget, so that a head with few important tokens gives room to others.
//!
//! Paper: arXiv 2407.11550. Reference: Zefan-Cai/KVCache-Factory c97f9d7, `AdaKVCluster.update_kv`, where the command
//! line's `floor` never reaches the code; here it works. Heads really keep different numbers of rows (slots are by KV
//! head); the code scores by the mean of the window's rows, which differs from the sum used here by a factor common to
//! all. With `normalize` a head is weighed by the share of its scores that an even budget would cover. Scores and
//! defaults: `observation.rs`. A later turn is treated as in `snap_kv`. Role: keeps.

use super::{
    Param, Params, Role, Row, Shape,
    observation::{GROUP, KERNEL, Observation, POOLING, WINDOW},
};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "ada_kv",
    title: "AdaKV",
    summary: "SnapKV whose heads compete for the budget: heads that need few tokens give room to the others.",
    paper: Some("2407.11550"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("budget", 256, 1..=1 << 20, "prompt tokens kept in a KV head on average, the window included")
            .budget(),
        Param::real("floor", "share of the budget", 0.2, 0.0..=1.0, "what every head gets in any case"),
        Param::flag("normalize", true, "weigh a head by the share of its scores that an even budget covers"),
        WINDOW,
        KERNEL,
        POOLING,
        GROUP,
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (budget, observation) = (p.int("budget")?, Observation::of(p)?);
    p.require("window", observation.window <= budget, || format!("at most the budget ({budget})"))?;
    let spread = Spread { floor: p.real("floor")?, covered: p.flag("normalize")? };
    Ok(Method { retain: Box::new(AdaKv { budget, spread, observation }), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct AdaKv {
    /// Tokens kept in a KV head on average.
    pub budget: u32,
    /// How heads compete.
    pub spread: Spread,
    /// Scores.
    pub observation: Observation,
}

impl Retain for AdaKv {
    fn holds(&self, of: &Extent) -> Holds {
        Holds { most: of.rows(), ..of.with_prompt(self.budget) }
    }
    fn heads(&self) -> Heads {
        Heads::Uneven
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.observation.wants(at)
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Some(mass) = mass.filter(|_| cx.site.live > self.budget) else { return Ok(Edit::None) };
        let scores = self.observation.scores(cx, mass)?;
        Ok(Edit::Keep(cx.ops.top_k_spread(scores, self.budget, self.spread, self.observation.pins())?))
    }
}
