//! Round Attention: at one layer, the watershed, the attention of a new question ranks the earlier rounds of the
//! conversation; all layers above it read only the chosen rounds and the current one, for question and answer alike,
//! and keep the others in the far tier.
//!
//! Paper: arXiv 2502.15294. There is no published code, and only its abstract, a caption and a press text were at hand:
//! the formulas here are this project's, fitted to what is known. A round's score is the attention mass that its tokens
//! get from the question, summed over all query heads; the best rounds are taken until their share of all earlier
//! rounds' mass is `mass_threshold`. The watershed layer is calibrated per model (`attnscope calibrate`). A prompt that
//! holds several rounds is read round by round, each choosing by all of its tokens.
//!
//! `variant = sketch`: importance per round weighed by exp(0.1 i), newer rounds counting more, the best `top_k_rounds`
//! kept; importance is the same mass.
//! Roles: reads, keeps, runs.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "round_attention",
    title: "Round Attention",
    summary: "The new question chooses earlier rounds at one layer; the layers above read only those and park the rest.",
    paper: Some("2502.15294"),
    roles: &[Role::Prefill, Role::Select, Role::Retain, Role::Schedule],
    whole: true,
    params: &[
        Param::choice("variant", &["paper", "sketch"], "rounds by share of attention, or a fixed number of them"),
        Param::layer("watershed_layer", 14, "layer that chooses; if not given, the model's own or half way up"),
        Param::real("mass_threshold", "share", 0.9, 0.0..=1.0, "of the earlier rounds' attention that the chosen get"),
        Param::rounds("k_min", 1, "earlier rounds read at least"),
        Param::rounds("k_max", 1 << 16, "earlier rounds read at most"),
        Param::round_list("always_keep", "rounds that are always read, from 0: a system prompt is round 0"),
        Param::choice(
            "reduce",
            &["question_mean", "last"],
            "whose attention counts: all of the question, or its last token",
        ),
        Param::rounds("top_k_rounds", 5, "sketch: earlier rounds read"),
    ],
    build,
};

fn build(p: &Params, shape: &Shape) -> Result<Method> {
    let watershed = if p.is_given("watershed_layer") { p.int("watershed_layer")? } else { shape.layers / 2 };
    let choice = if p.choice("variant")? == "sketch" {
        Choice::Newer { rounds: p.int("top_k_rounds")? }
    } else {
        let (least, most) = (p.int("k_min")?, p.int("k_max")?);
        p.require("k_min", least <= most, || format!("at most k_max ({most})"))?;
        Choice::Share { of: p.real("mass_threshold")?, least, most }
    };
    let (always, last) = (p.list("always_keep")?, p.choice("reduce")? == "last");
    Ok(Method {
        select: Box::new(RoundAttention { watershed, choice, always, last, held: None }),
        retain: Box::new(ParkRounds { watershed }),
        schedule: Box::new(ByRound),
    })
}

/// How many rounds are chosen.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// The fewest best ones that get more than a share of the attention on earlier rounds.
    Share {
        /// 1: all of them.
        of: f32,
        /// At least so many.
        least: u32,
        /// At most so many.
        most: u32,
    },
    /// The sketch: so many, newer ones counting more; 0: no choice, all are read.
    Newer {
        /// How many.
        rounds: u32,
    },
}

/// The select role.
#[derive(Debug)]
pub struct RoundAttention {
    /// Layer that chooses; it still reads everything itself.
    pub watershed: u32,
    /// How many rounds.
    pub choice: Choice,
    /// Rounds that are always read.
    pub always: Vec<u32>,
    /// Only the question's last token counts.
    pub last: bool,
    /// The slots in force; found anew in every pass.
    pub held: Option<Set>,
}

/// What this pass sees above the watershed. The choice outlives the pass in a score column of the watershed layer: plus
/// infinity (always) for the chosen rounds and all that came after them, minus infinity (never) for the others.
fn visible(ops: &mut dyn Ops, watershed: u32) -> Result<Set> {
    let column = column(ops, Kv(watershed))?;
    ops.top_k(column, 0, Pins::default())
}

fn column(ops: &mut dyn Ops, kv: Kv) -> Result<Scores> {
    ops.column(kv, "round_attention.seen", Fresh::Value(f32::INFINITY))
}

impl Select for RoundAttention {
    fn wants(&self, at: &Site) -> Option<Mass> {
        let chooses = at.layer == self.watershed && at.kind == PassKind::Prefill && at.round > 0;
        chooses.then_some(Mass { rows: if self.last { 1 } else { at.question }, per: Group::All })
    }
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        if cx.site.layer <= self.watershed || cx.site.round == 0 {
            self.held = None;
            return Ok(Read::All);
        }
        let set = self.held.map_or_else(|| visible(cx.ops, self.watershed), Ok)?;
        self.held = Some(set);
        Ok(Read::Slots(set))
    }
    fn learn(&mut self, cx: &mut LayerCx, mass: Scores) -> Result<()> {
        let rounds = cx.ops.by_round(mass)?;
        cx.ops.note(0, rounds)?;
        let chosen = match self.choice {
            Choice::Newer { rounds: 0 } => return Ok(()),
            Choice::Newer { rounds: most } => {
                let weighed = cx.ops.tilt(rounds, 0.1)?;
                cx.ops.top_k(weighed, most, Pins::default())?
            }
            Choice::Share { of, least, most } => {
                let count = cx.ops.cover(rounds, of)?;
                let take = Take { count, extra: 0, unit: 1, min: least, max: most };
                cx.ops.top_counted(rounds, take, Pins::default())?
            }
        };
        let always = cx.ops.listed(&self.always)?;
        let chosen = cx.ops.union(chosen, always)?;
        let column = column(cx.ops, cx.kv)?;
        for (inside, outside, value) in [(1.0, 0.0, f32::INFINITY), (0.0, 1.0, f32::NEG_INFINITY)] {
            let at = cx.ops.rounds(cx.kv, chosen, inside, outside)?;
            cx.ops.stamp(column, at, value)?;
        }
        Ok(())
    }
}

/// The retain role: above the watershed, rounds that were not chosen are parked and chosen ones fetched before the
/// question's own rows are stored.
#[derive(Debug)]
pub struct ParkRounds {
    /// Layer that chooses.
    pub watershed: u32,
}

impl Retain for ParkRounds {
    fn heads(&self) -> Heads {
        Heads::Alike
    }
    fn make_room(&mut self, cx: &mut LayerCx) -> Result<Edit> {
        let Site { layer, round, kind, .. } = cx.site;
        if layer <= self.watershed || round == 0 || kind != PassKind::Prefill {
            return Ok(Edit::None);
        }
        Ok(Edit::Place(visible(cx.ops, self.watershed)?))
    }
}

/// The schedule: a prompt that holds several rounds is fed round by round.
#[derive(Debug)]
pub struct ByRound;

impl Schedule for ByRound {
    fn next(&mut self, text: &Text) -> Option<Pass> {
        let rows = Plain.next(text)?.rows;
        let next = text.rounds.iter().find(|&&first| first > rows.start && first < rows.end);
        // A question chooses, be it one token; the last token of an answer is read with the choice of its own round.
        let kind = if text.rounds.contains(&rows.start) { PassKind::Prefill } else { PassKind::Decode };
        Some(Pass::new(kind, rows.start..next.copied().unwrap_or(rows.end)))
    }
}
