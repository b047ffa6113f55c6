//! Score tables made from others or from the stored rows.

use super::Cpu;
use crate::{
    Error, Result,
    ops::{Group, Kv, Pooling, Reduce, Scores},
};

impl Cpu {
    pub(super) fn reduce(&mut self, scores: Scores, to: Group, how: Reduce) -> Result<Scores> {
        let ((kv, from), groups) = (self.kv_of(scores)?, self.groups(to));
        let per = from / groups;
        if per * groups != from || per == 0 {
            let (want, got) = (format!("a multiple of {groups} groups"), format!("{from} groups"));
            return Err(Error::Shape { op: "regroup", want, got });
        }
        self.check_alike("regroup", kv, groups)?;
        self.fill_slots(kv, groups, |on, group, out| {
            for g in group * per..(group + 1) * per {
                let src = on.columns(scores, g)?;
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
            Ok(())
        })
    }

    pub(super) fn divide_by_queries(&mut self, scores: Scores, rows: usize) -> Result<Scores> {
        let (kv, groups) = self.kv_of(scores)?;
        self.fill_slots(kv, groups, |on, group, out| {
            let n = out.len();
            let src = on.columns(scores, group)?;
            for (slot, (out, x)) in out.iter_mut().zip(src).enumerate() {
                *out = x / rows.min(n - slot).max(1) as f32;
            }
            Ok(())
        })
    }

    pub(super) fn smooth(&mut self, scores: Scores, kernel: usize, how: Pooling, recent: usize) -> Result<Scores> {
        if kernel.is_multiple_of(2) {
            return Err(Error::Shape { op: "pool", want: "an odd kernel".to_owned(), got: kernel.to_string() });
        }
        let (kv, groups) = self.kv_of(scores)?;
        self.fill_slots(kv, groups, |on, group, out| {
            let n = out.len().saturating_sub(recent);
            let src = &on.columns(scores, group)?[..n];
            for (slot, out) in out[..n].iter_mut().enumerate() {
                let near = &src[slot.saturating_sub(kernel / 2)..(slot + kernel / 2 + 1).min(n)];
                *out = match how {
                    Pooling::Mean => near.iter().sum::<f32>() / kernel as f32,
                    Pooling::Max => near.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                };
            }
            Ok(())
        })
    }

    pub(super) fn negative_norms(&mut self, kv: Kv) -> Result<Scores> {
        self.check_unquantised(kv)?;
        let dim = self.shape.head_dim;
        let mut key = vec![0.0; dim];
        self.fill_slots(kv, self.shape.kv_heads, |on, head, out| {
            for (slot, out) in out.iter_mut().enumerate() {
                on.cache.layer(kv)[head].k.fetch_into(slot * dim, &mut key);
                *out = -key.iter().map(|x| x * x).sum::<f32>().sqrt();
            }
            Ok(())
        })
    }

    pub(super) fn picture_slots(&mut self, kv: Kv, inside: f32, outside: f32) -> Result<Scores> {
        self.fill_slots(kv, self.shape.kv_heads, |on, head, out| {
            for (out, &position) in out.iter_mut().zip(&on.cache.layer(kv)[head].position) {
                *out = if on.tags.is_picture(position) { inside } else { outside };
            }
            Ok(())
        })
    }
}
