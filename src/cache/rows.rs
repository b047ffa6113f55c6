//! Rows of keys or values in either precision.

use crate::{Error, Result, kernels::Element};
use half::f16;

/// How rows are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// 2 bytes a number; the default and the accounting baseline.
    #[default]
    F16,
    /// 4 bytes a number, for exact comparisons.
    F32,
    /// Nowhere here: numbers of so many bytes in a device's memory. Only positions are known.
    Device(usize),
}

/// Rows of one KV head, `[slots, head_dim]`.
#[derive(Clone, Debug)]
pub enum Rows {
    /// Bits of f16.
    F16(Vec<u16>),
    /// f32.
    F32(Vec<f32>),
    /// In a device's memory, so many bytes a number: here only how many.
    Device(Vec<()>, usize),
}

/// Runs the same code on either kind of rows.
macro_rules! each {
    ($rows:expr, $v:ident => $e:expr) => {
        match $rows {
            Rows::F16($v) => $e,
            Rows::F32($v) => $e,
            Rows::Device($v, _) => $e,
        }
    };
}

impl Rows {
    /// No rows yet.
    #[must_use]
    pub fn new(store: Store) -> Rows {
        match store {
            Store::F16 => Rows::F16(Vec::new()),
            Store::F32 => Rows::F32(Vec::new()),
            Store::Device(bytes) => Rows::Device(Vec::new(), bytes),
        }
    }
    pub(super) fn number_bytes(&self) -> usize {
        match self {
            Rows::F16(_) => size_of::<f16>(),
            Rows::F32(_) => size_of::<f32>(),
            Rows::Device(_, bytes) => *bytes,
        }
    }
    pub(super) fn reserve_total(&mut self, numbers: usize) -> Result<()> {
        let bytes = (numbers * self.number_bytes()) as u64;
        each!(self, v => v.try_reserve_exact(numbers.saturating_sub(v.len())))
            .map_err(|_| Error::Memory { what: "KV cache", bytes })
    }
    pub(super) fn push(&mut self, row: &[f32]) {
        match self {
            Rows::F16(v) => v.extend(row.iter().map(|&x| f16::from_f32(x).to_bits())),
            Rows::F32(v) => v.extend_from_slice(row),
            Rows::Device(..) => self.push_unknown(row.len()),
        }
    }
    /// A row whose numbers a device has.
    pub(super) fn push_unknown(&mut self, width: usize) {
        if let Rows::Device(v, _) = self {
            v.resize(v.len() + width, ());
        }
    }
    pub(super) fn compact(&mut self, kept: &[u32], width: usize, capacity: usize) {
        each!(self, v => {
            for (to, &from) in kept.iter().enumerate().filter(|(to, from)| *to != **from as usize) {
                v.copy_within(from as usize * width..(from as usize + 1) * width, to * width);
            }
            v.truncate(kept.len() * width);
            v.shrink_to(capacity * width);
        });
    }
    pub(super) fn clear(&mut self) {
        each!(self, v => v.clear());
    }
    pub(super) fn truncate(&mut self, numbers: usize) {
        each!(self, v => v.truncate(numbers));
    }
    pub(super) fn drop_front(&mut self, numbers: usize, capacity: usize) {
        each!(self, v => {
            v.drain(..numbers);
            v.shrink_to(capacity);
        });
    }
    pub(super) fn numbers(&self) -> usize {
        each!(self, v => v.len())
    }
    pub(super) fn capacity_bytes(&self) -> usize {
        match self {
            // Its owner knows.
            Rows::Device(..) => 0,
            stored => each!(stored, v => v.capacity()) * self.number_bytes(),
        }
    }
    /// Numbers from `first` on as f32.
    pub(super) fn fetch(&self, first: usize, out: &mut Vec<f32>, numbers: usize) {
        out.resize(numbers, 0.0);
        self.fetch_into(first, out);
    }
    /// As many numbers from `first` on as `out` takes, as f32.
    pub fn fetch_into(&self, first: usize, out: &mut [f32]) {
        match self {
            Rows::F16(v) => u16::fetch(&v[first..first + out.len()], out),
            Rows::F32(v) => f32::fetch(&v[first..first + out.len()], out),
            Rows::Device(..) => out.fill(f32::NAN),
        }
    }
    /// Becomes the listed rows of another.
    ///
    /// # Errors
    /// [`Error::State`] when that is stored in the other precision.
    pub fn gather(&mut self, from: &Rows, slots: &[u32], width: usize) -> Result<()> {
        fn rows<T: Copy>(to: &mut Vec<T>, from: &[T], slots: &[u32], width: usize) {
            to.clear();
            slots.iter().for_each(|&slot| to.extend_from_slice(&from[slot as usize * width..][..width]));
        }
        match (self, from) {
            (Rows::F16(to), Rows::F16(from)) => rows(to, from, slots, width),
            (Rows::F32(to), Rows::F32(from)) => rows(to, from, slots, width),
            _ => return Err(Error::State("rows of one cache are stored alike")),
        }
        Ok(())
    }
    /// Replaces row `slot`.
    pub fn write(&mut self, slot: usize, row: &[f32]) {
        let range = slot * row.len()..(slot + 1) * row.len();
        match self {
            Rows::F16(v) => v[range].iter_mut().zip(row).for_each(|(x, &y)| *x = f16::from_f32(y).to_bits()),
            Rows::F32(v) => v[range].copy_from_slice(row),
            Rows::Device(..) => {}
        }
    }
    /// Row `slot` as f32.
    #[must_use]
    pub fn row(&self, slot: usize, width: usize) -> Vec<f32> {
        let range = slot * width..(slot + 1) * width;
        match self {
            Rows::F16(v) => v[range].iter().map(|&b| f16::from_bits(b).to_f32()).collect(),
            Rows::F32(v) => v[range].to_vec(),
            Rows::Device(v, _) => vec![f32::NAN; v[range].len()],
        }
    }
}
