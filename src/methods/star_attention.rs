//! Star Attention: the context is read in blocks that see only themselves and an anchor, its first tokens; question and
//! answer see everything. Blocks may lie on several hosts, which then exchange one partial result a layer and token.
//!
//! Paper: arXiv 2411.17116. Reference: NVIDIA/Star-Attention c61059f, `model.py` and `star_flash_attn/`. On one host the
//! anchor is not computed again for every block: its rows are those of block 0 itself (the reference recomputes them to
//! avoid communication; keys and values are the same). The last round of a prompt is the question; of a prompt that is
//! one round, its newest `query_tokens`. Hosts must not be more than blocks, where the reference fails later. The merge
//! is shifted by the largest log-sum-exp; the reference overflows at gaps beyond 88.
//!
//! `compat = published_code`: on hosts that do not store the question its row r of n misses their newest n - 1 - r keys.
//! `variant = sketch`: a block reads itself and the `num_blocks` - 1 blocks before it, also while decoding.
//! A retain role beside it sees every block as a prompt of its own.
//! Role: runs. [`Plan`] says which host does what.

use super::{Param, Params, Role, Row, Shape, Value};
use crate::{Error, Result, method::*, ops::*};
use std::ops::Range;

/// Registry row.
pub const ROW: Row = Row {
    name: "star_attention",
    title: "Star Attention",
    summary: "Reads the context in blocks that see only themselves and its beginning; question and answer see all of it.",
    paper: Some("2411.17116"),
    roles: &[Role::Schedule],
    whole: false,
    params: &[
        Param::choice(
            "variant",
            &["paper", "sketch"],
            "blocks with an anchor, or each block with those just before it",
        ),
        Param::tokens("block_size", 0, 0..=1 << 20, "tokens of a block; 0: a quarter of the context, 64 in the sketch")
            .budget(),
        Param::tokens("anchor_size", 1 << 20, 0..=1 << 20, "first tokens that every block sees, at most a block"),
        Param::tokens("query_tokens", 64, 1..=1 << 20, "question at the end of a prompt that is one round"),
        Param::choice("compat", &["none", "published_code"], "on several hosts: the published code's causal cut"),
        Param::blocks("num_blocks", 8, "sketch: blocks a block reads, itself included"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let rule = Rule::new(p)?;
    let schedule: Box<dyn Schedule> = if p.choice("variant")? == "sketch" {
        let size = if rule.block == 0 { 64 } else { rule.block };
        Box::new(Neighbours { size, blocks: p.int("num_blocks")? })
    } else {
        Box::new(Star { rule, plan: None })
    };
    Ok(Method { schedule, ..Method::full() })
}

/// Blocks gather the keys they read, which are then out of their slots.
const GATHERED: Needs = Needs { heads: Heads::Uneven, rotated_keys: true, everything: false };

/// How a prompt is cut.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Tokens of a block; 0: a quarter of the context.
    pub block: u32,
    /// First tokens that every block sees; at most a block counts.
    pub anchor: u32,
    /// Tokens of the question where the prompt is one round.
    pub query: u32,
    /// The published code's causal cut.
    pub published: bool,
}

impl Rule {
    /// The rule that parameters of the registry's row describe.
    ///
    /// # Errors
    /// As [`build`](super::build); [`Error::Param`] for the sketch, which runs on one host.
    pub fn given(given: &[(String, Value)], shape: &Shape) -> Result<Rule> {
        let params = Params::check(&ROW, given, shape)?;
        params.require("variant", params.choice("variant")? == "paper", || "paper, on several hosts".to_owned())?;
        Rule::new(&params)
    }

    fn new(p: &Params) -> Result<Rule> {
        let published = p.choice("compat")? == "published_code";
        let (block, anchor, query) = (p.int("block_size")?, p.int("anchor_size")?, p.int("query_tokens")?);
        Ok(Rule { block, anchor, query, published })
    }

    /// The plan for a prompt of `length` tokens whose rounds begin at `rounds`.
    ///
    /// # Errors
    /// [`Error::Param`] for more hosts than blocks, or none.
    pub fn plan(&self, length: u32, rounds: &[u32], hosts: u32) -> Result<Plan> {
        let context = match rounds {
            [_, .., last] => *last,
            _ => length.saturating_sub(self.query),
        };
        let block = if self.block == 0 { context.div_ceil(4).max(1) } else { self.block };
        let plan = Plan { context, block, anchor: self.anchor.min(block), hosts, published: self.published };
        if hosts == 0 || hosts > plan.blocks().max(1) {
            let allowed =
                format!("1 to {}, the blocks of {block} tokens in a context of {context}", plan.blocks().max(1));
            return Err(Error::Param { name: "hosts".into(), got: hosts.to_string(), allowed });
        }
        Ok(plan)
    }
}

/// Which host stores and computes what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Tokens that are read in blocks.
    pub context: u32,
    /// Tokens of a block; the last may have fewer.
    pub block: u32,
    /// Tokens of the anchor, at most a block.
    pub anchor: u32,
    /// Hosts, at most one a block.
    pub hosts: u32,
    /// The published code's causal cut.
    pub published: bool,
}

