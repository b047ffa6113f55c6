//! From stored blocks to numbers: one function a format, shared by [`dequantise`] and the transcoder.
//!
//! Formats are those of ggml (`ggml-quants.c`, `dequantize_row_*`, MIT); the products are associated as there, so that
//! the f32 results are the same bits.

use super::{GgmlType, bad};
use crate::Result;
use half::{bf16, f16};

/// 32 neighbouring elements of a row: `w[i] = scale[i / 16] * q[i] + min`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// Scales of the two halves; equal but in `Q6_K`.
    pub scale: [f32; 2],
    /// Added to every element.
    pub min: f32,
    /// Quants in element order.
    pub q: [i8; 32],
}

impl Group {
    /// The elements in f32.
    pub fn values(&self) -> [f32; 32] {
        std::array::from_fn(|i| self.scale[i / 16] * f32::from(self.q[i]) + self.min)
    }
}

/// The int8 values of `IQ4_NL`'s 4-bit indices.
const IQ4_NL: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Calls `each` with the groups of a row of a block-quantised format, left to right. `bytes` holds whole blocks; a rest
/// is ignored. Does nothing for the float formats.
pub(super) fn for_each_group(kind: GgmlType, bytes: &[u8], mut each: impl FnMut(Group)) {
    for block in bytes.chunks_exact(kind.block_bytes()) {
        match kind {
            GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => {}
            GgmlType::Q4_0 => each(Group::even(half_at(block, 0), 0.0, nibbles(&block[2..], |q| q as i8 - 8))),
            GgmlType::Q4_1 => {
                each(Group::even(half_at(block, 0), half_at(block, 2), nibbles(&block[4..], |q| q as i8)))
            }
            GgmlType::Q5_0 => each(Group::even(half_at(block, 0), 0.0, fives(&block[2..], 16))),
            GgmlType::Q5_1 => each(Group::even(half_at(block, 0), half_at(block, 2), fives(&block[4..], 0))),
            GgmlType::Q8_0 => each(Group::even(half_at(block, 0), 0.0, std::array::from_fn(|i| block[2 + i] as i8))),
            GgmlType::Iq4Nl => {
                each(Group::even(half_at(block, 0), 0.0, nibbles(&block[2..], |q| IQ4_NL[usize::from(q)])));
            }
            GgmlType::Q4K => (0..8).for_each(|g| each(q4_k(block, g))),
            GgmlType::Q5K => (0..8).for_each(|g| each(q5_k(block, g))),
            GgmlType::Q6K => (0..8).for_each(|g| each(q6_k(block, g))),
        }
    }
}

