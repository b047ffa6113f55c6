//! Stored rows, of both.

use std::ops::Range;

use super::{
    Paired,
    check::Part,
    tolerance::{FOLDED, FOLDED_F16, ROUNDED, Tolerance},
};
use crate::{Result, cache::Store, ops::Kv};

impl Paired {
    /// Keys and values of some slots of a KV head.
    fn row_parts(&self, kv: Kv, head: usize, slots: Range<usize>, tolerance: Tolerance) -> [Part; 2] {
        let [keys, values] = self.gpu.row_places(kv, head as u32, slots.start as u32);
        let [k, v] = self.cpu.stored(kv, head, slots.clone());
        let width = k.len() / slots.len().max(1);
        [("slot of a key", keys, k), ("slot of a value", values, v)]
            .map(|(slot, place, want)| Part::rows([slot, "channel"], place, &want, width, tolerance))
    }

    /// The tolerance of numbers that are stored as rows.
    fn as_stored(&self, tolerance: Tolerance) -> Tolerance {
        if self.gpu.store_of_rows() == Store::F16 { tolerance.as_f16() } else { tolerance }
    }

    fn heads_of(&self, kv: Kv) -> Range<usize> {
        0..self.cpu.cache().layer(kv).len()
    }

    /// Rows of the pass were rotated and stored.
    pub(super) fn check_stored(&mut self, kv: Kv, rows: &Range<u32>, stores: bool, tolerance: Tolerance) -> Result<()> {
        let n = rows.len();
        let queries = self.cpu.queries(rows);
        let place = self.gpu.queries_place(rows.start);
        let mut parts =
            vec![Part::rows(["row of queries", "number"], place, queries, queries.len() / n.max(1), tolerance)];
        if stores {
            for head in self.heads_of(kv) {
                let live = self.cpu.cache().layer(kv)[head].len();
                parts.extend(self.row_parts(kv, head, live - n..live, self.as_stored(tolerance)));
            }
            // The device counts all rows of the pass with the first.
            if rows.end == self.rows {
                parts.extend(self.slot_parts(kv));
            }
        }
        self.check_parts(parts)
    }

    /// Rows went into others.
    pub(super) fn check_folded(&mut self, kv: Kv) -> Result<()> {
        let tolerance = if self.gpu.store_of_rows() == Store::F16 { FOLDED_F16 } else { FOLDED };
        self.check_rows(kv, tolerance)
    }

    /// All rows of a layer are where they are to be.
    pub(super) fn check_rows(&mut self, kv: Kv, tolerance: Tolerance) -> Result<()> {
        let mut parts = self.slot_parts(kv);
        for head in self.heads_of(kv) {
            let live = self.cpu.cache().layer(kv)[head].len();
            parts.extend(self.row_parts(kv, head, 0..live, tolerance));
        }
        self.check_parts(parts)
    }

    /// Rows of a layer moved into planes: grids, and rows within a step of the lower plane. Codes follow from both, but for
    /// ties, so they are only written over.
    pub(super) fn check_planes(&mut self, kv: Kv) -> Result<()> {
        let mut parts = Vec::new();
        let mut codes = Vec::new();
        for head in self.heads_of(kv) {
            let cached = &self.cpu.cache().layer(kv)[head];
            let (Some(planes), Some(places)) = (&cached.planes, self.gpu.plane_places(kv, head as u32)) else {
                continue;
            };
            let steps = planes.parts().map(|plane| plane.grids().map(|grid| grid.step).fold(0.0, f32::max));
            let step = steps[0].max(steps[1]) / 16.0;
            let within = Tolerance { of: 0.0, least: 1.01 * step, scaled: false };
            parts.extend(self.row_parts(kv, head, 0..planes.rows, self.as_stored(within)));
            for (place, plane) in places.grids.into_iter().zip(planes.parts()) {
                let want: Vec<f32> = plane.grids().flat_map(|grid| [grid.step, grid.zero]).collect();
                // Least and largest numbers are exact; a step is divided by 15.
                let tolerance = self.as_stored(ROUNDED);
                parts.push(Part::rows(["grid", "step and zero"], place, &want, 2, tolerance));
            }
            for (place, plane) in places.codes.into_iter().zip(planes.parts()) {
                let [upper, lower] = plane.packed().map(<[u8]>::to_vec);
                codes.push((place.buffer.clone(), place.first, upper));
                codes.push((place.buffer, place.first + places.lower, lower));
            }
        }
        self.check_parts(parts)?;
        codes.iter().try_for_each(|(buffer, first, codes)| self.gpu.device().write(buffer, *first, codes))
    }
}
