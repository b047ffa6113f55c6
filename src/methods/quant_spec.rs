//! QuantSpec: keys and values in two 4-bit planes; a draft reads the upper plane, the check of its guesses reads both.
//!
//! Paper: arXiv 2502.10424. Reference: rishabh-16/QuantSpec b2c3747 (the official repository only announces code); its
//! quantiser and prefill split are followed, its attention kernels' phantom entry is not. It never quantises while
//! decoding; the flush here is the paper's, after a check, once two groups of full-precision rows are there. Guesses a
//! round are capped so that no checked query lies past a flush: the text then equals that of the 8-bit cache alone.
//! Key grids are by channel over `group_tokens`, value grids by token over `group_channels`.
//!
//! `draft_weights = int4_ffn`: guesses are computed with 4-bit copies of the feed-forward matrices that the file stores
//! wider, as in the reference (there by GPTQ, here round-to-nearest). A file without wider ones is refused: the
//! copies would be what it holds already.
//!
//! `variant = sketch`: every stored key and value has one code of `bits` bits between its least and largest number; the
//! oldest entry leaves when `cache_size` are there; `reads` says which copy attention sees. The exact rows stay, and
//! the copy is made of them at each read, so bytes are those of the exact rows. Roles: reads, keeps, runs.

use super::{Param, Params, Role, Row, Shape};
use crate::{Result, method::*, ops::*};

/// Registry row.
pub const ROW: Row = Row {
    name: "quant_spec",
    title: "QuantSpec",
    summary: "Keys and values in two 4-bit planes: cheap guesses read one, their check reads both. Nothing is dropped.",
    paper: Some("2502.10424"),
    roles: &[Role::Select, Role::Retain, Role::Schedule],
    whole: true,
    params: &[
        Param::tokens("group_tokens", 64, 1..=1 << 16, "tokens a key grid covers; one to two groups stay f16")
            .budget()
            .only("paper"),
        Param::channels(
            "group_channels",
            0,
            0..=1 << 10,
            "channels a value grid covers, a divisor of the head; 0: all",
        ),
        Param::tokens("gamma", 4, 0..=7, "guesses a round; 0: none, the 8-bit cache alone"),
        Param::choice(
            "draft_weights",
            &["same", "int4_ffn"],
            "what guesses are computed with: the file's weights, or 4-bit copies of its wider feed-forward matrices",
        ),
        Param::choice("variant", &["paper", "sketch"], "the paper's algorithm, or one code for every stored row"),
        Param::tokens("cache_size", 4096, 1..=1 << 20, "sketch: tokens kept in every KV head").budget().only("sketch"),
        Param::choice("reads", &["exact", "quantised"], "sketch: the copy that attention sees"),
        Param::bits("bits", 4, 1..=8, "sketch: bits of a number of the quantised copy"),
    ],
    build,
};

fn build(p: &Params, _: &Shape) -> Result<Method> {
    let (quantised, narrow) = (p.choice("reads")? == "quantised", p.choice("draft_weights")? == "int4_ffn");
    if p.choice("variant")? == "sketch" {
        p.require("draft_weights", !narrow, || "same: the sketch makes no guesses".to_owned())?;
        p.require("bits", quantised || !p.is_given("bits"), || "any, with reads = quantised".to_owned())?;
        let read = if quantised { Read::Rounded(p.int("bits")? as u8) } else { Read::All };
        let newest = Newest { most: p.int("cache_size")? };
        return Ok(Method { select: Box::new(Always(read)), retain: Box::new(newest), ..Method::full() });
    }
    p.require("reads", !quantised, || "exact, with variant = paper: each pass has its own plane".to_owned())?;
    let groups = PlaneGroups { tokens: p.int("group_tokens")?, channels: p.int("group_channels")? };
    let gamma = p.int("gamma")?;
    p.require("draft_weights", !narrow || gamma > 0, || "same where gamma is 0: there are no guesses".to_owned())?;
    Ok(Method {
        select: Box::new(ByPlane),
        retain: Box::new(Planes { groups, gamma }),
        schedule: Box::new(Rounds { group: groups.tokens, gamma, narrow, quantised: 0, round: 0 }),
    })
}

/// Rows to quantise of `rows`, of which `quantised` are already: whole groups while two are there.
fn due(rows: u32, quantised: u32, group: u32) -> u32 {
    ((rows - quantised) / group).saturating_sub(1) * group
}

