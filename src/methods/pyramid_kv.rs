//! PyramidKV: SnapKV with more room in the lower layers than in the upper ones.
//!
//! Paper: arXiv 2406.02069. Reference: Zefan-Cai/KVCache-Factory c97f9d7, `PyramidKVCluster.update_kv`, whose budgets
//! fall by `(b - a) / (layers - 1)` a layer. `compat = scope` divides by the layers instead (Linking-ai/SCOPE 8cbae48);
//! `compat = kvpress` is the real-valued rule of NVIDIA/kvpress 8bb29b9, where `budget` stands for the window plus the
//! share kept. Scores and defaults: `observation.rs`. A later turn is treated as in `snap_kv`. Role: keeps.

use super::{
    Param, Params, Role, Row, Shape,
    observation::{GROUP, KERNEL, Observation, POOLING, WINDOW},
};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "pyramid_kv",
    title: "PyramidKV",
    summary: "SnapKV with a budget that shrinks from layer to layer.",
    paper: Some("2406.02069"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("budget", 256, 1..=1 << 20, "prompt tokens kept in a KV head on average, the window included")
            .budget(),
        Param::real("beta", "", 20.0, 1.0..=1000.0, "steepness: the last layer gets a beta-th of the average"),
        WINDOW,
        KERNEL,
        POOLING,
        GROUP,
        Param::choice("compat", &["none", "scope", "kvpress"], "whose rule of budgets; none: KVCache-Factory's"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (budget, observation) = (p.int("budget")?, Observation::of(p)?);
    p.require("window", observation.window <= budget, || format!("at most the budget ({budget})"))?;
    let rule = match p.choice("compat")? {
        "none" => Budgets::KvCacheFactory,
        "scope" => Budgets::Scope,
        _ => Budgets::Kvpress,
    };
    let retain = PyramidKv { budget, beta: p.real("beta")?, observation, rule };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// Whose rule of budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgets {
    /// Steps of `(b - a) / (layers - 1)`, rounded down.
    KvCacheFactory,
    /// Steps of `(b - a) / layers`, rounded down.
    Scope,
    /// Real-valued, rounded half to even.
    Kvpress,
}

/// The retain role.
#[derive(Debug)]
pub struct PyramidKv {
    /// Tokens kept on average.
    pub budget: u32,
    /// Steepness.
    pub beta: f32,
    /// Scores.
    pub observation: Observation,
    /// Whose budgets.
    pub rule: Budgets,
}

impl PyramidKv {
    /// Tokens that a layer of `layers` keeps of `live`, window included.
    #[must_use]
    pub fn budget(&self, layer: u32, layers: u32, live: u32) -> u32 {
        let window = self.observation.window;
        let free = self.budget - window;
        if self.rule == Budgets::Kvpress {
            return self.kvpress(layer, layers, live);
        }
        if live < self.budget {
            return live;
        }
        if live < 2 * free {
            return self.budget;
        }
        let mut last = (f64::from(free) / f64::from(self.beta)) as u32;
        let mut first = 2 * free - last;
        if first >= live.saturating_sub(window) {
            first = live.saturating_sub(window);
            last = 2 * free - first;
        }
        let steps = if self.rule == Budgets::Scope { layers } else { layers - 1 };
        window + first - layer * (first.saturating_sub(last) / steps.max(1))
    }

    fn kvpress(&self, layer: u32, layers: u32, live: u32) -> u32 {
        let (window, n) = (f64::from(self.observation.window), f64::from(live));
        let free = f64::from(self.budget) - window;
        let mut last = free / f64::from(self.beta);
        let mut first = 2.0 * free - last;
        if first >= n - window {
            first = n - window;
            last = 2.0 * free - first;
        }
        if !(n >= first && first >= last && last >= window) {
            return free.round_ties_even() as u32;
        }
        let step = (first - last) / f64::from(layers.saturating_sub(1).max(1));
        (first - f64::from(layer) * step).round_ties_even() as u32
    }
}

impl Retain for PyramidKv {
    fn holds(&self, of: &Extent) -> Holds {
        of.with_prompt(self.budget(of.layer, of.layers, of.prompt))
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.observation.wants(at)
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Site { layer, layers, live, .. } = cx.site;
        let budget = self.budget(layer, layers, live);
        let Some(mass) = mass.filter(|_| live > budget) else { return Ok(Edit::None) };
        let scores = self.observation.scores(cx, mass)?;
        Ok(Edit::Keep(cx.ops.top_k(scores, budget, self.observation.pins())?))
    }
}
