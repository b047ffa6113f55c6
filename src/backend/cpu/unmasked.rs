//! Attention mass without the causal mask: what some published code scores a prompt by.

use super::Cpu;
use crate::{
    Error, Result,
    cache::Rows,
    kernels::{AttendScratch, Element, Keys, MassOut, Queries, Rope, Span, attend_span},
    method::Positions,
    ops::{Kv, Scores},
};

impl Cpu {
    pub(super) fn column_sums(&mut self, kv: Kv, causal: usize) -> Result<Scores> {
        let (dim, rows, heads) = (self.shape.head_dim, self.pass.rows as usize, self.shape.kv_heads);
        let (group, width) = (self.shape.query_heads / heads, self.shape.query_heads * dim);
        self.check_unquantised(kv)?;
        let stride = self.cache.live(kv);
        let out = self.tables.given(kv, heads * group, &vec![0.0; heads * group * stride]);
        let rotate = self.rope.as_ref().filter(|_| self.positions == Positions::Slot);
        let (mut columns, mut unread) = (Vec::new(), vec![0.0; group * dim]);
        for (head, cached) in self.cache.layer(kv).iter().enumerate() {
            let live = cached.len();
            columns.clear();
            columns.resize(group * live, 0.0);
            for row in 0..rows {
                let sees = if row + causal < rows { live } else { live - (rows - 1 - row) };
                let q = Queries {
                    q: &self.q[row * width + head * group * dim..],
                    stride: width,
                    rows: 1,
                    group,
                    head_dim: dim,
                    scale: 1.0 / (dim as f32).sqrt(),
                };
                match (&cached.k, &cached.v) {
                    (Rows::F16(k), Rows::F16(v)) => {
                        add(&q, k, v, rotate, sees, &mut unread, &mut columns, &mut self.attend)
                    }
                    (Rows::F32(k), Rows::F32(v)) => {
                        add(&q, k, v, rotate, sees, &mut unread, &mut columns, &mut self.attend)
                    }
                    _ => return Err(Error::State("keys and values are stored alike")),
                }
            }
            let table = &mut self.tables.table_mut(out)?.data[head * group * stride..];
            for (column, to) in columns.chunks_exact(live).zip(table.chunks_exact_mut(stride)) {
                to[..live].copy_from_slice(column);
            }
        }
        Ok(out)
    }
}

#[expect(clippy::too_many_arguments, reason = "one generic call for both kinds of rows")]
fn add<E: Element>(
    q: &Queries,
    k: &[E],
    v: &[E],
    rotate: Option<&Rope>,
    sees: usize,
    out: &mut [f32],
    columns: &mut [f32],
    scratch: &mut AttendScratch,
) {
    let (width, stride) = (out.len(), columns.len() / q.group);
    let mass = MassOut { columns, stride, first_row: 0 };
    attend_span(q, &Keys { k, v, rotate }, Span { sees, window: usize::MAX }, out, width, Some(mass), scratch);
}