/// The same after a prompt: two whole groups and nothing more stay as they are.
fn due_after_prompt(rows: u32, quantised: u32, group: u32) -> u32 {
    if rows <= 2 * group { 0 } else { due(rows, quantised, group) }
}

/// The select role: guesses read the upper plane.
#[derive(Debug)]
pub struct ByPlane;

impl Select for ByPlane {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        Ok(if cx.site.kind == PassKind::Draft { Read::Coarse } else { Read::All })
    }
}

/// The retain role.
#[derive(Debug)]
pub struct Planes {
    /// How grids are shared.
    pub groups: PlaneGroups,
    /// Guesses a round.
    pub gamma: u32,
}

impl Planes {
    fn quantise(&self, rows: u32) -> Edit {
        if rows == 0 { Edit::None } else { Edit::Quantise(self.groups, rows) }
    }
}

impl Retain for Planes {
    fn heads(&self) -> Heads {
        Heads::Alike
    }
    fn bound(&self) -> Option<u32> {
        Some(2 * self.groups.tokens + self.gamma)
    }
    fn holds(&self, of: &Extent) -> Holds {
        let (tokens, rows) = (self.groups.tokens, of.rows());
        let prompt = due_after_prompt(of.prompt, 0, tokens);
        // The newest flush was before the newest row.
        let quantised = prompt + due(rows.saturating_sub(1).max(prompt), prompt, tokens);
        let most = of.rows().min(2 * tokens + self.gamma);
        Holds { rows: rows - quantised, most, planes: Some((self.groups, quantised)) }
    }
    fn make_room(&mut self, cx: &mut LayerCx) -> Result<Edit> {
        Ok(self.quantise(due(cx.site.live, cx.site.quantised, self.groups.tokens)))
    }
    fn edit(&mut self, cx: &mut LayerCx, _: Option<Scores>) -> Result<Edit> {
        let Site { kind, live, quantised, .. } = cx.site;
        let after_prompt = kind == PassKind::Prefill;
        Ok(self.quantise(if after_prompt { due_after_prompt(live, quantised, self.groups.tokens) } else { 0 }))
    }
}

/// The schedule: gamma guesses, then their check.
#[derive(Debug)]
pub struct Rounds {
    /// Tokens of a key group.
    pub group: u32,
    /// Guesses a round.
    pub gamma: u32,
    /// Guesses are computed with 4-bit copies of the feed-forward matrices.
    pub narrow: bool,
    /// Rows in planes.
    quantised: u32,
    /// Guesses of the running round.
    round: u32,
}

impl Schedule for Rounds {
    fn next(&mut self, text: &Text) -> Option<Pass> {
        let (length, committed) = (text.ids.len() as u32, text.accepted.checked_sub(1)?);
        if text.accepted >= text.limit {
            return None;
        }
        if text.fed < committed || text.fed == 0 {
            self.quantised += due(text.fed, self.quantised, self.group);
            self.quantised += due_after_prompt(text.accepted, self.quantised, self.group);
            return Some(Pass::new(PassKind::Prefill, text.fed..text.accepted));
        }
        if length == text.accepted {
            self.quantised += due(committed, self.quantised, self.group);
            self.round = self.gamma.min(2 * self.group - 1 - (committed - self.quantised));
        }
        Some(if length - text.accepted < self.round {
            Pass::new(PassKind::Draft, length - 1..length)
        } else if self.round == 0 {
            Pass::new(PassKind::Decode, committed..length)
        } else {
            Pass::new(PassKind::Verify, committed..length)
        })
    }
    fn narrow_guesses(&self) -> bool {
        self.narrow
    }
    fn restart(&mut self) {
        (self.quantised, self.round) = (0, 0);
    }
    fn state(&mut self) -> Vec<&mut u32> {
        vec![&mut self.quantised]
    }
}

/// The sketch's select role: the same read in every pass.
#[derive(Debug)]
pub struct Always(pub Read);

impl Select for Always {
    fn read(&mut self, _: &mut LayerCx) -> Result<Read> {
        Ok(self.0)
    }
}

/// The sketch's retain role: the oldest leave.
#[derive(Debug)]
pub struct Newest {
    /// Tokens kept in every KV head.
    pub most: u32,
}

impl Retain for Newest {
    fn bound(&self) -> Option<u32> {
        Some(self.most)
    }
    fn edit(&mut self, cx: &mut LayerCx, _: Option<Scores>) -> Result<Edit> {
        let live = cx.site.live;
        Ok(if live > self.most { Edit::Keep(cx.ops.except(cx.kv, 0..live - self.most)?) } else { Edit::None })
    }
}
