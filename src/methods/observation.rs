//! SnapKV's prompt rule, shared by `snap_kv`, `pyramid_kv`, `ada_kv` and `scope`: the last queries of the prompt, the
//! observation window, score what is before them.
//!
//! arXiv 2404.14469; FasterDecoding/SnapKV e216ddc, `snapkv_utils.py`. A slot's score is the mass the window's rows
//! give it, reduced over the query heads of a KV head and then smoothed, the window itself left out. The code keeps a
//! set a query head on repeated keys; slots here are by KV head, so it is the model with as many KV heads as query
//! heads. Defaults are those of the benchmark scripts (Zefan-Cai/KVCache-Factory c97f9d7): window 8, kernel 7, max.

use super::{Param, Params};
use crate::{Result, method::*, ops::*};

/// Parameter: see [`Observation::window`].
pub const WINDOW: Param =
    Param::tokens("window", 8, 1..=4096, "newest prompt tokens: always kept, and their queries score the others");
/// Parameter: see [`Observation::kernel`].
pub const KERNEL: Param = Param::tokens("kernel", 7, 1..=63, "neighbours that share a score; odd");
/// Parameter: see [`Observation::pooling`].
pub const POOLING: Param = Param::choice("pooling", &["max", "mean"], "how neighbours share it");
/// Parameter: see [`Observation::group`].
pub const GROUP: Param = Param::choice("group", &["mean", "max", "sum"], "how the query heads of a KV head are joined");

/// The observation window.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// Newest tokens of the prompt: kept, and their queries score the others.
    pub window: u32,
    /// Slots a score is smoothed over, odd.
    pub kernel: u32,
    /// How it is smoothed.
    pub pooling: Pooling,
    /// How the query heads of a KV head are joined, before that.
    pub group: Reduce,
}

impl Observation {
    /// From the four parameters above.
    ///
    /// # Errors
    /// An even kernel.
    pub fn of(p: &Params) -> Result<Observation> {
        let kernel = p.int("kernel")?;
        p.require("kernel", kernel % 2 == 1, || "an odd number".to_owned())?;
        Ok(Observation {
            window: p.int("window")?,
            kernel,
            pooling: if p.choice("pooling")? == "max" { Pooling::Max } else { Pooling::Mean },
            group: match p.choice("group")? {
                "mean" => Reduce::Mean,
                "max" => Reduce::Max,
                _ => Reduce::Sum,
            },
        })
    }

    /// The mass it needs of a pass.
    #[must_use]
    pub fn wants(&self, at: &Site) -> Option<Mass> {
        (at.kind == PassKind::Prefill).then_some(Mass { rows: self.window, per: Group::Query })
    }

    /// Scores by KV head; 0 in the window.
    ///
    /// # Errors
    /// From the back end.
    pub fn scores(&self, cx: &mut LayerCx, mass: Scores) -> Result<Scores> {
        let grouped = cx.ops.regroup(mass, Group::Kv, self.group)?;
        cx.ops.pool(grouped, self.kernel, self.pooling, self.window)
    }

    /// Slots that are always kept.
    #[must_use]
    pub fn pins(&self) -> Pins {
        Pins { sinks: 0, recent: self.window }
    }
}
