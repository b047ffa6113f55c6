//! From numbers to stored rows, for [`write`](super::write): the simplest rounding of each format.

use super::GgmlType;
use crate::{Error, Result};
use half::{bf16, f16};

/// Encodes `values` as `kind`: F32, F16, BF16, Q4_0, Q4_1 or Q8_0.
///
/// # Errors
/// [`Error::Unsupported`] for another format, [`Error::Shape`] if `values` is not whole blocks.
///
/// ```
/// use attnscope::gguf::{GgmlType, dequantise, encode};
/// let bytes = encode(GgmlType::Q8_0, &[0.5; 32])?;
/// let mut out = [0.0; 32];
/// dequantise(GgmlType::Q8_0, &bytes, &mut out)?;
/// assert!(out.iter().all(|w| (w - 0.5).abs() < 0.001));
/// # Ok::<(), attnscope::Error>(())
/// ```
pub fn encode(kind: GgmlType, values: &[f32]) -> Result<Vec<u8>> {
    let block = match kind {
        GgmlType::F32 => |w: &[f32]| w.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>(),
        GgmlType::F16 => |w: &[f32]| w.iter().flat_map(|&w| f16::from_f32(w).to_le_bytes()).collect(),
        GgmlType::BF16 => |w: &[f32]| w.iter().flat_map(|&w| bf16::from_f32(w).to_le_bytes()).collect(),
        GgmlType::Q4_0 => q4_0,
        GgmlType::Q4_1 => q4_1,
        GgmlType::Q8_0 => q8_0,
        other => {
            return Err(Error::Unsupported {
                what: "encoding to",
                got: other.name().to_owned(),
                supported: "F32, F16, BF16, Q4_0, Q4_1, Q8_0".to_owned(),
            });
        }
    };
    if !values.len().is_multiple_of(kind.block_elements()) {
        return Err(Error::Shape {
            op: "encode",
            want: format!("a multiple of {} values", kind.block_elements()),
            got: values.len().to_string(),
        });
    }
    Ok(values.chunks(kind.block_elements()).flat_map(block).collect())
}

/// Quants of `w` on the grid `scale * q + min`.
fn quants(w: &[f32], scale: f32, min: f32, range: std::ops::RangeInclusive<f32>) -> Vec<f32> {
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    w.iter().map(|w| ((w - min) * inverse).round().clamp(*range.start(), *range.end())).collect()
}

fn pack(quants: &[f32]) -> impl Iterator<Item = u8> {
    (0..16).map(|i| quants[i] as u8 | (quants[i + 16] as u8) << 4)
}

fn largest(w: &[f32]) -> f32 {
    w.iter().fold(0.0, |most, w| most.max(w.abs()))
}

fn q4_0(w: &[f32]) -> Vec<u8> {
    let scale = f16::from_f32(largest(w) / 7.0);
    let zero = -8.0 * scale.to_f32();
    let q = quants(w, scale.to_f32(), zero, 0.0..=15.0);
    scale.to_le_bytes().into_iter().chain(pack(&q)).collect()
}

fn q4_1(w: &[f32]) -> Vec<u8> {
    let (low, high) = w.iter().fold((f32::MAX, f32::MIN), |(low, high), &w| (low.min(w), high.max(w)));
    let (scale, min) = (f16::from_f32((high - low) / 15.0), f16::from_f32(low));
    let q = quants(w, scale.to_f32(), min.to_f32(), 0.0..=15.0);
    let head = [scale.to_le_bytes(), min.to_le_bytes()].concat();
    head.into_iter().chain(pack(&q)).collect()
}

fn q8_0(w: &[f32]) -> Vec<u8> {
    let scale = f16::from_f32(largest(w) / 127.0);
    let q = quants(w, scale.to_f32(), 0.0, -127.0..=127.0);
    scale.to_le_bytes().into_iter().chain(q.into_iter().map(|q| q as i8 as u8)).collect()
}
