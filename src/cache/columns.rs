//! Score columns: a number for every slot that a method keeps in the cache, so that it moves with the slot.

use super::Cache;
use crate::{
    kernels::random,
    ops::{Fresh, Kv},
};

impl Cache {
    /// The index of a score column, made for the heads of `kv` when it is new to them.
    pub fn column(&mut self, kv: Kv, name: &'static str, fresh: Fresh) -> usize {
        let index = self.columns.iter().position(|c| c.0 == name).unwrap_or_else(|| {
            self.columns.push((name.into(), fresh));
            self.columns.len() - 1
        });
        let at = kv.0 as usize * self.kv_heads;
        for (number, head) in (0..).zip(&mut self.heads[at..at + self.kv_heads]) {
            for (_, fresh) in &self.columns[head.columns.len().min(index + 1)..=index] {
                let mut column = Vec::with_capacity(self.reserved);
                fill(&mut column, *fresh, &head.position, number);
                head.columns.push(column);
            }
        }
        index
    }

    /// A score column of one KV head, by slot.
    #[must_use]
    pub fn scores(&self, kv: Kv, head: usize, column: usize) -> &[f32] {
        &self.layer(kv)[head].columns[column]
    }

    /// The same, to change.
    pub fn scores_mut(&mut self, kv: Kv, head: usize, column: usize) -> &mut [f32] {
        &mut self.heads[kv.0 as usize * self.kv_heads + head].columns[column]
    }

    /// A score column by name, for tests and views.
    #[must_use]
    pub fn named(&self, kv: Kv, head: usize, name: &str) -> Option<&[f32]> {
        let index = self.columns.iter().position(|c| c.0 == name)?;
        self.layer(kv)[head].columns.get(index).map(Vec::as_slice)
    }
}

/// Gives the slots that a column does not have yet what they start with.
pub(super) fn fill(column: &mut Vec<f32>, fresh: Fresh, position: &[u32], head: u32) {
    column.extend(position[column.len()..].iter().map(|&p| match fresh {
        Fresh::Value(x) => x,
        Fresh::Position => p as f32,
        Fresh::Random => random(p, head),
    }));
}
