//! From a file's rows to the layouts the kernels read.
//!
//! | stored | layout | what is lost |
//! |---|---|---|
//! | Q4_0, Q4_1 | Q4 | nothing (Q4_0's zero point 8 becomes `min = -8 * scale`) |
//! | Q4_K | Q4 | `scale` and `min` of each 32 rounded to f16: at most 2^-11 of `15 * scale + abs(min)` a weight |
//! | Q8_0, Q5_0, IQ4_NL | Q8 | nothing |
//! | Q5_1, Q5_K, Q6_K | Q8 | requantised: at most 0.45 % of the largest magnitude among the 32 (half a step is 1/254) |
//! | F16 | Half | nothing |
//! | F32, BF16 | Half | rounded to f16: 2^-11 of the weight, or 2^-25 where that is more |
//!
//! Weights that f16 cannot hold (above 65,504, infinite, NaN) are refused: clamping would change the model in silence.

use super::unpack::{Group, for_each_group};
use super::{GgmlType, TensorInfo, bad};
use crate::kernels::{Layout, Matrix};
use crate::{Error, Result};
use half::f16;

/// The layout that holds rows stored as `kind`.
#[must_use]
pub fn layout_for(kind: GgmlType) -> Layout {
    match kind {
        GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => Layout::Half,
        GgmlType::Q4_0 | GgmlType::Q4_1 | GgmlType::Q4K => Layout::Q4,
        GgmlType::Q8_0 | GgmlType::Q5_0 | GgmlType::Q5_1 | GgmlType::Q5K | GgmlType::Q6K | GgmlType::Iq4Nl => {
            Layout::Q8
        }
    }
}

/// Moves rows into matrices; keeps one row of scratch for all of them.
#[derive(Clone, Debug, Default)]
pub struct Transcoder {
    row: Vec<f32>,
}

impl Transcoder {
    /// Puts row `row` of `tensor`, stored as `bytes`, into row `to` of `matrix`, whose layout is
    /// [`layout_for`]`(tensor.kind)`; makes memory for it if there is none yet.
    ///
    /// # Errors
    /// [`Error::File`] naming tensor and row for a wrong length or a weight f16 cannot hold; [`Error::Shape`] if
    /// `matrix` has another layout or width, or no row `to`; [`Error::Memory`].
    pub fn put(&mut self, tensor: &TensorInfo, row: u64, bytes: &[u8], matrix: &mut Matrix, to: usize) -> Result<()> {
        let layout = layout_for(tensor.kind);
        if matrix.layout() != layout || matrix.cols() != tensor.cols() || to >= matrix.rows() {
            return Err(Error::Shape {
                op: "transcode",
                want: format!("{layout:?}, {} columns, a row {to}", tensor.cols()),
                got: format!("{:?}, [{}, {}]", matrix.layout(), matrix.rows(), matrix.cols()),
            });
        }
        if bytes.len() as u64 != tensor.row_bytes() {
            return Err(bad(&tensor.name, format!("row {row} has {} bytes, not {}", bytes.len(), tensor.row_bytes())));
        }
        matrix.reserve(to + 1)?;
        let fits = match layout {
            Layout::Half | Layout::Single => self.put_floats(tensor, row, bytes, matrix, to)?,
            Layout::Q8 => put_groups(tensor.kind, bytes, |block, group| {
                let (scale, q) = eight_bits(tensor.kind, group)?;
                matrix.set_q8(to, block, scale, &q);
                Some(())
            }),
            Layout::Q4 => put_groups(tensor.kind, bytes, |block, group| {
                let (scale, min, q) = four_bits(tensor.kind, group)?;
                matrix.set_q4(to, block, scale, min, &q);
                Some(())
            }),
        };
        if fits {
            return Ok(());
        }
        Err(bad(&tensor.name, format!("row {row} holds a weight or scale that is NaN, infinite or above 65504")))
    }

    /// Whether every weight fits.
    fn put_floats(
        &mut self,
        tensor: &TensorInfo,
        row: u64,
        bytes: &[u8],
        matrix: &mut Matrix,
        to: usize,
    ) -> Result<bool> {
        self.row.resize(tensor.cols(), 0.0);
        tensor.dequantise(row, bytes, &mut self.row)?;
        matrix.set_half(to, &self.row);
        Ok(self.row.iter().all(|&value| finite(value).is_some()))
    }
}

/// Hands every group of the row to `put`; whether all fitted.
fn put_groups(kind: GgmlType, bytes: &[u8], mut put: impl FnMut(usize, &Group) -> Option<()>) -> bool {
    let (mut block, mut fits) = (0, true);
    for_each_group(kind, bytes, |group| {
        fits &= put(block, &group).is_some();
        block += 1;
    });
    fits
}

fn finite(value: f32) -> Option<f16> {
    Some(f16::from_f32(value)).filter(|value| value.is_finite())
}

/// As `scale * q + min`, q in 0..=15.
fn four_bits(kind: GgmlType, group: &Group) -> Option<(f16, f16, [u8; 32])> {
    let zero = if kind == GgmlType::Q4_0 { 8 } else { 0 };
    let scale = group.scale[0];
    let min = group.min - f32::from(zero) * scale;
    Some((finite(scale)?, finite(min)?, group.q.map(|q| (q + zero) as u8)))
}

/// As `scale * q`.
fn eight_bits(kind: GgmlType, group: &Group) -> Option<(f16, [i8; 32])> {
    if matches!(kind, GgmlType::Q8_0 | GgmlType::Q5_0 | GgmlType::Iq4Nl) {
        return Some((finite(group.scale[0])?, group.q));
    }
    let values = group.values();
    // NaN is lost by `max`, so the values are looked at one by one.
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let largest = values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let scale = finite(largest / 127.0)?;
    let step = scale.to_f32();
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    // The scale rounded down may put the largest value at 127.06: it is cut to 127.
    Some((scale, values.map(|value| (value * inverse).round().clamp(-127.0, 127.0) as i8)))
}
