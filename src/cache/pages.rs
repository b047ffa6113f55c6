//! Page bounds of one KV head: per page of slots the smallest and largest value of every key component. They are
//! brought up to date slot by slot, so a decode step costs one key, and forgotten from the first slot an edit moves.

use super::Rows;

/// Smallest and largest key components by page.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    page: usize,
    /// Slots that are in; the last page of them may be in part.
    folded: usize,
    min: Vec<f32>,
    max: Vec<f32>,
    /// One key.
    row: Vec<f32>,
}

impl Bounds {
    /// `[pages, head_dim]`
    #[must_use]
    pub fn min(&self) -> &[f32] {
        &self.min
    }

    /// `[pages, head_dim]`
    #[must_use]
    pub fn max(&self) -> &[f32] {
        &self.max
    }

    /// Slots of a page; 0: there are no bounds.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// Slots that are in.
    pub(super) fn folded(&self) -> usize {
        self.folded
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.min.as_slice()) + size_of_val(self.max.as_slice())
    }

    /// Forgets all pages and their memory.
    pub(super) fn clear(&mut self) {
        *self = Bounds::default();
    }

    /// Forgets every page with a slot from `first` on.
    pub(super) fn cut(&mut self, first: usize) {
        if first >= self.folded {
            return;
        }
        let (pages, dim) = (first / self.page, self.min.len() / self.folded.div_ceil(self.page));
        self.folded = pages * self.page;
        self.min.truncate(pages * dim);
        self.max.truncate(pages * dim);
    }

    /// Makes these the bounds of the first `end` slots of `keys`, in pages of `page`, with room for `rows` slots.
    pub(super) fn update(&mut self, keys: &Rows, dim: usize, page: usize, end: usize, rows: usize) {
        if self.page != page {
            self.clear();
            self.page = page;
        }
        self.cut(end);
        self.row.resize(dim, 0.0);
        let room = rows.max(end).div_ceil(page) * dim;
        for bounds in [&mut self.min, &mut self.max] {
            bounds.reserve_exact(room.saturating_sub(bounds.len()));
        }
        for slot in self.folded..end {
            if slot.is_multiple_of(page) {
                self.min.resize(self.min.len() + dim, f32::INFINITY);
                self.max.resize(self.max.len() + dim, f32::NEG_INFINITY);
            }
            let at = self.min.len() - dim;
            keys.fetch_into(slot * dim, &mut self.row);
            for ((min, max), &x) in self.min[at..].iter_mut().zip(&mut self.max[at..]).zip(&self.row) {
                (*min, *max) = (min.min(x), max.max(x));
            }
        }
        self.folded = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(keys: &Rows, page: usize, end: usize) -> Bounds {
        let mut bounds = Bounds::default();
        bounds.update(keys, 2, page, end, 0);
        bounds
    }

    #[test]
    fn whatever_was_edited_the_bounds_are_those_of_the_slots() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut values: Vec<f32> = Vec::new();
        let mut bounds = Bounds::default();
        for step in 0..300 {
            match random.u32(0..4) {
                0 if !values.is_empty() => {
                    // Drops some slots: all from the first of them on move.
                    let first = random.usize(0..values.len() / 2);
                    values.drain(2 * first..(2 * first + 2 * random.usize(1..4)).min(values.len()));
                    bounds.cut(first);
                }
                _ => (0..2 * random.usize(1..5)).for_each(|_| values.push(random.f32() - 0.5)),
            }
            let keys = Rows::F32(values.clone());
            let end = (values.len() / 2).saturating_sub(random.usize(0..3));
            let page = if step < 150 { 4 } else { 3 };
            bounds.update(&keys, 2, page, end, 0);
            let want = fresh(&keys, page, end);
            assert_eq!((bounds.min(), bounds.max()), (want.min(), want.max()), "step {step}");
            assert_eq!(bounds.min().len(), 2 * end.div_ceil(page));
            for slot in 0..end {
                let row = keys.row(slot, 2);
                let at = slot / page * 2;
                assert!((0..2).all(|i| want.min()[at + i] <= row[i] && row[i] <= want.max()[at + i]));
            }
        }
    }
}
