//! What a call changed: asked of the GPU, and what the CPU has there.

use std::ops::Range;

use half::f16;

use super::tolerance::Tolerance;
use crate::{
    Error, Result,
    backend::gpu::{Device, Pending, Place},
    cache::Store,
    kernels::encode,
    ops::{Kv, Scores},
};

/// What must be where.
enum Want {
    /// Within a tolerance; written over.
    Floats(Vec<Vec<f32>>, Tolerance),
    /// Exactly, each row behind its length.
    Lists(Vec<Vec<u32>>),
    /// Exactly.
    Words(Vec<Vec<u32>>),
    /// Each word one of these, of which the CPU has the first.
    OneOf(Vec<Vec<Vec<u32>>>),
}

/// Rows of a buffer.
pub(super) struct Part {
    pub place: Place,
    want: Want,
    /// What a row is called, and a number of it.
    called: [&'static str; 2],
}

/// What is remembered of what the GPU said.
pub(super) enum Keeps {
    Nothing,
    /// The newest attention's output, the first part.
    Output,
    /// A table.
    Table(Scores),
}

/// One call's results on their way.
pub(super) struct Check {
    pub op: &'static str,
    pub call: u32,
    pub layer: Option<Kv>,
    /// None where there was nothing to ask for.
    pub pending: Option<Pending>,
    pub parts: Vec<Part>,
    pub keeps: Keeps,
    /// The handles of the table that is remembered: another pass may use its number again.
    pub table: [Scores; 2],
}

impl Part {
    pub fn floats(called: [&'static str; 2], place: Place, want: Vec<Vec<f32>>, tolerance: Tolerance) -> Part {
        Part { place, want: Want::Floats(want, tolerance), called }
    }

    /// Rows of `width` numbers, one behind the other.
    pub fn rows(called: [&'static str; 2], place: Place, want: &[f32], width: usize, tolerance: Tolerance) -> Part {
        Part::floats(called, place, want.chunks(width.max(1)).map(<[f32]>::to_vec).collect(), tolerance)
    }

    pub fn lists(place: Place, want: Vec<Vec<u32>>) -> Part {
        Part { place, want: Want::Lists(want), called: ["head", ""] }
    }

    pub fn words(called: [&'static str; 2], place: Place, want: Vec<Vec<u32>>) -> Part {
        Part { place, want: Want::Words(want), called }
    }

    pub fn one_of(called: [&'static str; 2], place: Place, want: Vec<Vec<Vec<u32>>>) -> Part {
        Part { place, want: Want::OneOf(want), called }
    }

    /// Numbers of every row.
    fn lengths(&self) -> Vec<usize> {
        match &self.want {
            Want::Floats(rows, _) => rows.iter().map(Vec::len).collect(),
            Want::Words(rows) => rows.iter().map(Vec::len).collect(),
            Want::OneOf(rows) => rows.iter().map(Vec::len).collect(),
            Want::Lists(rows) => rows.iter().map(|list| list.len() + 1).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lengths().iter().all(|length| *length == 0)
    }

    /// Words that hold all of it.
    pub fn range(&self) -> Range<u64> {
        let ends = self.lengths().into_iter().enumerate().map(|(row, length)| self.place.range(row + 1, length).end);
        self.place.first..ends.max().unwrap_or(self.place.first)
    }

    /// Writes the CPU's numbers over the GPU's.
    pub fn write_over(&self, device: &Device) -> Result<()> {
        let Want::Floats(rows, _) = &self.want else { return Ok(()) };
        let Place { buffer, first, stride, store } = &self.place;
        let width = rows[0].len() as u64;
        // Rows without gaps are one.
        let together = *store == Store::F32 && *stride == width && rows.iter().all(|row| row.len() as u64 == width);
        if together {
            return device.write(buffer, *first, &rows.concat());
        }
        for (row, at) in rows.iter().zip(0..).filter(|(row, _)| !row.is_empty()) {
            if *store == Store::F32 {
                device.write(buffer, first + at * stride, row)?;
            } else {
                let mut bits = vec![0; row.len()];
                encode(row, &mut bits);
                device.write(buffer, first + at * stride, &bits)?;
            }
        }
        Ok(())
    }

    /// Row `row` of what came back.
    fn words_of<'a>(&self, words: &'a [u32], row: usize) -> &'a [u32] {
        words.get(row * self.place.stride as usize..).unwrap_or_default()
    }

    fn floats_of(&self, words: &[u32], numbers: usize) -> Vec<f32> {
        if self.place.store == Store::F16 {
            let halves = |word: &u32| [*word as u16, (word >> 16) as u16].map(|bits| f16::from_bits(bits).to_f32());
            return words.iter().take(numbers / 2).flat_map(halves).collect();
        }
        words.iter().take(numbers).copied().map(f32::from_bits).collect()
    }

    /// The largest share of the tolerance that was used and what the GPU said; or what differs first.
    fn compare(&self, words: &[u32]) -> std::result::Result<(f32, Vec<Vec<f32>>), String> {
        let [of_row, of_number] = self.called;
        match &self.want {
            Want::Floats(rows, tolerance) => {
                let largest =
                    rows.iter().flatten().filter(|x| x.is_finite()).fold(0.0_f32, |most, x| most.max(x.abs()));
                let (mut worst, mut said) = (0.0_f32, Vec::with_capacity(rows.len()));
                for (row, want) in rows.iter().enumerate() {
                    let got = self.floats_of(self.words_of(words, row), want.len());
                    for (at, (got, want)) in got.iter().zip(want).enumerate() {
                        // On a GPU minus infinity is a number, in arithmetic.
                        let none = *got < -1e38 && *want == f32::NEG_INFINITY;
                        let used = if none { 0.0 } else { tolerance.used(*got, *want, largest) };
                        if used > 1.0 {
                            return Err(format!("{of_row} {row}, {of_number} {at}: {got:e}, the CPU {want:e}"));
                        }
                        worst = worst.max(used);
                    }
                    said.push(got);
                }
                Ok((worst, said))
            }
            Want::Lists(lists) => {
                for (row, want) in lists.iter().enumerate() {
                    let (count, got) = self.words_of(words, row).split_first().unwrap_or((&0, &[]));
                    let got = &got[..(*count as usize).min(want.len()).min(got.len())];
                    if let Some(at) = (0..want.len()).find(|at| got.get(*at) != want.get(*at)) {
                        let got = got.get(at).map_or("no more".to_owned(), u32::to_string);
                        return Err(format!("{of_row} {row} lists {got}, the CPU {}", want[at]));
                    }
                    // Of a longer list only as much came back as the CPU has.
                    if *count as usize != want.len() {
                        return Err(format!("{of_row} {row} lists {count} slots, the CPU {}", want.len()));
                    }
                }
                Ok((0.0, Vec::new()))
            }
            Want::Words(rows) => {
                for (row, want) in rows.iter().enumerate() {
                    let got = self.words_of(words, row);
                    if let Some(at) = (0..want.len()).find(|at| got.get(*at) != want.get(*at)) {
                        return Err(format!("{of_row} {row}, {of_number} {at}: {}, the CPU {}", got[at], want[at]));
                    }
                }
                Ok((0.0, Vec::new()))
            }
            Want::OneOf(rows) => {
                for (row, want) in rows.iter().enumerate() {
                    let got = self.words_of(words, row).iter().zip(want);
                    if let Some((at, (got, want))) = got.enumerate().find(|(_, (got, want))| !want.contains(got)) {
                        return Err(format!("{of_row} {row}, {of_number} {at}: {got}, the CPU {}", want[0]));
                    }
                }
                Ok((0.0, Vec::new()))
            }
        }
    }
}

impl Check {
    /// The largest share of the tolerance that was used, and what the GPU said of the first part.
    pub fn compare(&self, words: &[Vec<u32>]) -> Result<(f32, Vec<Vec<f32>>)> {
        let (mut worst, mut first) = (0.0_f32, None);
        for (part, words) in self.parts.iter().zip(words) {
            let layer = self.layer.map(|kv| kv.0);
            let differ = |what| Error::Differ { op: self.op, call: self.call, layer, what };
            let (used, said) = part.compare(words).map_err(differ)?;
            worst = worst.max(used);
            first.get_or_insert(said);
        }
        Ok((worst, first.unwrap_or_default()))
    }
}
