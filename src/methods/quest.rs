//! Quest: a decode step reads the pages whose keys could score highest, and the newest tokens.
//!
//! Paper: arXiv 2406.10774. Reference: Zefan-Cai/KVCache-Factory c97f9d7, `pyramidkv/quest.py`
//! (`select_quest_tokens`); the authors' own repository was not read. A page is known by the smallest and largest
//! value of each key component, which give an upper bound of its scores. The page size of 16 is this project's choice.
//! The code repeats keys for every query head; here each query head chooses by its KV head's pages and a group reads
//! the union of its choices (`share = query_head`: each its own). The first two layers, whose attention is spread, read
//! everything, as in the paper (`dense_layers`; the code read has no layers), and so does the prompt. The newest
//! tokens are always read (`recent`; the code read: 0), as the authors' kernels always read the last page: bounds of few
//! keys are tight, so that by them alone the newest tokens lose. Nothing is dropped.
//! Role: reads.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "quest",
    title: "Quest",
    summary: "Reads the pages whose keys could score highest and the newest tokens. Nothing is dropped.",
    paper: Some("2406.10774"),
    roles: &[Role::Select],
    whole: false,
    params: &[
        Param::tokens("page", 16, 1..=1024, "tokens of a page"),
        Param::tokens("budget", 256, 1..=1 << 20, "tokens each head chooses, the newest included").budget(),
        Param::tokens("recent", 16, 0..=1 << 20, "newest tokens that are always read; half the budget at most"),
        Param::layers("dense_layers", 2, "first layers that read everything"),
        Param::choice("share", &["kv_group", "query_head"], "whether the heads of a KV head read each other's choice"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (page, budget, recent) = (p.int("page")?, p.int("budget")?, p.int("recent")?);
    let (dense, shared) = (p.int("dense_layers")?, p.choice("share")? == "kv_group");
    let select = Quest { page, budget, recent: recent.min(budget / 2), dense, shared };
    Ok(Method { select: Box::new(select), ..Method::full() })
}

/// The select role.
#[derive(Debug)]
pub struct Quest {
    /// Tokens of a page.
    pub page: u32,
    /// Tokens a head.
    pub budget: u32,
    /// Newest tokens among them.
    pub recent: u32,
    /// First layers that read everything.
    pub dense: u32,
    /// Whether a KV head's group reads the union.
    pub shared: bool,
}

impl Select for Quest {
    fn needs(&self) -> Needs {
        Needs { rotated_keys: true, ..Needs::default() }
    }
    fn pages(&self, layer: u32, live: u32) -> Option<[u32; 2]> {
        (layer >= self.dense && self.budget < live).then_some([self.page, self.recent])
    }
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        let Site { layer, kind, live, group, .. } = cx.site;
        if kind != PassKind::Decode || layer < self.dense || self.budget >= live {
            return Ok(Read::All);
        }
        let (most, prefix) = (self.budget - self.recent, live - self.recent);
        // The last page may hold fewer tokens than its size; what one page more gives too many, `expand` cuts.
        let pages = most.div_ceil(self.page) + u32::from(!prefix.is_multiple_of(self.page));
        let scores = cx.ops.page_scores(cx.kv, self.page, self.recent)?;
        let best = cx.ops.top_k(scores, pages, Pins::default())?;
        let own = cx.ops.expand(cx.kv, best, Expand { size: self.page, most, recent: self.recent })?;
        Ok(Read::Slots(if self.shared && group > 1 { cx.ops.union_by_kv(own)? } else { own }))
    }
}
