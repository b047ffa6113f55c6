//! Shadow evaluation: what a sparse read of the running pass missed.

use super::Cpu;
use crate::{
    Error, Result,
    backend::account::block_grid,
    metrics,
    ops::{Group, Kv, Mass, Missed, Read},
    trace::Kind,
};

impl Cpu {
    pub(super) fn compare_dense(&mut self, kv: Kv, read: Read) -> Result<Missed> {
        if self.pass.rows != 1 {
            let (want, got) = ("a pass of one row".to_owned(), format!("{} rows", self.pass.rows));
            return Err(Error::Shape { op: "shadow", want, got });
        }
        let (heads, dim) = (self.shape.query_heads, self.shape.head_dim);
        let leave = Mass { rows: 1, per: Group::Query };
        let mass = self.open_mass(kv, leave)?;
        // Dense attention writes where all attention does; the sparse output is put back after it.
        let mut dense = std::mem::take(&mut self.dense);
        dense.resize(heads * dim, 0.0);
        std::mem::swap(&mut dense, &mut self.output);
        let done = (0..self.shape.kv_heads)
            .try_for_each(|head| self.attend_head(kv, head, Read::All, &(0..1), 1, &[Some((leave, mass))]));
        std::mem::swap(&mut dense, &mut self.output);
        let missed = done.and_then(|()| {
            let mut sum = [0.0; 2];
            for head in 0..heads {
                let full = self.columns(mass, head)?;
                let live = full.len();
                let recall = match read {
                    Read::All | Read::Coarse | Read::BottomRight | Read::Rounded(_) => 1.0,
                    Read::Window(w) => metrics::attention_recall(full, live.saturating_sub(w as usize)..live),
                    Read::Slots(set) => metrics::attention_recall(
                        full,
                        self.list_of(set, head, heads)?.iter().map(|slot| *slot as usize),
                    ),
                    Read::Blocks { pairs, size } => {
                        let (size, last) = (size as usize, (live - 1) / size as usize);
                        let count = block_grid(&self.cache, kv, size as u32)?;
                        let own = self.list_of(pairs, head, heads)?.iter().map(|pair| *pair as usize);
                        let blocks = own.filter(|pair| pair / count == last).map(|pair| pair % count);
                        metrics::attention_recall(full, blocks.flat_map(|block| block * size..(block + 1) * size))
                    }
                };
                let part = head * dim..(head + 1) * dim;
                let error = metrics::relative_error(&dense[part.clone()], &self.output[part]);
                let record = [recall as f32, error as f32];
                let [a, b] = record.map(f32::to_bits);
                self.tracer.record(Kind::Shadow, kv.0, head as u32, 0, a, b);
                sum.iter_mut().zip(record).for_each(|(sum, x)| *sum += x);
            }
            let [recall, error] = sum.map(|sum| sum / heads as f32);
            Ok(Missed { recall, error })
        });
        self.dense = dense;
        missed
    }
}
