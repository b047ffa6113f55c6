//! SCOPE: the prompt and the generated text have budgets of their own. The compressed prompt is frozen when decoding
//! starts; generated tokens are heavy hitters of the newest query plus a window, in a pool whose width follows a
//! schedule: slide (fixed), adaptive (grows with the output) or discontinuous (the same, cut now and then).
//!
//! Paper: arXiv 2412.13649. Reference: Linking-ai/SCOPE 8cbae48, `model/kv_utils.py`. A cut runs when the pool has
//! reached its width; the waiting counter of discontinuous counts only such steps, so cuts are `delta` + 1 tokens apart
//! (the code's rule; the paper's figure shows one less). `h2o` and `slm` are the code's comparison modes: one budget
//! over prompt and output. The code has a set a query head; here a group's mass is summed and slots are by KV head.
//!
//! `compat = published_code`: the budget of the prompt counts even when the prompt is shorter (the first generated
//! tokens are then frozen too), and the H2O prompt rule masks only the newest `window` x `window` block. PyramidKV as
//! the prompt's compressor is left out: the code freezes slots of another number than the layer keeps. Counters start
//! anew at every prompt, as only two of the code's classes do; a later turn's prompt compresses all that is cached.
//!
//! `variant = sketch`: two pools, the prompt's by attention sum, the output's by age.
//! Role: keeps.

use super::{
    Param, Params, Role, Row, Shape,
    observation::{GROUP, KERNEL, Observation, POOLING, WINDOW},
};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "scope",
    title: "SCOPE",
    summary: "Freezes a compressed prompt and gives generated tokens a budget of their own.",
    paper: Some("2412.13649"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::choice("variant", &["paper", "sketch"], "the paper's algorithm, or attention sum and age"),
        Param::tokens("prompt_budget", 512, 1..=1 << 20, "prompt tokens kept in every KV head").budget(),
        Param::tokens("decode_budget", 512, 1..=1 << 20, "generated tokens kept in every KV head").budget(),
        Param::choice("prompt", &["h2o", "snap_kv", "streaming_llm", "full"], "how the prompt is compressed"),
        WINDOW,
        KERNEL,
        POOLING,
        GROUP,
        Param::tokens("decode_recent", 0, 0..=1 << 20, "newest of decode_budget; 0: half of it"),
        Param::choice(
            "schedule",
            &["slide", "adaptive", "discontinuous", "h2o", "slm"],
            "width of the generated pool, or a comparison mode with one budget for all",
        ),
        Param::tokens("delta", 0, 0..=1 << 20, "tokens after which the pool grows by one; 0: so that max_new fills it"),
        Param::tokens("max_new", 4096, 1..=1 << 20, "tokens that will be generated; only for delta = 0"),
        Param::choice("compat", &["none", "published_code"], "the published code's oddities"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (budget, width, observation) = (p.int("prompt_budget")?, p.int("decode_budget")?, Observation::of(p)?);
    p.require("window", observation.window <= budget, || format!("at most prompt_budget ({budget})"))?;
    let recent = match p.int("decode_recent")? {
        0 => width.div_ceil(2),
        given => given,
    };
    p.require("decode_recent", recent <= width, || format!("at most decode_budget ({width})"))?;
    let delta = match p.int("delta")? {
        0 => p.int("max_new")?.saturating_sub(recent) / (width - recent).max(1),
        given => given,
    };
    let mut scope = Scope {
        prompt: match p.choice("prompt")? {
            "h2o" => Prompt::H2o,
            "snap_kv" => Prompt::SnapKv(observation),
            "streaming_llm" => Prompt::StreamingLlm,
            _ => Prompt::Full,
        },
        budget,
        window: observation.window,
        width,
        recent,
        schedule: match p.choice("schedule")? {
            "slide" => Pool::Slide,
            "adaptive" => Pool::Adaptive,
            "discontinuous" => Pool::Discontinuous,
            "h2o" => Pool::H2o,
            _ => Pool::Slm,
        },
        delta: delta.max(1),
        published: p.choice("compat")? == "published_code",
        frozen: 0,
        end: 0,
        waited: 0,
        cut: false,
    };
    if p.choice("variant")? == "sketch" {
        scope = Scope { prompt: Prompt::H2o, recent: width, schedule: Pool::Slide, published: false, ..scope };
    }
    Ok(Method { retain: Box::new(scope), ..Method::full() })
}

/// How a prompt is compressed.
#[derive(Clone, Copy, Debug)]
enum Prompt {
    /// Not at all.
    Full,
    /// By the attention sum of all its queries.
    H2o,
    /// By its newest queries.
    SnapKv(Observation),
    /// First and newest tokens.
    StreamingLlm,
}

/// How wide the pool of generated tokens is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    /// Fixed.
    Slide,
    /// The window and one more every `delta` tokens.
    Adaptive,
    /// The same, cut every `delta` + 1 tokens.
    Discontinuous,
    /// Comparison: heavy hitters over prompt and output alike.
    H2o,
    /// Comparison: the first slots and the newest.
    Slm,
}

