//! Attention mass without the causal mask: what some published code scores a prompt by.

use super::{
    Cpu,
    attention::{at_read, each_store},
};
use crate::{
    Result,
    kernels::{Keys, MassOut, Queries, Span, attend_span},
    ops::{Kv, Scores},
};

impl Cpu {
    pub(super) fn column_sums(&mut self, kv: Kv, causal: usize) -> Result<Scores> {
        let (dim, rows, heads) = (self.shape.head_dim, self.pass.rows as usize, self.shape.kv_heads);
        let (group, width) = (self.shape.query_heads / heads, self.shape.query_heads * dim);
        self.check_unquantised(kv)?;
        let stride = self.cache.live(kv);
        let out = self.tables.given(kv, heads * group, &vec![0.0; heads * group * stride]);
        let rotate = at_read(self.rope.as_ref(), self.positions);
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
                each_store!(cached, |k, v| {
                    let (keys, span) = (Keys { k, v, rotate }, Span::causal(sees));
                    let mass = MassOut { columns: &mut columns, stride: live, first_row: 0 };
                    attend_span(&q, &keys, span, &mut unread, group * dim, Some(mass), &mut self.attend);
                });
            }
            let table = &mut self.tables.table_mut(out)?.data[head * group * stride..];
            for (column, to) in columns.chunks_exact(live).zip(table.chunks_exact_mut(stride)) {
                to[..live].copy_from_slice(column);
            }
        }
        Ok(out)
    }
}
