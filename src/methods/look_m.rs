//! LOOK-M: after a prompt with pictures, keeps all text, the best picture tokens and a recent window; every picture
//! token it drops is merged into the kept key it is most like. Decoding drops nothing.
//!
//! Paper: arXiv 2406.18139. Reference: SUSTechBruce/LOOK-M ecf0f51, `modify_llama.py`. Scores are attention sums over
//! all queries of the prompt. Text comes first by a two-level key, not by the code's subtraction of 65516, which rounds
//! picture scores away. With more text than `important` all of it stays, over the budget. The code has as many KV heads
//! as query heads and fails on others; here a group's scores are summed (project rule). Budgets are tokens, not shares
//! of the prompt. A later turn, undefined upstream, compresses its own rows only; a prompt without pictures is kept.
//!
//! `compat = published_code`: `averaged` and `weighted` leave rows out by a filter on their cosines and `averaged` pairs
//! them wrongly ([`Fold`]); merging without text prior forces the first four positions.
//! `merge = normalised_weighted` is this project's option.
//!
//! `keep_by = random` is the control that a choice by attention is compared with: the same rule, with random numbers for
//! scores.
//!
//! `variant = sketch`: two pools, also while decoding. Text gets `text_priority_ratio` of the budget and loses what was
//! used longest ago; pictures get the rest and lose what got least attention.
//! Role: keeps.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "look_m",
    title: "LOOK-M",
    summary: "Keeps all text and the best picture tokens of a prompt; the others are merged into the nearest kept key.",
    paper: Some("2406.18139"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::choice(
            "variant",
            &["paper", "sketch"],
            "the paper's algorithm, or a pool for text and one for pictures",
        ),
        Param::tokens("important", 128, 0..=1 << 20, "tokens kept by attention, text first").budget(),
        Param::tokens("recent", 128, 0..=1 << 20, "newest prompt tokens kept").budget(),
        Param::flag("text_prior", true, "text is kept before any picture"),
        Param::choice(
            "keep_by",
            &["attention", "random"],
            "what counts among pictures: the attention they got, or nothing",
        ),
        Param::choice(
            "merge",
            &["pivotal", "averaged", "weighted", "normalised_weighted", "none"],
            "how a dropped token goes into the nearest kept one",
        ),
        Param::choice("compat", &["none", "published_code"], "the published code's filter, pairing and forced tokens"),
        Param::real("text_priority_ratio", "share of the budget", 0.7, 0.0..=1.0, "sketch: the pool of text"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (important, recent) = (p.int("important")?, p.int("recent")?);
    if p.choice("variant")? == "sketch" {
        let budget = important + recent;
        p.require("important", budget >= 2, || "important + recent >= 2, a token for each pool".to_owned())?;
        let text = ((budget as f32 * p.real("text_priority_ratio")?) as u32).clamp(1, budget - 1);
        return Ok(Method { retain: Box::new(TwoPools { text, pictures: budget - text }), ..Method::full() });
    }
    let (text_prior, published) = (p.flag("text_prior")?, p.choice("compat")? == "published_code");
    let merge = match p.choice("merge")? {
        "none" => None,
        "pivotal" => Some(Fold::Pivotal),
        "averaged" if published => Some(Fold::PublishedAveraged),
        "averaged" => Some(Fold::Averaged),
        "weighted" if published => Some(Fold::PublishedWeighted),
        "weighted" => Some(Fold::Weighted),
        _ => Some(Fold::NormalisedWeighted),
    };
    let forced = if published && !text_prior && merge.is_some() { 4.min(important) } else { 0 };
    let random = p.choice("keep_by")? == "random";
    let retain = LookM { important, recent, text_prior, random, merge, forced };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct LookM {
    /// Tokens kept by attention.
    pub important: u32,
    /// Newest tokens kept.
    pub recent: u32,
    /// Text is kept before any picture.
    pub text_prior: bool,
    /// Pictures have random scores.
    pub random: bool,
    /// How a dropped row goes into the nearest kept one; `None`: it just goes.
    pub merge: Option<Fold>,
    /// First positions that count as important whatever their score.
    pub forced: u32,
}

impl Retain for LookM {
    /// Without pictures all stays. Of a prompt with pictures its newest tokens are taken to be text.
    fn holds(&self, of: &Extent) -> Holds {
        let text = if self.text_prior { of.prompt - of.pictures } else { 0 };
        let important = self.important.max(text.saturating_sub(self.recent));
        of.with_prompt(if of.pictures == 0 { of.prompt } else { important + self.recent })
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        (at.kind == PassKind::Prefill).then_some(Mass { rows: u32::MAX, per: Group::Kv })
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Site { rows, live, position, .. } = cx.site;
        let Some(mass) = mass else { return Ok(Edit::None) };
        let budget = self.important + self.recent;
        if rows <= budget || !cx.ops.has_pictures(position + 1 - rows) {
            return Ok(Edit::None);
        }
        let scores = match self.random {
            true => cx.ops.column(cx.kv, "look_m.random", Fresh::Random)?,
            false => cx.ops.regroup(mass, Group::Kv, Reduce::Sum)?,
        };
        if self.text_prior {
            let text = cx.ops.pictures(cx.kv, 0.0, 1.0)?;
            cx.ops.stamp(scores, text, f32::INFINITY)?;
        }
        let before = live - rows;
        let pins = Pins { sinks: before + self.forced, recent: self.recent };
        let keep = cx.ops.top_k(scores, before + budget, pins)?;
        Ok(self.merge.map_or(Edit::Keep(keep), |how| Edit::Fold { keep, how }))
    }
}

/// The sketch: a pool for text and one for pictures.
#[derive(Debug)]
pub struct TwoPools {
    /// Text tokens kept, at least 1.
    pub text: u32,
    /// Picture tokens kept, at least 1.
    pub pictures: u32,
}

impl Retain for TwoPools {
    fn bound(&self) -> Option<u32> {
        Some(self.text + self.pictures)
    }
    /// What one pool does not need stays empty.
    fn holds(&self, of: &Extent) -> Holds {
        let pictures = of.pictures.min(self.pictures);
        let most = of.rows().min(self.text + self.pictures);
        Holds { most, ..Holds::rows((of.rows() - of.pictures).min(self.text) + pictures) }
    }
    fn wants(&self, _: &Site) -> Option<Mass> {
        Some(Mass { rows: 1, per: Group::Kv })
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let Some(mass) = mass else { return Ok(Edit::None) };
        let Site { group, rows, position, live, .. } = cx.site;
        let last = cx.ops.column(cx.kv, "look_m.last", Fresh::Position)?;
        let sum = cx.ops.column(cx.kv, "look_m.sum", Fresh::Value(0.0))?;
        // A use is an even share of the group's attention or more, as in `lru`.
        let used = cx.ops.used(mass, group as f32, rows)?;
        cx.ops.stamp(last, used, position as f32)?;
        cx.ops.accumulate(sum, mass, 1.0)?;
        if live <= self.text.min(self.pictures) {
            return Ok(Edit::None);
        }
        let mut pool = |score, is_text: bool, k| {
            let score = cx.ops.regroup(score, Group::Kv, Reduce::Sum)?;
            let (picture, text) = if is_text { (1.0, 0.0) } else { (0.0, 1.0) };
            let others = cx.ops.pictures(cx.kv, picture, text)?;
            cx.ops.stamp(score, others, f32::NEG_INFINITY)?;
            cx.ops.top_k(score, k, Pins::default())
        };
        let (text, pictures) = (pool(last, true, self.text)?, pool(sum, false, self.pictures)?);
        // Both sets as one: always, or never.
        let both = cx.ops.mark(cx.kv, text, f32::INFINITY, f32::NEG_INFINITY)?;
        let pictures = cx.ops.mark(cx.kv, pictures, 1.0, 0.0)?;
        cx.ops.stamp(both, pictures, f32::INFINITY)?;
        Ok(Edit::Keep(cx.ops.top_k(both, 0, Pins::default())?))
    }
}