impl Group {
    fn even(scale: f32, min: f32, q: [i8; 32]) -> Group {
        Group { scale: [scale; 2], min, q }
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// 16 bytes: low nibbles are elements 0..16, high nibbles 16..32.
fn nibbles(bytes: &[u8], value: impl Fn(u8) -> i8) -> [i8; 32] {
    std::array::from_fn(|i| value(if i < 16 { bytes[i] & 15 } else { bytes[i - 16] >> 4 }))
}

/// Fifth bits (`u32`, one an element), then nibbles; `zero` is subtracted.
fn fives(bytes: &[u8], zero: i8) -> [i8; 32] {
    let high = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let low = nibbles(&bytes[4..], |q| q as i8);
    std::array::from_fn(|i| (low[i] | ((high >> i & 1) as i8) << 4) - zero)
}

/// 6-bit scale and min of group `g`, packed into 12 bytes: groups 0..4 in the low six bits of bytes 0..8; groups 4..8
/// as nibbles of bytes 8..12 with their upper two bits in the top of bytes 0..8.
fn scale_min(packed: &[u8], g: usize) -> (f32, f32) {
    let (scale, min) = if g < 4 {
        (packed[g] & 63, packed[g + 4] & 63)
    } else {
        (packed[g + 4] & 15 | (packed[g - 4] >> 6) << 4, packed[g + 4] >> 4 | (packed[g] >> 6) << 4)
    };
    (f32::from(scale), f32::from(min))
}

/// Nibble of element `i` of group `g` in the K formats: 64 elements share 32 bytes, low nibbles first.
fn k_nibble(quants: &[u8], g: usize, i: usize) -> u8 {
    quants[g / 2 * 32 + i] >> (g % 2 * 4) & 15
}

fn k_scales(block: &[u8], g: usize) -> (f32, f32) {
    let (scale, min) = scale_min(&block[4..16], g);
    (half_at(block, 0) * scale, -(half_at(block, 2) * min))
}

/// `d, dmin: f16; scales: [u8; 12]; quants: [u8; 128]`.
fn q4_k(block: &[u8], g: usize) -> Group {
    let (scale, min) = k_scales(block, g);
    Group::even(scale, min, std::array::from_fn(|i| k_nibble(&block[16..], g, i) as i8))
}

/// `d, dmin: f16; scales: [u8; 12]; fifth bits: [u8; 32], bit g of byte i; quants: [u8; 128]`.
fn q5_k(block: &[u8], g: usize) -> Group {
    let (scale, min) = k_scales(block, g);
    let q = |i: usize| (k_nibble(&block[48..], g, i) | (block[16 + i] >> g & 1) << 4) as i8;
    Group::even(scale, min, std::array::from_fn(q))
}

/// `low nibbles: [u8; 128]; upper two bits: [u8; 64]; scales: [i8; 16]; d: f16`. Each half of 128 elements uses 64
/// bytes of nibbles and 32 bytes of upper bits, a group of 32 one bit pair of the latter.
fn q6_k(block: &[u8], g: usize) -> Group {
    let (half, group) = (g / 4, g % 4);
    let low = &block[half * 64 + group % 2 * 32..];
    let high = &block[128 + half * 32..];
    let d = half_at(block, 208);
    Group {
        scale: [0, 1].map(|s| d * f32::from(block[192 + g * 2 + s] as i8)),
        min: 0.0,
        q: std::array::from_fn(|i| {
            let nibble = low[i] >> (group / 2 * 4) & 15;
            (nibble | (high[i] >> (group * 2) & 3) << 4) as i8 - 32
        }),
    }
}

/// Decodes a row: `bytes` stored as `kind` into `out`, one f32 an element. Damaged scales may give infinities or NaN;
/// [`TensorInfo::dequantise`](super::TensorInfo::dequantise) refuses them.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if `bytes` is not what `out.len()` elements of `kind` take.
///
/// ```
/// use attnscope::gguf::{GgmlType, dequantise};
/// let mut out = [0.0; 2];
/// dequantise(GgmlType::F16, &[0x00, 0x3c, 0x00, 0xc0], &mut out)?;
/// assert_eq!(out, [1.0, -2.0]);
/// # Ok::<(), attnscope::Error>(())
/// ```
pub fn dequantise(kind: GgmlType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    if kind.row_bytes(out.len() as u64) != Some(bytes.len() as u64) {
        return Err(bad(kind.name(), format!("{} bytes cannot hold {} elements", bytes.len(), out.len())));
    }
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match kind {
        GgmlType::F32 => {
            for (out, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *out = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            }
        }
        GgmlType::F16 => {
            for (out, b) in out.iter_mut().zip(pairs()) {
                *out = f16::from_le_bytes(b).to_f32();
            }
        }
        GgmlType::BF16 => {
            for (out, b) in out.iter_mut().zip(pairs()) {
                *out = bf16::from_le_bytes(b).to_f32();
            }
        }
        _ => {
            let mut groups = out.chunks_exact_mut(32);
            for_each_group(kind, bytes, |group| {
                if let Some(out) = groups.next() {
                    out.copy_from_slice(&group.values());
                }
            });
        }
    }
    Ok(())
}