/// The retain role.
#[derive(Debug)]
pub struct Scope {
    prompt: Prompt,
    budget: u32,
    window: u32,
    width: u32,
    recent: u32,
    schedule: Pool,
    delta: u32,
    published: bool,
    /// Slots of the prompt's pool; set by the newest prompt, as are the next two.
    frozen: u32,
    /// Position of the prompt's last token.
    end: u32,
    /// Steps that discontinuous has waited with a full pool.
    waited: u32,
    /// Whether this pass cuts; decided in layer 0 for all.
    cut: bool,
}

impl Scope {
    /// The prompt's pool; `None`: all of it.
    fn compress(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Option<Set>> {
        let live = cx.site.live;
        let whole = matches!(self.prompt, Prompt::Full);
        self.frozen = if whole || (live < self.budget && !self.published) { live } else { self.budget };
        (self.end, self.waited) = (cx.site.position, 0);
        if whole || live <= self.budget {
            return Ok(None);
        }
        let pins = Pins { sinks: 0, recent: self.window };
        let scores = match (self.prompt, mass) {
            (Prompt::StreamingLlm | Prompt::Full, _) => {
                return Ok(Some(cx.ops.except(cx.kv, self.budget - self.window..live - self.window)?));
            }
            (Prompt::SnapKv(rule), Some(mass)) => rule.scores(cx, mass)?,
            (_, Some(mass)) => mass,
            (_, None) => {
                let mass = cx.ops.unmasked_mass(cx.kv, self.window)?;
                cx.ops.regroup(mass, Group::Kv, Reduce::Sum)?
            }
        };
        Ok(Some(cx.ops.top_k(scores, self.budget, pins)?))
    }

    /// Slots kept after this decoding step when it cuts.
    fn kept(&self, at: &Site) -> u32 {
        let grown = self.recent + at.position.saturating_sub(self.end + 1) / self.delta;
        match self.schedule {
            Pool::Slide => self.frozen + self.width,
            Pool::Adaptive | Pool::Discontinuous => self.frozen + grown,
            Pool::H2o | Pool::Slm => {
                self.width + if matches!(self.prompt, Prompt::Full) { self.frozen } else { self.budget }
            }
        }
    }

    fn cuts(&mut self, full: bool) -> bool {
        if self.schedule == Pool::Discontinuous && full {
            self.waited = if self.waited < self.delta { self.waited + 1 } else { 0 };
            return self.waited == 0;
        }
        full
    }
}

impl Retain for Scope {
    fn bound(&self) -> Option<u32> {
        let grows =
            matches!(self.schedule, Pool::Adaptive | Pool::Discontinuous) || matches!(self.prompt, Prompt::Full);
        (!grows).then_some(self.budget + self.width)
    }
    fn holds(&self, of: &Extent) -> Holds {
        let prompt = if matches!(self.prompt, Prompt::Full) { of.prompt } else { of.prompt.min(self.budget) };
        let generated = of.generated.saturating_sub(1);
        let pool = match self.schedule {
            Pool::Slide => self.width,
            Pool::Adaptive => self.recent + generated / self.delta,
            // Between two cuts it grows by a token a step.
            Pool::Discontinuous => self.recent + generated / self.delta + self.delta,
            // One budget for all: what the prompt leaves of its own goes to the output.
            Pool::H2o | Pool::Slm if matches!(self.prompt, Prompt::Full) => self.width,
            Pool::H2o | Pool::Slm => self.width + self.budget.saturating_sub(prompt),
        };
        Holds::rows(prompt + generated.min(pool))
    }
    fn state(&mut self) -> Vec<&mut u32> {
        vec![&mut self.frozen, &mut self.end, &mut self.waited]
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        if at.kind == PassKind::Decode {
            let scored = self.schedule != Pool::Slm && self.recent < self.width;
            return scored.then_some(Mass { rows: 1, per: Group::Kv });
        }
        match self.prompt {
            Prompt::SnapKv(rule) => rule.wants(at),
            Prompt::H2o if !self.published => Some(Mass { rows: u32::MAX, per: Group::Kv }),
            _ => None,
        }
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        if cx.site.kind == PassKind::Prefill {
            return Ok(self.compress(cx, mass)?.map_or(Edit::None, Edit::Keep));
        }
        let (live, kept) = (cx.site.live, self.kept(&cx.site));
        if cx.site.layer == 0 {
            self.cut = self.cuts(live >= kept);
        }
        if !self.cut || live <= kept {
            return Ok(Edit::None);
        }
        let sinks = if self.schedule == Pool::H2o { 0 } else { self.frozen };
        Ok(Edit::Keep(match mass {
            Some(mass) => cx.ops.top_k(mass, kept, Pins { sinks, recent: self.recent })?,
            // Without heavy hitters the first and the newest slots stay.
            None => cx.ops.except(cx.kv, kept - self.recent..live - self.recent)?,
        }))
    }
}
