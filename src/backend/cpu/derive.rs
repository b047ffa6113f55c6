//! Score tables made from others or from the stored rows.

use super::Cpu;
use crate::{
    Error, Result,
    ops::{Group, Kv, Pooling, Reduce, Scores},
};

impl Cpu {
    pub(super) fn reduce(&mut self, scores: Scores, to: Group, how: Reduce) -> Result<Scores> {
        let (kv, from, groups) = (self.tables.table(scores)?.kv, self.tables.table(scores)?.groups, self.groups(to));
        let per = from / groups;
        if per * groups != from || per == 0 {
            let (want, got) = (format!("a multiple of {groups} groups"), format!("{from} groups"));
            return Err(Error::Shape { op: "regroup", want, got });
        }
        self.check_alike("regroup", kv, groups)?;
        Ok(self.derive(kv, groups, |cache, tables, group, out| {
            for g in group * per..(group + 1) * per {
                let src = tables[scores.0 as usize].group(cache, g);
                let first = g == group * per;
                for (out, &x) in out.iter_mut().zip(src) {
                    *out = match how {
                        _ if first => x,
                        Reduce::Sum | Reduce::Mean => *out + x,
                        Reduce::Max => out.max(x),
                    };
                }
            }
            if how == Reduce::Mean {
                out.iter_mut().for_each(|x| *x /= per as f32);
            }
        }))
    }

    pub(super) fn divide_by_queries(&mut self, scores: Scores, rows: usize) -> Result<Scores> {
        let (kv, groups) = (self.tables.table(scores)?.kv, self.tables.table(scores)?.groups);
        Ok(self.derive(kv, groups, |cache, tables, group, out| {
            let n = out.len();
            let src = tables[scores.0 as usize].group(cache, group);
            for (slot, (out, x)) in out.iter_mut().zip(src).enumerate() {
                *out = x / rows.min(n - slot).max(1) as f32;
            }
        }))
    }

    pub(super) fn smooth(&mut self, scores: Scores, kernel: usize, how: Pooling, recent: usize) -> Result<Scores> {
        if kernel.is_multiple_of(2) {
            return Err(Error::Shape { op: "pool", want: "an odd kernel".to_owned(), got: kernel.to_string() });
        }
        let (kv, groups) = (self.tables.table(scores)?.kv, self.tables.table(scores)?.groups);
        Ok(self.derive(kv, groups, |cache, tables, group, out| {
            let n = out.len().saturating_sub(recent);
            let src = &tables[scores.0 as usize].group(cache, group)[..n];
            for (slot, out) in out[..n].iter_mut().enumerate() {
                let near = &src[slot.saturating_sub(kernel / 2)..(slot + kernel / 2 + 1).min(n)];
                *out = match how {
                    Pooling::Mean => near.iter().sum::<f32>() / kernel as f32,
                    Pooling::Max => near.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                };
            }
        }))
    }

    pub(super) fn negative_norms(&mut self, kv: Kv) -> Scores {
        let dim = self.shape.head_dim;
        self.derive(kv, self.shape.kv_heads, |cache, _, head, out| {
            let keys = &cache.layer(kv)[head].k;
            for (slot, out) in out.iter_mut().enumerate() {
                *out = -keys.row(slot, dim).iter().map(|x| x * x).sum::<f32>().sqrt();
            }
        })
    }

    pub(super) fn picture_slots(&mut self, kv: Kv, inside: f32, outside: f32) -> Scores {
        let tags = std::mem::take(&mut self.tags);
        let out = self.derive(kv, self.shape.kv_heads, |cache, _, head, out| {
            for (out, &position) in out.iter_mut().zip(&cache.layer(kv)[head].position) {
                let picture = tags.get(position as usize).is_some_and(|tag| tag.picture > 0);
                *out = if picture { inside } else { outside };
            }
        });
        self.tags = tags;
        out
    }
}
