//! Edits of the cache: rows are dropped, taken back, or moved into planes. Each is recorded.

use super::{Cache, Noise, Planes};
use crate::{
    Error, Result,
    ops::{Kv, PlaneGroups},
    trace::{ALL_HEADS, Detail, Kind, Tracer},
};

impl Cache {
    /// Keeps only the listed slots, one ascending list a KV head, and records the others as evicted.
    pub fn keep<'a>(&mut self, kv: Kv, kept: impl Fn(usize) -> &'a [u32], tracer: &mut Tracer) {
        for h in 0..self.kv_heads {
            let (kept, width) = (kept(h), self.head_dim);
            let head = &mut self.heads[kv.0 as usize * self.kv_heads + h];
            if tracer.detail >= Detail::Sets {
                let gone = Gone { position: &head.position, kept, slot: 0 };
                tracer.positions(Kind::EvictRun, Kind::EvictBits, kv.0, h as u32, gone);
            }
            head.bounds.cut(kept.iter().zip(0..).position(|(from, to)| *from != to).unwrap_or(kept.len()));
            head.far.compact(kept);
            head.k.compact(kept, width, self.reserved);
            head.v.compact(kept, width, self.reserved);
            for (to, &from) in kept.iter().enumerate() {
                head.position[to] = head.position[from as usize];
                head.columns.iter_mut().for_each(|c| c[to] = c[from as usize]);
            }
            head.position.truncate(kept.len());
            head.columns.iter_mut().for_each(|c| c.truncate(kept.len()));
        }
    }

    /// Takes back the slots from position `first` on, and records how many.
    ///
    /// # Errors
    /// [`Error::State`] when a quantised row is among them.
    pub fn cut(&mut self, kv: Kv, first: u32, tracer: &mut Tracer) -> Result<()> {
        let width = self.head_dim;
        let mut most = 0;
        for head in &mut self.heads[kv.0 as usize * self.kv_heads..][..self.kv_heads] {
            let slots = head.position.partition_point(|&position| position < first);
            let Some(rows) = slots.checked_sub(head.quantised()) else {
                return Err(Error::State("quantised rows cannot be taken back"));
            };
            most = most.max(head.len() - slots);
            head.bounds.cut(slots);
            head.far.truncate(slots);
            head.position.truncate(slots);
            head.columns.iter_mut().for_each(|column| column.truncate(slots));
            head.k.truncate(rows * width);
            head.v.truncate(rows * width);
        }
        if most > 0 && tracer.detail >= Detail::Sets {
            tracer.record(Kind::Cut, kv.0, u32::from(ALL_HEADS), 0, first, most as u32);
        }
        Ok(())
    }

    /// Moves the oldest `rows` full-precision rows, a multiple of `groups.tokens`, into two planes, and records it. With
    /// `measure`, returns the least signal-to-noise ratio, in dB, of the keys or the values of a head, if any moved; a
    /// trace of sets has those of all heads.
    ///
    /// # Errors
    /// [`Error::Param`] for groups that do not fit the head.
    pub fn quantise(
        &mut self,
        kv: Kv,
        groups: PlaneGroups,
        rows: usize,
        measure: bool,
        tracer: &mut Tracer,
    ) -> Result<Option<f32>> {
        let mut least = None;
        let watch = tracer.detail >= Detail::Sets;
        let (width, reserved, store) = (self.head_dim, self.reserved, self.store());
        let tokens = groups.tokens.max(1) as usize;
        for (h, head) in self.heads[kv.0 as usize * self.kv_heads..][..self.kv_heads].iter_mut().enumerate() {
            let first = head.quantised();
            let planes = match &mut head.planes {
                Some(planes) => planes,
                none => none.insert(Planes::new(groups, width)?),
            };
            let mut noise = [Noise::default(); 2];
            let there = (rows / tokens * tokens).min((head.position.len() - first) / tokens * tokens);
            for start in (0..there).step_by(tokens) {
                let [k, v, stored] = &mut self.group;
                head.k.fetch(start * width, k, tokens * width);
                head.v.fetch(start * width, v, tokens * width);
                planes.push(k, v, store);
                if measure || watch {
                    planes.compare(first + start, [&k[..], &v[..]], &mut noise, stored);
                }
            }
            head.k.drop_front(there * width, reserved * width);
            head.v.drop_front(there * width, reserved * width);
            if there == 0 {
                continue;
            }
            let lost = noise.map(|noise| noise.decibels());
            if measure {
                least = lost.into_iter().chain(least).reduce(f32::min);
            }
            if watch {
                record_planes(tracer, kv, h, [head.position[first], there as u32], noise);
            }
        }
        Ok(least)
    }

    /// The same of rows that a device has moved: `rows` of every KV head. `noise` has, by KV head and group, of keys and of
    /// values the sums of squares of numbers and of errors, and the worst error, or nothing.
    ///
    /// # Errors
    /// [`Error::Param`] for groups that do not fit the head.
    pub fn quantise_elsewhere(
        &mut self,
        kv: Kv,
        groups: PlaneGroups,
        rows: usize,
        noise: &[f32],
        tracer: &mut Tracer,
    ) -> Result<Option<f32>> {
        let (width, reserved, mut least) = (self.head_dim, self.reserved, None);
        let heads = &mut self.heads[kv.0 as usize * self.kv_heads..][..self.kv_heads];
        let per_head = (noise.len() / self.kv_heads).max(1);
        for (h, head) in heads.iter_mut().enumerate() {
            let first = head.quantised();
            let planes = match &mut head.planes {
                Some(planes) => planes,
                none => none.insert(Planes::new(groups, width)?),
            };
            planes.rows += rows;
            head.k.drop_front(rows * width, reserved * width);
            head.v.drop_front(rows * width, reserved * width);
            let Some(own) = noise.chunks_exact(per_head).nth(h) else { continue };
            let mut sums = [Noise::default(); 2];
            for part in own.chunks_exact(6) {
                sums.iter_mut().zip(part.chunks_exact(3)).for_each(|(sum, part)| sum.join(part[0], part[1], part[2]));
            }
            least = sums.iter().map(Noise::decibels).chain(least).reduce(f32::min);
            if tracer.detail >= Detail::Sets {
                record_planes(tracer, kv, h, [head.position[first], rows as u32], sums);
            }
        }
        Ok(least)
    }
}

/// Records that a KV head's rows from a position on moved into planes, and what was lost of keys and of values.
fn record_planes(tracer: &mut Tracer, kv: Kv, head: usize, [first, rows]: [u32; 2], noise: [Noise; 2]) {
    tracer.record(Kind::Quantise, kv.0, head as u32, 0, first, rows);
    for (part, noise) in noise.iter().enumerate() {
        let [a, b] = [noise.decibels(), noise.worst].map(f32::to_bits);
        tracer.record(Kind::PlaneNoise, kv.0, head as u32, part as u8, a, b);
    }
}

/// Positions of the slots that are not in `kept`.
#[derive(Clone)]
struct Gone<'a> {
    position: &'a [u32],
    kept: &'a [u32],
    slot: usize,
}

impl Iterator for Gone<'_> {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        while let Some((&keep, rest)) = self.kept.split_first() {
            if keep as usize != self.slot {
                break;
            }
            self.kept = rest;
            self.slot += 1;
        }
        let gone = self.position.get(self.slot).copied();
        self.slot += 1;
        gone
    }
}
