//! FlexPrefill: every query head's last block of queries decides how much of the prompt is read, block by block.
//!
//! Paper: arXiv 2502.20766. Reference: bytedance/FlexPrefill a24b27b, `flex_prefill/ops/flex_prefill_attention.py`
//! (`get_active_blocks`). A head whose pooled estimate predicts where that block looks (distance below `tau`) reads
//! what a map of pooled queries and keys says; all others read vertical and slash lines, as many as cover `gamma` of
//! the block's attention. Decoding is dense, nothing is dropped.
//!
//! Like the code and unlike the paper's Algorithm 3, lines are counted token by token but taken as whole blocks. Like
//! the paper and unlike the code, the map's block that crosses `gamma` is taken; lines become blocks by the block size,
//! not by a constant 128. `compat = published_code` does both as the code does. A block without any mass counts as 0
//! in the distance, where the code gets NaN. The code wants the whole prompt in one call: so does this; a pass on top
//! of earlier rows (a second turn) is dense. Grouped heads choose apart (`gqa_interleave` is a property of models that
//! are not run here).
//!
//! `variant = sketch`: one complexity for all heads of a layer, the normalised entropy of the last block's attention
//! or a given number: above 0.7 a local window, above 0.3 every `stride`-th block back, else everything.
//! Role: reads (prompts).

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "flex_prefill",
    title: "FlexPrefill",
    summary: "Reads of the prompt only the blocks that each head's last queries point to. Nothing is dropped.",
    paper: Some("2502.20766"),
    roles: &[Role::Prefill],
    whole: false,
    params: &[
        Param::choice("variant", &["paper", "sketch"], "the paper's algorithm, or one pattern for all heads"),
        Param::real(
            "gamma",
            "share of attention",
            0.95,
            0.0..=1.0,
            "attention of the last block to cover; 0 and 1 excluded",
        ),
        Param::real(
            "tau",
            "distance",
            0.1,
            0.0..=1.0,
            "estimates nearer than this are trusted; 0: none, above 0.833: all",
        ),
        Param::tokens("block", 128, 16..=128, "tokens of a block: 16, 32, 64 or 128"),
        Param::tokens("min_budget", 1024, 1..=1 << 20, "least tokens a head reads in each direction").budget(),
        Param::tokens("max_budget", 1 << 20, 1..=1 << 20, "most tokens a head reads in each direction"),
        Param::choice(
            "compat",
            &["none", "published_code"],
            "whether to repeat what the published code does otherwise",
        ),
        Param::real(
            "complexity",
            "",
            -1.0,
            -1.0..=1.0,
            "sketch: complexity from 0 to 1; below 0: measured in every layer",
        ),
        Param::tokens("window", 256, 1..=1 << 20, "sketch: newest tokens read where complexity is high"),
        Param::blocks("stride", 4, "sketch: blocks from one that is read to the next in the middle range"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (block, gamma) = (p.int("block")?, p.real("gamma")?);
    p.require("block", block.is_power_of_two(), || "16, 32, 64 or 128".to_owned())?;
    p.require("gamma", gamma > 0.0 && gamma < 1.0, || "a number between 0 and 1, neither of them".to_owned())?;
    let (min_budget, max_budget) = (p.int("min_budget")?, p.int("max_budget")?);
    p.require("max_budget", min_budget <= max_budget, || format!("at least min_budget ({min_budget})"))?;
    let select: Box<dyn Select> = if p.choice("variant")? == "sketch" {
        let (complexity, window, stride) = (p.real("complexity")?, p.int("window")?, p.int("stride")?);
        Box::new(OnePattern { block, window, stride, complexity: (complexity >= 0.0).then_some(complexity) })
    } else {
        let published = p.choice("compat")? == "published_code";
        Box::new(FlexPrefill { gamma, tau: p.real("tau")?, block, min_budget, max_budget, published })
    };
    Ok(Method { select, ..Method::full() })
}

/// The select role.
#[derive(Debug)]
pub struct FlexPrefill {
    /// Attention of the last block to cover.
    pub gamma: f32,
    /// Distance below which the pooled estimate is trusted.
    pub tau: f32,
    /// Tokens of a block.
    pub block: u32,
    /// Least tokens in each direction.
    pub min_budget: u32,
    /// Most tokens in each direction.
    pub max_budget: u32,
    /// As the published code.
    pub published: bool,
}

/// The sink, or block 0.
const SINK: Pins = Pins { sinks: 1, recent: 0 };
/// The main diagonal, the last of the slash lines.
const DIAGONAL: Pins = Pins { sinks: 0, recent: 1 };

/// True for a whole prompt: a pass that holds all there is.
fn is_prompt(at: &Site) -> bool {
    at.kind == PassKind::Prefill && at.rows == at.live
}

/// What one direction of a probe comes to.
struct Lines {
    /// Mass by block.
    sums: Scores,
    /// Blocks that stand for the lines that cover `gamma`.
    chosen: Set,
    /// As few as the budget allows.
    fewest: Set,
}

impl FlexPrefill {
    fn lines(&self, ops: &mut dyn Ops, mass: Scores, pins: Pins) -> Result<Lines> {
        let unit = if self.published { 128 } else { self.block };
        let (min, max) = (self.min_budget.div_ceil(self.block), self.max_budget.div_ceil(self.block));
        let count = ops.cover(mass, self.gamma)?;
        let sums = ops.by_block(mass, self.block)?;
        let chosen = ops.top_counted(sums, Take { count, extra: unit as i32, unit, min, max }, pins)?;
        Ok(Lines { sums, chosen, fewest: ops.top_k(sums, min, pins)? })
    }

    /// The blocks whose pooled queries and keys promise `gamma` of all attention.
    fn mapped(&self, ops: &mut dyn Ops, kv: Kv) -> Result<Set> {
        let map = ops.block_scores(kv, self.block, Pooled::Blocks)?;
        let count = ops.cover(map, self.gamma)?;
        let extra = if self.published { -1 } else { 0 };
        ops.top_counted(map, Take { count, extra, unit: 1, min: 0, max: u32::MAX }, Pins::default())
    }
}

impl Select for FlexPrefill {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let (size, rows, kv, ops) = (self.block, cx.site.rows, cx.kv, &mut *cx.ops);
        if !is_prompt(&cx.site) || rows <= (2 * size).max(self.min_budget.next_multiple_of(size)) {
            return Ok(Read::All);
        }
        let blocks = rows.div_ceil(size);
        let [vertical, slash] = ops.probe(kv, size)?;
        let (vertical, slash) = (self.lines(ops, vertical, SINK)?, self.lines(ops, slash, DIAGONAL)?);
        let lines = ops.pairs(vertical.chosen, slash.chosen, blocks)?;
        if self.tau == 0.0 {
            return Ok(Read::Blocks { pairs: lines, size });
        }
        let estimate = ops.block_scores(kv, size, Pooled::Newest)?;
        let distance = ops.js_distance(estimate, vertical.sums)?;
        let fewest = ops.pairs(vertical.fewest, slash.fewest, blocks)?;
        let mapped = self.mapped(ops, kv)?;
        let aware = ops.union(fewest, mapped)?;
        Ok(Read::Blocks { pairs: ops.choose(distance, self.tau, aware, lines)?, size })
    }
}

