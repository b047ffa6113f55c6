//! StreamingLLM: keeps the first tokens (attention sinks) and the newest ones.
//!
//! Paper: arXiv 2309.17453. Reference: mit-han-lab/streaming-llm 2e50426, `StartRecentKVCache` and
//! `llama_pos_shift_attention_forward`. A key is rotated by its slot, not by its position in the text, so distances
//! never exceed the cache; `shift_positions = false` keeps text positions, as several re-implementations do.
//! Before a pass of several tokens on a non-empty cache room is made for all of them (`evict_for_space`).
//! Role: keeps.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};
use std::ops::Range;

/// Registry row.
pub const ROW: Row = Row {
    name: "streaming_llm",
    title: "StreamingLLM",
    summary: "Keeps a few first tokens and a window of the newest; everything between is dropped for good.",
    paper: Some("2309.17453"),
    roles: &[Role::Retain],
    whole: false,
    params: &[
        Param::tokens("sinks", 4, 0..=4096, "first tokens that are always kept"),
        Param::tokens("recent", 512, 1..=1 << 20, "newest tokens kept").budget(),
        Param::flag(
            "shift_positions",
            true,
            "rotate keys by their slot in the cache instead of their place in the text",
        ),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let retain = StreamingLlm { sinks: p.int("sinks")?, recent: p.int("recent")?, shift: p.flag("shift_positions")? };
    Ok(Method { retain: Box::new(retain), ..Method::full() })
}

/// The retain role.
#[derive(Debug)]
pub struct StreamingLlm {
    /// First tokens kept.
    pub sinks: u32,
    /// Newest tokens kept.
    pub recent: u32,
    /// Rotate keys by slot.
    pub shift: bool,
}

impl StreamingLlm {
    /// Slots to drop from a cache of `live` when `coming` more are about to arrive.
    #[must_use]
    pub fn gone(&self, live: u32, coming: u32) -> Range<u32> {
        if live + coming <= self.sinks + self.recent {
            return 0..0;
        }
        let end = (live + coming).saturating_sub(self.recent).min(live);
        self.sinks.min(end)..end
    }

    fn cut(&self, cx: &mut LayerCx, coming: u32) -> Result<Edit> {
        let gone = self.gone(cx.site.live, coming);
        Ok(if gone.is_empty() { Edit::None } else { Edit::Keep(cx.ops.except(cx.kv, gone)?) })
    }
}

impl Retain for StreamingLlm {
    fn heads(&self) -> Heads {
        Heads::Alike
    }
    fn positions(&self) -> Positions {
        if self.shift { Positions::Slot } else { Positions::Text }
    }
    fn bound(&self) -> Option<u32> {
        Some(self.sinks + self.recent)
    }
    fn make_room(&mut self, cx: &mut LayerCx) -> Result<Edit> {
        if cx.site.kind == PassKind::Prefill { self.cut(cx, cx.site.rows) } else { Ok(Edit::None) }
    }
    fn edit(&mut self, cx: &mut LayerCx, _: Option<Scores>) -> Result<Edit> {
        self.cut(cx, 0)
    }
}
