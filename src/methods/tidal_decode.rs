//! TidalDecode: two layers look at every key and publish the best positions; the layers after them read only those.
//!
//! Paper: arXiv 2410.05076. Reference: DerrickYLJ/TidalDecode d67a1bd, `src/tidal_build/modify_llama.py`
//! (`llama_tidal_attention_forward`); its CUDA engine is a latency harness and no reference. Nothing is evicted.
//! The current token is not forced into the set. `share = all_heads` is the rule of LessIsMore (arXiv 2508.07101):
//! one set for all heads, part of it the newest tokens. The re-selection layer is calibrated per model; the default
//! is the published layer 13 of 32, scaled to the depth at hand. `sinks` and `recent` force tokens into every set, which
//! the published code does not. Where a retain role drops tokens, layer by layer, the set holds positions: a layer reads
//! those of them that it still has.
//!
//! `correct_every`: the paper's KV correction, which no published code has. Keys and values of tokens that were decoded
//! sparsely differ from those of full attention; after so many of them, and before a further prompt, they are computed
//! anew in one dense pass. Tokens that were given out stay.
//!
//! `variant = sketch`: query i reads keys i-w <= j <= i with w = floor(n (1 - sparsity) / 2), in every layer.
//! Roles: reads, runs.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "tidal_decode",
    title: "TidalDecode",
    summary: "Two layers choose the tokens worth reading; all layers after them read only those. Nothing is dropped.",
    paper: Some("2410.05076"),
    roles: &[Role::Select, Role::Schedule],
    whole: false,
    params: &[
        Param::choice("variant", &["paper", "sketch"], "the paper's algorithm, or a band of newest tokens"),
        Param::tokens("top_k", 256, 1..=1 << 20, "tokens each head reads in a sparse layer").budget(),
        Param::layer("start_layer", 2, "first layer that selects; the layers before it read all"),
        Param::layer_list("reselect_layers", "later layers that select again; empty: one, at 13/32 of the depth"),
        Param::choice("share", &["query_head", "kv_group", "all_heads"], "which heads share a set"),
        Param::real("recent_share", "share of top_k", 0.0, 0.0..=1.0, "newest tokens in the set; only for all_heads"),
        Param::tokens("sinks", 0, 0..=1 << 20, "first tokens in every set"),
        Param::tokens("recent", 0, 0..=1 << 20, "newest tokens in every set"),
        Param::tokens(
            "correct_every",
            0,
            0..=1 << 20,
            "tokens after which their keys and values are computed anew; 0: never",
        ),
        Param::real("sparsity", "share of the text", 0.8, 0.0..=1.0, "sketch: share that is not read"),
    ],
    build,
};

fn build(p: &Params, shape: &Shape) -> Result<Method> {
    if p.choice("variant")? == "sketch" {
        return Ok(Method { select: Box::new(Band { sparsity: p.real("sparsity")? }), ..Method::full() });
    }
    let start = p.int("start_layer")?;
    let mut reselect = p.list("reselect_layers")?;
    p.require("reselect_layers", reselect.iter().all(|&layer| layer > start), || {
        format!("layers after start_layer ({start}), ascending")
    })?;
    if reselect.is_empty() {
        let layer = shape.layers * 13 / 32;
        p.require("start_layer", start < layer || !p.is_given("start_layer"), || {
            format!("a layer before {layer}, which selects again when no reselect_layers are given")
        })?;
        reselect.push(layer);
    }
    let top_k = p.int("top_k")?;
    let share = match p.choice("share")? {
        "query_head" => Share::QueryHead,
        "kv_group" => Share::KvGroup,
        _ => Share::AllHeads { recent: (top_k as f32 * p.real("recent_share")?) as u32 },
    };
    let pins = Pins { sinks: p.int("sinks")?, recent: p.int("recent")? };
    let select = Box::new(TidalDecode { start, reselect, top_k, pins, share, held: None });
    let schedule: Box<dyn Schedule> = match p.int("correct_every")? {
        0 => Box::new(Plain),
        every => Box::new(Correction { every, clean: 0 }),
    };
    Ok(Method { select, schedule, ..Method::full() })
}

