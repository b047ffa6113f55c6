//! Attention of one KV head for its group of query heads over a span of slots.

use super::{Element, Rope};

/// Keys and values of one KV head, `[slots, head_dim]` each.
#[derive(Clone, Copy)]
pub struct Keys<'a, E> {
    /// `[slots, head_dim]`
    pub k: &'a [E],
    /// `[slots, head_dim]`
    pub v: &'a [E],
    /// Rotate each key to the position of its slot while reading (StreamingLLM keeps keys unrotated).
    pub rotate: Option<&'a Rope>,
}

/// Queries of one group of heads.
#[derive(Clone, Copy)]
pub struct Queries<'a> {
    /// `[rows, stride]`, head g of row r at `r * stride + g * head_dim`.
    pub q: &'a [f32],
    /// Floats from a row to the next.
    pub stride: usize,
    /// Query positions.
    pub rows: usize,
    /// Query heads that share the KV head.
    pub group: usize,
    /// Components of a head.
    pub head_dim: usize,
    /// Factor on the scores, `1 / sqrt(head_dim)` as a rule.
    pub scale: f32,
}

/// Row r sees slots `(sees + r).saturating_sub(window)..sees + r`, the last of them its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Slots that row 0 sees, itself included; at least 1.
    pub sees: usize,
    /// The most recent slots only; `usize::MAX` for all.
    pub window: usize,
}

impl Span {
    /// The slots of row `row`.
    #[must_use]
    pub fn of(&self, row: usize) -> std::ops::Range<usize> {
        let end = self.sees + row;
        end.saturating_sub(self.window)..end
    }
}

/// Where softmax probabilities are added up: slot s of head g at `columns[g * stride + s]`.
pub struct MassOut<'a> {
    /// `[group, stride]`
    pub columns: &'a mut [f32],
    /// Floats from a head to the next, at least the slots.
    pub stride: usize,
    /// Rows below it do not count.
    pub first_row: usize,
}

/// Buffers of the attention kernels, reused from call to call.
#[derive(Debug, Default)]
pub struct AttendScratch {
    pub(super) key: Vec<f32>,
    pub(super) scores: Vec<f32>,
}

/// Attention of every row over its span, into `out` `[rows, out_stride]`, head g at `g * head_dim` of the row.
pub fn attend_span<E: Element>(
    q: &Queries,
    kv: &Keys<E>,
    span: Span,
    out: &mut [f32],
    out_stride: usize,
    mut mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    debug_assert!(span.sees >= 1, "a row sees at least itself");
    for row in 0..q.rows {
        for head in 0..q.group {
            let out = &mut out[row * out_stride + head * q.head_dim..][..q.head_dim];
            let query = &q.q[row * q.stride + head * q.head_dim..][..q.head_dim];
            let column = mass
                .as_mut()
                .filter(|mass| row >= mass.first_row)
                .map(|mass| &mut mass.columns[head * mass.stride..][..mass.stride]);
            attend_one(query, q.scale, kv, span.of(row), out, column, scratch);
        }
    }
}

/// One query over `slots`.
pub(super) fn attend_one<E: Element>(
    query: &[f32],
    scale: f32,
    kv: &Keys<E>,
    slots: impl Iterator<Item = usize> + Clone,
    out: &mut [f32],
    column: Option<&mut [f32]>,
    scratch: &mut AttendScratch,
) {
    let dim = query.len();
    scratch.key.resize(dim, 0.0);
    scratch.scores.clear();
    for slot in slots.clone() {
        E::fetch(&kv.k[slot * dim..][..dim], &mut scratch.key);
        if let Some(rope) = kv.rotate {
            rope.rotate(&mut scratch.key, dim, slot);
        }
        scratch.scores.push(scale * query.iter().zip(&scratch.key).map(|(q, k)| q * k).sum::<f32>());
    }
    let top = scratch.scores.iter().fold(f32::NEG_INFINITY, |top, score| top.max(*score));
    let mut sum = 0.0;
    for score in &mut scratch.scores {
        *score = (*score - top).exp();
        sum += *score;
    }
    out.fill(0.0);
    for (slot, score) in slots.clone().zip(&mut scratch.scores) {
        *score /= sum;
        E::fetch(&kv.v[slot * dim..][..dim], &mut scratch.key);
        for (out, v) in out.iter_mut().zip(&scratch.key) {
            *out += *score * v;
        }
    }
    if let Some(column) = column {
        for (slot, score) in slots.zip(&scratch.scores) {
            column[slot] += score;
        }
    }
}
