//! Dropped rows go into kept ones.

use super::Cpu;
use crate::{
    Error, Result,
    kernels::nearest,
    ops::{Fold, Kv, Set},
    trace::{Detail, Kind},
};

/// A dropped row and where it goes; slots.
#[derive(Clone, Copy)]
struct Move {
    from: u32,
    to: u32,
    cosine: f32,
}

impl Cpu {
    pub(super) fn fold_rows(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()> {
        let one = self.check_kept("fold", kv, set)?;
        let mut moves: Vec<Vec<Move>> =
            (0..self.shape.kv_heads).map(|h| self.moves(kv, h, if one { 0 } else { h }, set)).collect::<Result<_>>()?;
        if matches!(how, Fold::PublishedAveraged | Fold::PublishedWeighted) {
            filter(&mut moves, how == Fold::PublishedAveraged)?;
        }
        for (h, moves) in moves.iter_mut().enumerate() {
            if self.tracer.detail >= Detail::Sets {
                let position = &self.cache.layer(kv)[h].position;
                for m in moves.iter() {
                    let (from, to) = (position[m.from as usize], position[m.to as usize]);
                    self.tracer.record(Kind::Fold, kv.0, h as u32, 0, from, to);
                }
            }
            // Stable: rows that go into the same one stay in order.
            moves.sort_by_key(|m| m.to);
            let (dim, head) = (self.shape.head_dim, self.cache.head_mut(kv, h));
            for into in moves.chunk_by(|a, b| a.to == b.to) {
                let to = into[0].to as usize;
                for rows in [&mut head.k, &mut head.v] {
                    let mut row = rows.row(to, dim);
                    merge(&mut row, into, how, |slot| rows.row(slot as usize, dim));
                    rows.write(to, &row);
                }
            }
        }
        Ok(())
    }

    /// Where every dropped row of a KV head goes, ascending.
    fn moves(&self, kv: Kv, head: usize, list: usize, set: Set) -> Result<Vec<Move>> {
        let (cached, dim) = (&self.cache.layer(kv)[head], self.shape.head_dim);
        let kept = self.tables.set(set)?.list(list);
        let mut gone = kept.iter().copied().peekable();
        let gone: Vec<u32> = (0..cached.len() as u32).filter(|slot| gone.next_if_eq(slot).is_none()).collect();
        let keys = |slots: &[u32]| slots.iter().flat_map(|&s| cached.k.row(s as usize, dim)).collect::<Vec<f32>>();
        let mut near = Vec::new();
        nearest(&keys(&gone), &keys(kept), dim, &mut near);
        Ok(gone.iter().zip(&near).map(|(&from, &(i, cosine))| Move { from, to: kept[i as usize], cosine }).collect())
    }
}

/// The filter of LOOK-M's code: see [`Fold::PublishedAveraged`].
fn filter(moves: &mut [Vec<Move>], mispair: bool) -> Result<()> {
    let (heads, n) = (moves.len(), moves.first().map_or(0, Vec::len));
    if moves.iter().any(|m| m.len() != n) {
        let (want, got) = ("as many dropped rows in every KV head".to_owned(), "different numbers".to_owned());
        return Err(Error::Shape { op: "fold", want, got });
    }
    let mean = |i: usize| moves.iter().map(|m| m[i].cosine).sum::<f32>() / heads as f32;
    let means: Vec<f32> = (0..n).map(mean).collect();
    let least = means.iter().sum::<f32>() / n as f32;
    let part: Vec<usize> = (0..n).filter(|&i| means[i] >= least).collect();
    for head in moves {
        let source = |i: usize, at: usize| if mispair { head[i].from } else { head[at].from };
        *head = part.iter().enumerate().map(|(i, &at)| Move { from: source(i, at), ..head[at] }).collect();
    }
    Ok(())
}

/// One kept row `y` and all that go into it.
fn merge(y: &mut [f32], into: &[Move], how: Fold, row: impl Fn(u32) -> Vec<f32>) {
    let (old, mut total) = (y.to_vec(), 1.0);
    for m in into {
        let (weight, own, counts) = match how {
            Fold::Averaged | Fold::PublishedAveraged => (1.0, 0.0, 1.0),
            Fold::Pivotal => (0.5, 0.5, 1.0),
            Fold::Weighted | Fold::PublishedWeighted => (m.cosine, 0.0, 1.0),
            Fold::NormalisedWeighted => {
                let w = f32::midpoint(m.cosine, 1.0).max(1e-6);
                (w, 0.0, w)
            }
        };
        total += counts;
        y.iter_mut().zip(row(m.from)).zip(&old).for_each(|((y, x), old)| *y += weight * x + own * old);
    }
    y.iter_mut().for_each(|y| *y /= total);
}