impl Plan {
    /// Blocks of the context.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.context.div_ceil(self.block)
    }

    /// Positions of the context that a host keeps: whole blocks in order, as evenly as possible, the first hosts one more.
    #[must_use]
    pub fn share(&self, host: u32) -> Range<u32> {
        let (each, more) = (self.blocks() / self.hosts, self.blocks() % self.hosts);
        let first = |host: u32| ((host * each + host.min(more)) * self.block).min(self.context);
        first(host)..first(host + 1)
    }

    /// The pass over the block that begins at `start`.
    fn pass(&self, start: u32) -> Pass {
        let rows = start..(start + self.block).min(self.context);
        Pass { hidden: self.anchor.min(start)..start, ..Pass::new(PassKind::Prefill, rows) }
    }

    /// What host number `host` of several runs. The last one stores the question and the answer; all run them.
    #[must_use]
    pub fn method(self, host: u32) -> Method {
        let last = host + 1 == self.hosts;
        let anchor = if self.share(host).start == 0 { 0 } else { self.anchor };
        Method {
            select: Box::new(HostView { causal_cut: self.published && !last, from: self.context }),
            retain: Box::new(HostRows { share: self.share(host), anchor, grows: last }),
            schedule: Box::new(HostPasses { plan: self, share: self.share(host), anchor, last, done: None }),
        }
    }
}

/// The schedule on one host.
#[derive(Debug)]
pub struct Star {
    /// How prompts are cut.
    pub rule: Rule,
    /// For the text at hand.
    plan: Option<Plan>,
}

impl Schedule for Star {
    fn needs(&self) -> Needs {
        GATHERED
    }
    fn next(&mut self, text: &Text) -> Option<Pass> {
        // Where a text begins; none is made for one that was saved after its prompt.
        if text.fed == 0 {
            self.plan = self.rule.plan(text.accepted, &text.rounds, 1).ok();
        }
        match self.plan {
            Some(plan) if text.fed < plan.context => Some(plan.pass(text.fed)),
            _ => Plain.next(text),
        }
    }
    fn restart(&mut self) {
        self.plan = None;
    }
}

/// The sketch's schedule.
#[derive(Debug)]
pub struct Neighbours {
    /// Tokens of a block.
    pub size: u32,
    /// Blocks a block reads.
    pub blocks: u32,
}

impl Schedule for Neighbours {
    fn needs(&self) -> Needs {
        GATHERED
    }
    fn next(&mut self, text: &Text) -> Option<Pass> {
        let Pass { kind, rows, .. } = Plain.next(text)?;
        let block = rows.start / self.size;
        let rows = rows.start..rows.end.min((block + 1).saturating_mul(self.size));
        let hidden = 0..(block + 1).saturating_sub(self.blocks).saturating_mul(self.size);
        Some(Pass { hidden, ..Pass::new(kind, rows) })
    }
}

/// The schedule of one host of several: the anchor, its blocks, then question and answer together with the others.
#[derive(Debug)]
pub struct HostPasses {
    plan: Plan,
    share: Range<u32>,
    /// Tokens of the anchor that this host computes for itself.
    anchor: u32,
    last: bool,
    /// End of the newest pass over the context; `None`: the anchor is still to be computed.
    done: Option<u32>,
}

impl Schedule for HostPasses {
    fn next(&mut self, text: &Text) -> Option<Pass> {
        let done = match self.done {
            None if self.anchor > 0 => {
                self.done = Some(self.share.start);
                return Some(Pass::new(PassKind::Prefill, 0..self.anchor));
            }
            None => self.share.start,
            Some(done) => done,
        };
        if done < self.share.end {
            let pass = self.plan.pass(done);
            self.done = Some(pass.rows.end);
            return Some(pass);
        }
        let rows = text.fed.max(self.plan.context)..text.accepted;
        if text.accepted >= text.limit || rows.is_empty() {
            return None;
        }
        let kind = if rows.len() > 1 { PassKind::Prefill } else { PassKind::Decode };
        Some(Pass { shared: true, stores: self.last, ..Pass::new(kind, rows) })
    }
    fn restart(&mut self) {
        self.done = None;
    }
}

/// What one host of several keeps: its blocks without the anchor; the last one all that follows, too.
#[derive(Debug)]
pub struct HostRows {
    share: Range<u32>,
    anchor: u32,
    grows: bool,
}

impl Retain for HostRows {
    fn bound(&self) -> Option<u32> {
        (!self.grows).then_some(self.share.end - self.share.start + self.anchor)
    }
    fn edit(&mut self, cx: &mut LayerCx, _: Option<Scores>) -> Result<Edit> {
        let ends = cx.site.position + 1 == self.share.end && cx.site.kind == PassKind::Prefill;
        if !ends || self.anchor == 0 {
            return Ok(Edit::None);
        }
        Ok(Edit::Keep(cx.ops.except(cx.kv, 0..self.anchor)?))
    }
}

/// What one host of several reads: all it has, with the published code's cut or without.
#[derive(Debug)]
pub struct HostView {
    causal_cut: bool,
    /// First position of the question.
    from: u32,
}

impl Select for HostView {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let cut = self.causal_cut && cx.site.position >= self.from;
        Ok(if cut { Read::BottomRight } else { Read::All })
    }
}
