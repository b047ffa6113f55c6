//! H2O (heavy-hitter oracle): keeps the tokens that have received most attention so far, and the newest ones.
//!
//! Paper: arXiv 2306.14048. Reference: FMInference/H2O ac75c2a, `h2o_hf/utils_real_drop` (`H2OKVCache_LayerWise`),
//! which drops rows physically. The code has as many KV heads as query heads; with grouped heads the scores of a
//! group are summed or averaged (project rule; the sets are the same). The default budgets are tokens, not the paper's
//! shares of the prompt. Role: keeps.
//!
//! - `prompt_only`: drops after a prompt and never while decoding, as Zefan-Cai/KVCache-Factory c97f9d7 and SCOPE do.
//! - `compat = scope`: Linking-ai/SCOPE 8cbae48 masks only the newest `recent` x `recent` block of a prompt, so older
//!   queries see the future.
//! - `compat = masked_simulation`: `h2o_hf/utils_hh/modify_llama.py` drops nothing and hides tokens. The slot that just
//!   left the newest `recent` is neither recent nor a candidate, so it is hidden once whatever its score, and may come
//!   back; all other hidden tokens lose their score. Role: reads.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "h2o",
    title: "H2O",
    summary: "Keeps the tokens with the largest attention sum so far (heavy hitters) and the newest ones.",
    paper: Some("2306.14048"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("heavy", 128, 0..=1 << 20, "heavy hitters kept").budget(),
        Param::tokens("recent", 128, 1..=1 << 20, "newest tokens kept").budget(),
        Param::choice("group", &["sum", "mean"], "how the query heads of a KV head are joined"),
        Param::flag("prompt_only", false, "drop tokens after a prompt only"),
        Param::choice("compat", &["none", "scope", "masked_simulation"], "behaviour of published code instead"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let group = if p.choice("group")? == "sum" { Reduce::Sum } else { Reduce::Mean };
    let (heavy, recent, prompt_only) = (p.int("heavy")?, p.int("recent")?, p.flag("prompt_only")?);
    let compat = p.choice("compat")?;
    if compat == "masked_simulation" {
        p.require("prompt_only", !prompt_only, || "false when tokens are only hidden".to_owned())?;
        return Ok(Method { select: Box::new(Masked { heavy, recent, group }), ..Method::full() });
    }
    let retain = H2o { heavy, recent, group, prompt_only, unmasked: compat == "scope" };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct H2o {
    /// Heavy hitters kept.
    pub heavy: u32,
    /// Newest tokens kept.
    pub recent: u32,
    /// How the query heads of a KV head are joined.
    pub group: Reduce,
    /// Drop tokens after a prompt only.
    pub prompt_only: bool,
    /// Score a prompt without the causal mask, as SCOPE does.
    pub unmasked: bool,
}

impl H2o {
    /// The score column: attention received so far.
    pub const SCORE: &str = "h2o.score";
}

impl Retain for H2o {
    fn bound(&self) -> Option<u32> {
        (!self.prompt_only).then_some(self.heavy + self.recent)
    }
    fn holds(&self, of: &Extent) -> Holds {
        let budget = self.heavy + self.recent;
        if self.prompt_only { of.with_prompt(budget) } else { Holds::rows(of.rows().min(budget)) }
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        let prompt = at.kind == PassKind::Prefill;
        let asks = if prompt { !self.unmasked } else { !self.prompt_only };
        asks.then_some(all_queries(self.group))
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let prompt = cx.site.kind == PassKind::Prefill;
        if self.prompt_only && !prompt {
            return Ok(Edit::None);
        }
        let mass = match mass {
            Some(mass) => joined(cx, mass, self.group)?,
            None => {
                let mass = cx.ops.unmasked_mass(cx.kv, self.recent)?;
                cx.ops.regroup(mass, Group::Kv, self.group)?
            }
        };
        let score = cx.ops.column(cx.kv, Self::SCORE, Fresh::Value(0.0))?;
        // Without a score kept up while decoding a prompt's own queries decide.
        cx.ops.accumulate(score, mass, if self.prompt_only { 0.0 } else { 1.0 })?;
        let budget = self.heavy + self.recent;
        if cx.site.live <= budget {
            return Ok(Edit::None);
        }
        Ok(Edit::Keep(cx.ops.top_k(score, budget, Pins { sinks: 0, recent: self.recent })?))
    }
}

/// A sum comes joined from attention.
fn all_queries(group: Reduce) -> Mass {
    Mass { rows: u32::MAX, per: if group == Reduce::Sum { Group::Kv } else { Group::Query } }
}

fn joined(cx: &mut LayerCx, mass: Scores, group: Reduce) -> Result<Scores> {
    if group == Reduce::Sum { Ok(mass) } else { cx.ops.regroup(mass, Group::Kv, group) }
}

/// The select role of `compat = masked_simulation`.
#[derive(Debug)]
pub struct Masked {
    /// Heavy hitters seen.
    pub heavy: u32,
    /// Newest tokens seen.
    pub recent: u32,
    /// How the query heads of a KV head are joined.
    pub group: Reduce,
}

impl Masked {
    /// The column that says what the next pass sees: 1, or 0 for hidden tokens.
    pub const SEEN: &str = "h2o.seen";
}

impl Select for Masked {
    fn needs(&self) -> Needs {
        Needs { heads: Heads::Even, ..Needs::default() }
    }
    fn wants(&self, _: &Site) -> Option<Mass> {
        Some(all_queries(self.group))
    }
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let (seen, before) = (self.heavy + self.recent, cx.site.live - cx.site.rows);
        if cx.site.kind == PassKind::Prefill || before <= seen {
            return Ok(Read::All);
        }
        let column = cx.ops.column(cx.kv, Self::SEEN, Fresh::Value(1.0))?;
        Ok(Read::Slots(cx.ops.top_k(column, seen, Pins::default())?))
    }
    fn learn(&mut self, cx: &mut LayerCx, mass: Scores) -> Result<()> {
        let (budget, live) = (self.heavy + self.recent, cx.site.live);
        let mass = joined(cx, mass, self.group)?;
        let score = cx.ops.column(cx.kv, H2o::SCORE, Fresh::Value(0.0))?;
        cx.ops.accumulate(score, mass, 1.0)?;
        let seen = cx.ops.column(cx.kv, Self::SEEN, Fresh::Value(1.0))?;
        if live <= budget {
            return Ok(());
        }
        let kept = cx.ops.top_k(score, budget, Pins { sinks: 0, recent: self.recent })?;
        let gone = cx.ops.mark(cx.kv, kept, 0.0, 1.0)?;
        cx.ops.stamp(score, gone, 0.0)?;
        let stays = cx.ops.mark(cx.kv, kept, 1.0, 0.0)?;
        cx.ops.accumulate(seen, stays, 0.0)?;
        let leaving = live - self.recent;
        let others = cx.ops.except(cx.kv, leaving..leaving + 1)?;
        let leaving = cx.ops.mark(cx.kv, others, 0.0, 1.0)?;
        cx.ops.stamp(seen, leaving, 0.0)
    }
}
