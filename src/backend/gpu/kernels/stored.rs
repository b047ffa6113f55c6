//! Keys and values as kernels find them.

use super::Heads;
use crate::{backend::gpu::device::Buffer, cache::Store};

/// Where rows of `dim` numbers are in their buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Row where the first KV head begins.
    pub first: u32,
    /// Rows from a KV head to the next.
    pub stride: u32,
}

/// Keys and values.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// `[rows, dim]`
    pub k: &'a Buffer,
    /// `[rows, dim]`
    pub v: &'a Buffer,
    /// Those of the layer at hand.
    pub rows: Rows,
    /// [`Store::F16`], two a word, or [`Store::F32`].
    pub store: Store,
}

impl Stored<'_> {
    /// The constant `F32_ROWS` of kernels over these rows.
    pub(crate) fn is_f32(&self) -> u32 {
        f32_rows(self.store)
    }

    /// Words of a row.
    pub(crate) fn words(&self, heads: Heads) -> u32 {
        row_words(self.store, heads.dim)
    }
}

/// The constant `F32_ROWS`.
pub(crate) fn f32_rows(store: Store) -> u32 {
    u32::from(store == Store::F32)
}

/// Words of a row of `dim` numbers.
pub(crate) fn row_words(store: Store, dim: u32) -> u32 {
    if store == Store::F32 { dim } else { dim / 2 }
}
