//! What a method's cache takes, as a sum of products.

use crate::{
    Error, Result,
    cache::Planes,
    engine::reserved_rows,
    method::Extent,
    methods::{Shape, Spec},
    model::Config,
};
use serde::Serialize;
use std::fmt;

/// Bytes of an f16 number.
const NUMBER: u64 = 2;
/// Bytes of a component of a page bound, an f32.
const BOUND: u64 = 4;

/// A text to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Those of them that belong to pictures.
    pub pictures: u32,
    /// Tokens to generate.
    pub generated: u32,
}

impl Text {
    /// A text of `context` tokens, an eighth of them generated unless `generated` says how many.
    ///
    /// # Errors
    /// [`Error::Param`] when that leaves no prompt or fewer prompt tokens than `pictures`.
    pub fn of(context: u32, generated: Option<u32>, pictures: u32) -> Result<Text> {
        let generated = generated.unwrap_or((context / 8).max(1));
        let prompt = context.saturating_sub(generated);
        if prompt == 0 || generated == 0 || pictures > prompt {
            let got = format!("{context} tokens, {generated} of them generated and {pictures} of pictures");
            let allowed = "a prompt and an answer of a token or more, pictures being part of the prompt".to_owned();
            return Err(Error::Param { name: "context".to_owned(), got, allowed });
        }
        Ok(Text { prompt, pictures, generated })
    }

    /// Rows of the whole text; the newest token has none.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.at(0, 1).rows()
    }

    fn at(&self, layer: u32, layers: u32) -> Extent {
        let Text { prompt, pictures, generated } = *self;
        Extent { prompt, pictures, generated, layer, layers }
    }
}

/// A factor of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Term {
    /// What is counted.
    pub what: &'static str,
    /// How many.
    pub n: u64,
}

/// A product of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Line {
    /// What takes memory.
    pub what: &'static str,
    /// The factors.
    pub terms: Vec<Term>,
    /// Their product.
    pub bytes: u64,
}

impl Line {
    fn new(what: &'static str, terms: &[(&'static str, u64)]) -> Line {
        let bytes = terms.iter().map(|term| term.1).product();
        Line { what, terms: terms.iter().map(|&(what, n)| Term { what, n }).collect(), bytes }
    }
}

/// `2049 rows x 256 bytes of a row x 3 KV heads x 30 layers = 47208960 bytes`
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<_> = self.terms.iter().map(|term| format!("{} {}", term.n, term.what)).collect();
        write!(f, "{} = {} bytes", terms.join(" x "), self.bytes)
    }
}

/// What a method's cache takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Account {
    /// Products whose sum is `bytes`.
    pub lines: Vec<Line>,
    /// Most bytes taken at any time.
    pub bytes: u64,
    /// Bytes of the rows that are stored at the end: [`Kept::bytes`](crate::ops::Kept::bytes).
    pub stored: u64,
    /// Bytes reserved for rows at the end: [`Kept::allocated`](crate::ops::Kept::allocated).
    pub reserved: u64,
    /// Rows of a KV head stored at the end, summed over layers.
    pub rows: u64,
    /// True when old rows are kept in planes.
    pub in_planes: bool,
}

/// The account of a method for a text.
///
/// # Errors
/// As building the method.
pub fn account(spec: &Spec, model: &Config, text: &Text) -> Result<Account> {
    let method = spec.build(&Shape { layers: model.layers })?;
    let (layers, heads, dim) = (u64::from(model.layers), u64::from(model.kv_heads), u64::from(model.head_dim));
    let (of_layers, of_heads) = (("layers", layers), ("KV heads", heads));
    let row = ("bytes of a key and a value", 2 * dim * NUMBER);
    let reserved = reserved_rows(&method, &text.at(0, model.layers));
    let mut lines = vec![Line::new("rows reserved", &[("rows", reserved.into()), row, of_heads, of_layers])];
    let holds: Vec<_> = (0..model.layers).map(|layer| method.retain.holds(&text.at(layer, model.layers))).collect();
    let mut stored = holds.iter().map(|holds| u64::from(holds.rows)).sum::<u64>() * row.1 * heads;
    let mut rows: u64 = holds.iter().map(|holds| u64::from(holds.rows)).sum();
    let mut planes = None;
    for (groups, quantised) in holds.iter().filter_map(|holds| holds.planes) {
        let [bytes, room] = Planes::footprint(groups, dim as usize, quantised as usize, NUMBER as usize);
        stored += bytes * heads;
        rows += u64::from(quantised);
        planes = Some(room);
    }
    if let Some(room) = planes {
        lines.push(Line::new("planes, codes and grids", &[("bytes", room), of_heads, of_layers]));
    }
    let in_rows = lines.iter().map(|line| line.bytes).sum();
    let pages = |layer: u32, rows: u32| {
        let [page, recent] = method.select.pages(layer, rows).unwrap_or([1, rows]);
        u64::from(rows.saturating_sub(recent).div_ceil(page))
    };
    let bound = ("bytes of the smallest and largest key", 2 * dim * BOUND);
    let most = (0..model.layers).map(|layer| pages(layer, reserved)).sum();
    if most > 0 {
        lines.push(Line::new("page bounds", &[("pages of all layers", most), bound, of_heads]));
        stored += (0..).zip(&holds).map(|(layer, holds)| pages(layer, holds.rows)).sum::<u64>() * bound.1 * heads;
    }
    let more = u64::from(text.prompt.saturating_sub(reserved));
    if more > 0 {
        lines.push(Line::new("one layer's prompt, until it is cut", &[("rows more", more), row, of_heads]));
    }
    let bytes = lines.iter().map(|line| line.bytes).sum();
    Ok(Account { lines, bytes, stored, reserved: in_rows, rows, in_planes: planes.is_some() })
}