/// Which heads read the same set.
#[derive(Clone, Copy, Debug)]
pub enum Share {
    /// Each query head its own.
    QueryHead,
    /// The union of a KV head's group.
    KvGroup,
    /// One for all.
    AllHeads {
        /// Newest tokens in it.
        recent: u32,
    },
}

/// The select role.
#[derive(Debug)]
pub struct TidalDecode {
    /// First selecting layer.
    pub start: u32,
    /// Later selecting layers.
    pub reselect: Vec<u32>,
    /// Tokens a head.
    pub top_k: u32,
    /// Tokens in every set.
    pub pins: Pins,
    /// Which heads share.
    pub share: Share,
    /// The positions in force; a new pass starts with none.
    pub held: Option<Set>,
}

impl TidalDecode {
    fn selects(&self, at: &Site) -> bool {
        at.kind == PassKind::Decode
            && (at.layer == self.start || (at.layer > self.start && self.reselect.contains(&at.layer)))
    }
}

impl Select for TidalDecode {
    fn needs(&self) -> Needs {
        let heads = if matches!(self.share, Share::AllHeads { .. }) { Heads::Alike } else { Heads::Uneven };
        Needs { heads, ..Needs::default() }
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.selects(at).then_some(Mass { rows: 1, per: Group::Query })
    }
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        if cx.site.layer == 0 {
            self.held = None;
        }
        Ok(match self.held {
            Some(positions) if !self.selects(&cx.site) => Read::Slots(cx.ops.at_positions(cx.kv, positions)?),
            _ => Read::All,
        })
    }
    fn learn(&mut self, cx: &mut LayerCx, mass: Scores) -> Result<()> {
        let set = match self.share {
            Share::QueryHead => cx.ops.top_k(mass, self.top_k, self.pins)?,
            Share::KvGroup => {
                let own = cx.ops.top_k(mass, self.top_k, self.pins)?;
                cx.ops.union_by_kv(own)?
            }
            Share::AllHeads { recent } => {
                let pins = Pins { recent: recent.max(self.pins.recent), ..self.pins };
                cx.ops.top_k_shared(mass, self.top_k, pins)?
            }
        };
        self.held = Some(cx.ops.positions(cx.kv, set)?);
        Ok(())
    }
}

/// The schedule with KV correction.
#[derive(Debug)]
pub struct Correction {
    /// Tokens decoded sparsely before they are computed anew.
    pub every: u32,
    /// Positions below it hold keys and values of full attention.
    pub clean: u32,
}

impl Schedule for Correction {
    /// A role that keeps scores would count the attention of the same tokens twice.
    fn needs(&self) -> Needs {
        Needs { everything: true, ..Needs::default() }
    }
    fn next(&mut self, text: &Text) -> Option<Pass> {
        let pass = Plain.next(text)?;
        self.clean = self.clean.min(text.fed);
        let polluted = self.clean..text.fed;
        let due = if pass.kind == PassKind::Decode { self.every } else { 1 };
        if polluted.len() as u32 >= due {
            self.clean = text.fed;
            return Some(Pass::new(PassKind::Correct, polluted));
        }
        if pass.kind != PassKind::Decode {
            self.clean = pass.rows.end;
        }
        Some(pass)
    }
    fn restart(&mut self) {
        self.clean = 0;
    }
    fn state(&mut self) -> Vec<&mut u32> {
        vec![&mut self.clean]
    }
}

/// The sketch: a band that depends on positions alone.
#[derive(Debug)]
pub struct Band {
    /// Share of the text that is not read.
    pub sparsity: f32,
}

impl Select for Band {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let half = (cx.site.live as f32 * (1.0 - self.sparsity) / 2.0).floor() as u32;
        Ok(Read::Window(half + 1))
    }
}
