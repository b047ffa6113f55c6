//! Estimates from the queries of the running pass, which are kept until its end.

use super::{
    Cpu,
    attention::{at_read, each_store},
};
use crate::{
    Error, Result,
    backend::account::block_grid,
    kernels::{self, Element, Keys, Queries, Rope, normalise},
    ops::{Group, Kv, Mass, Pooled, Scores},
};

impl Cpu {
    fn refuse_rows(&self, op: &'static str, want: String) -> Error {
        Error::Shape { op, want, got: format!("a pass of {} rows", self.pass.rows) }
    }

    pub(super) fn probe_rows(&mut self, kv: Kv, rows: usize) -> Result<[Scores; 2]> {
        if rows == 0 || rows > self.pass.rows as usize {
            return Err(self.refuse_rows("probe", format!("{rows} rows")));
        }
        self.check_unquantised(kv)?;
        let leave = Mass { rows: 0, per: Group::Query };
        let out = [self.open_mass(kv, leave)?, self.open_mass(kv, leave)?];
        let [mut vertical, mut slash] = [Vec::new(), Vec::new()];
        for (data, scores) in [&mut vertical, &mut slash].into_iter().zip(out) {
            *data = std::mem::take(&mut self.tables.table_mut(scores)?.data);
        }
        let (dim, group) = (self.shape.head_dim, self.shape.query_heads / self.shape.kv_heads);
        let (width, stride) = (self.shape.query_heads * dim, self.cache.live(kv));
        let mut scratch = std::mem::take(&mut self.attend);
        for (head, cached) in self.cache.layer(kv).iter().enumerate() {
            let q = Queries {
                q: &self.q[(self.pass.rows as usize - rows) * width + head * group * dim..],
                stride: width,
                rows,
                group,
                head_dim: dim,
                scale: 1.0 / (dim as f32).sqrt(),
            };
            let part = head * group * stride..(head + 1) * group * stride;
            let (vertical, slash) = (&mut vertical[part.clone()], &mut slash[part]);
            each_store!(cached, |k, v| {
                let kv = Keys { k, v, rotate: at_read(self.rope.as_ref(), self.positions) };
                kernels::probe(&q, &kv, vertical, slash, stride, &mut scratch);
            });
        }
        self.attend = scratch;
        for (data, scores) in [vertical, slash].into_iter().zip(out) {
            self.tables.table_mut(scores)?.data = data;
        }
        Ok(out)
    }

    pub(super) fn pooled_scores(&mut self, kv: Kv, size: usize, queries: Pooled) -> Result<Scores> {
        let (dim, query_heads, rows) = (self.shape.head_dim, self.shape.query_heads, self.pass.rows as usize);
        self.check_unquantised(kv)?;
        let blocks = block_grid(&self.cache, kv, size as u32)?;
        if rows < size || (queries == Pooled::Blocks && rows != self.cache.live(kv)) {
            return Err(self.refuse_rows("block_scores", format!("all {} live rows", self.cache.live(kv))));
        }
        let mut keys = vec![0.0; self.shape.kv_heads * blocks * dim];
        for (cached, keys) in self.cache.layer(kv).iter().zip(keys.chunks_exact_mut(blocks * dim)) {
            each_store!(cached, |k, _v| means(k, dim, size, at_read(self.rope.as_ref(), self.positions), keys));
        }
        let cols = match queries {
            Pooled::Newest => blocks,
            Pooled::Blocks => blocks * blocks,
        };
        let scale = 1.0 / (dim as f32).sqrt();
        let mut mean = vec![0.0; dim];
        self.fill_table(kv, query_heads, cols, |on, head, out| {
            let keys = &keys[head * on.shape.kv_heads / query_heads * blocks * dim..][..blocks * dim];
            for (block, out) in out.chunks_exact_mut(blocks).enumerate() {
                let (rows, seen) = match queries {
                    Pooled::Newest => (rows - size..rows, blocks),
                    Pooled::Blocks => (block * size..rows.min((block + 1) * size), block + 1),
                };
                mean.fill(0.0);
                let share = 1.0 / rows.len() as f32;
                for row in rows {
                    let query = &on.q[(row * query_heads + head) * dim..][..dim];
                    mean.iter_mut().zip(query).for_each(|(mean, q)| *mean += q * share);
                }
                for (out, key) in out[..seen].iter_mut().zip(keys.chunks_exact(dim)) {
                    *out = scale * mean.iter().zip(key).map(|(q, k)| q * k).sum::<f32>();
                }
                normalise(&mut out[..seen]);
            }
            Ok(())
        })
    }
}

/// The mean key of every block, `[blocks, dim]`.
fn means<E: Element>(stored: &[E], dim: usize, size: usize, rotate: Option<&Rope>, out: &mut [f32]) {
    let mut row = vec![0.0; dim];
    for (block, (out, keys)) in out.chunks_exact_mut(dim).zip(stored.chunks(size * dim)).enumerate() {
        let share = 1.0 / (keys.len() / dim) as f32;
        for (key, slot) in keys.chunks_exact(dim).zip(block * size..) {
            E::fetch(key, &mut row);
            if let Some(rope) = rotate {
                rope.rotate(&mut row, dim, slot);
            }
            out.iter_mut().zip(&row).for_each(|(mean, k)| *mean += k * share);
        }
    }
}