/// The sketch: one of three patterns for all heads.
#[derive(Debug)]
pub struct OnePattern {
    /// Tokens of a block.
    pub block: u32,
    /// Newest tokens read where complexity is high, rounded up to whole blocks before the query's own.
    pub window: u32,
    /// Blocks from one that is read to the next in the middle range.
    pub stride: u32,
    /// From 0 to 1; `None`: measured.
    pub complexity: Option<f32>,
}

/// Above it attention is local.
const LOCAL: f32 = 0.7;
/// Above it attention is strided.
const STRIDED: f32 = 0.3;

impl Select for OnePattern {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let (size, rows) = (self.block, cx.site.rows);
        if !is_prompt(&cx.site) || rows <= size || self.complexity.is_some_and(|c| c <= STRIDED) {
            return Ok(Read::All);
        }
        let blocks = rows.div_ceil(size);
        let mut diagonals = |back: &dyn Fn(u32) -> bool| {
            let columns: Vec<u32> = (0..blocks).filter(|column| back(blocks - 1 - column)).collect();
            let (none, slash) = (cx.ops.listed(&[])?, cx.ops.listed(&columns)?);
            cx.ops.pairs(none, slash, blocks)
        };
        let local = diagonals(&|back| back <= self.window.div_ceil(size))?;
        let strided = diagonals(&|back| back.is_multiple_of(self.stride))?;
        let pairs = match self.complexity {
            Some(complexity) if complexity > LOCAL => local,
            Some(_) => strided,
            None => {
                let all = diagonals(&|_| true)?;
                let [mass, _] = cx.ops.probe(cx.kv, size)?;
                let complexity = cx.ops.entropy(mass)?;
                // `choose` says "below", the rule "above": at a cut itself the lower pattern holds.
                let upper = cx.ops.choose(complexity, LOCAL.next_up(), strided, local)?;
                cx.ops.choose(complexity, STRIDED.next_up(), all, upper)?
            }
        };
        Ok(Read::Blocks { pairs, size })
    }
}
