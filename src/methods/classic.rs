//! The classic cache policies: FIFO, LRU, LFU and attention importance; one rule with four sort keys.
//!
//! Definitions of this project (`golden/policy_*`). Per KV head, in the order append, attend, update, evict: while
//! the cache is over budget, the slot with the smallest key leaves. A slot's weight is the mean of the group's
//! attention rows; it counts as used when that is at least `access_mult` times an even share.
//!
//! | policy | key | update |
//! |---|---|---|
//! | fifo | position | - |
//! | lru | last use, position | last use = position of the newest token; at first its own |
//! | lfu | use count, last use, position | count + 1; at first 1; halved every `age_every` passes |
//! | importance | decayed attention sum, position | sum = gamma * sum + weight |
//!
//! A prompt is one pass: its newest row's weights count, and it is cut to the budget at once. Role: keeps.

use super::{Param, Params, Role, Row};
use crate::{Result, method::*, ops::*};

const BUDGET: Param = Param::tokens("budget", 256, 1..=1 << 20, "tokens kept in every KV head").budget();
const SINKS: Param = Param::tokens("n_sink", 0, 0..=4096, "first tokens that never leave");
const RECENT: Param = Param::tokens("recent", 1, 1..=4096, "newest tokens that never leave");
const ACCESS: Param = Param::real("access_mult", "even shares", 1.0, 0.0..=1e6, "attention that counts as a use");

const fn row(
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    params: &'static [Param],
    build: super::Build,
) -> Row {
    Row { name, title, summary, paper: None, roles: &[Role::Retain], whole: false, params, build }
}

/// Registry row of FIFO.
pub const FIFO: Row =
    row("fifo", "FIFO", "The oldest token leaves.", &[BUDGET, SINKS, RECENT], |p, _| build(p, Policy::Fifo));
/// Registry row of LRU.
pub const LRU: Row =
    row("lru", "LRU", "The token that was used longest ago leaves.", &[BUDGET, SINKS, RECENT, ACCESS], |p, _| {
        build(p, Policy::Lru { access_mult: p.real("access_mult")? })
    });
/// Registry row of LFU.
pub const LFU: Row = row(
    "lfu",
    "LFU",
    "The token that was used least often leaves.",
    &[
        BUDGET,
        SINKS,
        RECENT,
        ACCESS,
        Param::steps("age_every", 0, "halve all use counts every so many passes; 0: never"),
    ],
    |p, _| build(p, Policy::Lfu { access_mult: p.real("access_mult")?, age_every: p.int("age_every")? }),
);
/// Registry row of importance.
pub const IMPORTANCE: Row = row(
    "importance",
    "Importance",
    "The token with the smallest decayed attention sum leaves.",
    &[
        BUDGET,
        SINKS,
        RECENT,
        Param::real(
            "gamma",
            "",
            1.0,
            0.0..=1.0,
            "decay of the sum at every pass: 1 never forgets, 0 looks at the newest row only",
        ),
    ],
    |p, _| build(p, Policy::Importance { gamma: p.real("gamma")? }),
);

fn build(p: &Params, policy: Policy) -> Result<Method> {
    let (budget, n_sink, recent) = (p.int("budget")?, p.int("n_sink")?, p.int("recent")?);
    p.require("n_sink", n_sink + recent <= budget, || format!("n_sink + recent <= budget ({budget})"))?;
    Ok(Method { retain: Box::new(Classic { policy, budget, pins: Pins { sinks: n_sink, recent } }), ..Method::full() })
}

/// The sort key of a policy, with what it needs.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    /// Age.
    Fifo,
    /// Last use.
    Lru {
        /// Even shares of attention that count as a use.
        access_mult: f32,
    },
    /// Use count.
    Lfu {
        /// Even shares of attention that count as a use.
        access_mult: f32,
        /// Passes between halvings; 0: never.
        age_every: u32,
    },
    /// Decayed attention sum.
    Importance {
        /// Decay a pass.
        gamma: f32,
    },
}

/// The retain role.
#[derive(Debug)]
pub struct Classic {
    /// Sort key.
    pub policy: Policy,
    /// Tokens kept in every KV head.
    pub budget: u32,
    /// Tokens that never leave.
    pub pins: Pins,
}

impl Classic {
    /// Brings the columns up to date; returns those to sort by, most important first.
    fn update(&self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<[Option<Scores>; 2]> {
        let Some(mass) = mass else { return Ok([None; 2]) };
        let Site { group, rows, position, step, .. } = cx.site;
        // A table by KV head holds the group's sum; the definitions speak of its mean.
        let share = |mult: f32| mult * group as f32;
        Ok(match self.policy {
            Policy::Fifo => [None; 2],
            Policy::Importance { gamma } => {
                let sum = cx.ops.column(cx.kv, "importance.sum", Fresh::Value(0.0))?;
                cx.ops.accumulate(sum, mass, gamma)?;
                [Some(sum), None]
            }
            Policy::Lru { access_mult } => {
                let last = cx.ops.column(cx.kv, "lru.last", Fresh::Position)?;
                let used = cx.ops.used(mass, share(access_mult), rows)?;
                cx.ops.stamp(last, used, position as f32)?;
                [Some(last), None]
            }
            Policy::Lfu { access_mult, age_every } => {
                let count = cx.ops.column(cx.kv, "lfu.count", Fresh::Value(1.0))?;
                let last = cx.ops.column(cx.kv, "lfu.last", Fresh::Position)?;
                let used = cx.ops.used(mass, share(access_mult), rows)?;
                if age_every > 0 && step > 0 && step % age_every == 0 {
                    cx.ops.halve(count)?;
                }
                cx.ops.accumulate(count, used, 1.0)?;
                cx.ops.stamp(last, used, position as f32)?;
                [Some(count), Some(last)]
            }
        })
    }
}

impl Retain for Classic {
    fn heads(&self) -> Heads {
        if matches!(self.policy, Policy::Fifo) { Heads::Alike } else { Heads::Even }
    }
    fn bound(&self) -> Option<u32> {
        Some(self.budget)
    }
    fn wants(&self, _: &Site) -> Option<Mass> {
        (!matches!(self.policy, Policy::Fifo)).then_some(Mass { rows: 1, per: Group::Kv })
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> Result<Edit> {
        let [first, then] = self.update(cx, mass)?;
        if cx.site.live <= self.budget {
            return Ok(Edit::None);
        }
        let place = cx.ops.rank(cx.kv, first, then)?;
        Ok(Edit::Keep(cx.ops.top_k(place, self.budget, self.pins)?))
    }
}
