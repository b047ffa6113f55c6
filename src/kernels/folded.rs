//! Queries and weights that carry the grids of planes.
//!
//! A number x of a plane is `code * s + z` with a step s and a zero z that a group shares. So a query's product with a
//! key is that of `q s` with the codes, plus `q z`: the steps of a key group, which it has by channel, are multiplied
//! into the query once a group. In the same way a value's step, which it has by token, goes into its weight.

use fearless_simd::prelude::*;

use super::PlaneRows;
use super::codes::{self, Codes};
use crate::lanes;

/// Buffers of [`attend_planes`](super::attend_planes); `dim` is `head_dim` padded to whole blocks, in the order of codes.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// The channel at every place of a row in the order of codes, `[dim]`; `head_dim` where there is none.
    order: Vec<usize>,
    /// Queries, `[group, dim]`.
    plain: Vec<f32>,
    /// The steps of a key group, `[dim]`.
    steps: Vec<f32>,
    /// Queries times these, `[group, dim]`.
    pub(super) queries: Vec<f32>,
    /// Of each query the product with the zeros of a group; of its weights with theirs.
    pub(super) zeros: Vec<f32>,
    /// Steps and zeros of one value group, `[slots]`, where a token has several.
    grids: [Vec<f32>; 2],
    /// Scores or weights of some slots, `[group, slots]`.
    pub(super) part: Vec<f32>,
    /// Sums over values, `[group, dim]`.
    pub(super) sums: Vec<f32>,
}

/// `row` in the order of codes, padded with zeros to whole blocks.
fn reorder(order: &[usize], row: &[f32], out: &mut Vec<f32>) {
    out.extend(order.iter().map(|channel| row.get(*channel).copied().unwrap_or(0.0)));
}

/// Calls `f` with vectors of three equally long rows, the last padded with zeros, and with where they begin.
#[inline(always)]
fn each3<S: Simd>(simd: S, rows: [&[f32]; 3], mut f: impl FnMut([S::f32s; 3], usize)) {
    let whole = rows[0].len() / S::f32s::LEN * S::f32s::LEN;
    for at in (0..whole).step_by(S::f32s::LEN) {
        f(
            rows.map(
                #[inline(always)]
                |row| S::f32s::from_slice(simd, &row[at..][..S::f32s::LEN]),
            ),
            at,
        );
    }
    if whole < rows[0].len() {
        f(
            rows.map(
                #[inline(always)]
                |row| lanes::load_or(simd, &row[whole..], 0.0),
            ),
            whole,
        );
    }
}

impl Folded {
    /// Takes the queries of a row in, `[group, head_dim]`.
    #[inline(always)]
    pub(super) fn load<S: Simd>(&mut self, queries: &[f32], dim: usize) {
        let Folded { order, plain, .. } = self;
        order.clear();
        order.extend((0..dim.next_multiple_of(codes::block::<S>())).map(|at| codes::channel::<S>(at).min(dim)));
        plain.clear();
        queries.chunks_exact(dim).for_each(|query| reorder(order, query, plain));
    }

    /// Multiplies the steps of a key group into the queries, which are those of [`load`](Folded::load).
    #[inline(always)]
    pub(super) fn key_group<S: Simd, C: Codes>(&mut self, simd: S, queries: &[f32], steps: &[f32], zeros: &[f32]) {
        self.zeros.clear();
        self.zeros.extend(queries.chunks_exact(steps.len()).map(|query| {
            let mut sum = S::f32s::splat(simd, 0.0);
            each3(
                simd,
                [query, steps, zeros],
                #[inline(always)]
                |[q, s, z], _| sum = (z - s * C::BELOW).mul_add(q, sum),
            );
            lanes::sum::<S>(sum)
        }));
        self.steps.clear();
        reorder(&self.order, steps, &mut self.steps);
        self.queries.clear();
        self.queries.extend_from_slice(&self.plain);
        for query in self.queries.chunks_exact_mut(self.steps.len()) {
            lanes::map2(
                simd,
                query,
                &self.steps,
                #[inline(always)]
                |q, s| q * (s * C::STEP),
            );
        }
    }

    /// Multiplies the steps of value group `group` of every token into the weights `[heads, count]` of the slots in
    /// planes.
    #[inline(always)]
    pub(super) fn weights<S: Simd, C: Codes>(
        &mut self,
        simd: S,
        weights: &[f32],
        count: usize,
        planes: &PlaneRows,
        group: usize,
    ) {
        let groups = planes.v.steps.len() / planes.rows.max(1);
        let grids = [planes.v.steps, planes.v.zeros];
        if groups > 1 {
            for (own, grids) in self.grids.iter_mut().zip(grids) {
                own.clear();
                own.extend(grids.iter().skip(group).step_by(groups));
            }
        }
        let [steps, zeros] = if groups > 1 { self.grids.each_ref().map(|own| &own[..]) } else { grids };
        self.part.clear();
        self.zeros.clear();
        for weights in weights.chunks_exact(count) {
            let from = self.part.len();
            self.part.resize(from + planes.rows, 0.0);
            let part = &mut self.part[from..];
            let mut sum = S::f32s::splat(simd, 0.0);
            each3(
                simd,
                [&weights[..planes.rows], steps, zeros],
                #[inline(always)]
                |[w, s, z], at| {
                    sum = (z - s * C::BELOW).mul_add(w, sum);
                    let part = &mut part[at..];
                    let (scaled, there) = (w * (s * C::STEP), part.len().min(S::f32s::LEN));
                    if there == S::f32s::LEN {
                        scaled.store_slice(&mut part[..S::f32s::LEN]);
                    } else {
                        part.copy_from_slice(&scaled.as_slice()[..there]);
                    }
                },
            );
            self.zeros.push(lanes::sum::<S>(sum));
        }
    }
}
