//! The newest query's weights, for the trace.

use super::Cpu;
use crate::{
    Result,
    ops::{Group, Kv, Mass, Read, Scores},
};

impl Cpu {
    pub(super) fn weigh_newest(&mut self, kv: Kv, read: Read, left: Option<Scores>) -> Result<()> {
        let table = match left {
            Some(table) => table,
            None => self.newest_mass(kv, read)?,
        };
        let (heads, query_heads) = (self.cache.layer(kv), self.shape.query_heads);
        for query in 0..query_heads {
            let weights = self.tables.table(table)?.group(&self.cache, query);
            let positions = &heads[query * heads.len() / query_heads].position;
            self.tracer.weights(kv.0, query as u32, positions.iter().copied().zip(weights.iter().copied()));
        }
        Ok(())
    }

    /// Attention once more for the newest row of several. It writes where all attention does, so what is there is put
    /// aside.
    fn newest_mass(&mut self, kv: Kv, read: Read) -> Result<Scores> {
        let (asked, rows) = (Mass { rows: 1, per: Group::Query }, self.pass.rows);
        let table = self.open_mass(kv, asked)?;
        let mut aside = std::mem::take(&mut self.dense);
        aside.resize(self.shape.query_heads * self.shape.head_dim, 0.0);
        std::mem::swap(&mut aside, &mut self.output);
        let lse = std::mem::take(&mut self.lse);
        let done = (0..self.shape.kv_heads)
            .try_for_each(|head| self.attend_head(kv, head, read, &(rows - 1..rows), 1, &[Some((asked, table))]));
        std::mem::swap(&mut aside, &mut self.output);
        (self.dense, self.lse) = (aside, lse);
        done.map(|()| table)
    }
}
