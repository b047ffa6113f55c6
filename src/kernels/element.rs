//! What a KV cache stores.

use super::half;

/// A stored key or value component: `f32`, or the bits of an f16 as `u16`.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// Rounds a row for storage.
    fn store(values: &[f32], out: &mut [Self]);
    /// Reads a row back.
    fn fetch(stored: &[Self], out: &mut [f32]);
}

impl Element for f32 {
    fn store(values: &[f32], out: &mut [f32]) {
        out.copy_from_slice(values);
    }

    fn fetch(stored: &[f32], out: &mut [f32]) {
        out.copy_from_slice(stored);
    }
}

impl Element for u16 {
    fn store(values: &[f32], out: &mut [u16]) {
        half::encode(values, out);
    }

    fn fetch(stored: &[u16], out: &mut [f32]) {
        half::decode(stored, out);
    }
}
