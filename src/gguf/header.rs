//! What precedes the tensor data: metadata and where each tensor lies.

use super::{GgmlType, Metadata, bad, dequantise, limits};
use crate::{Error, Result};
use std::collections::HashMap;

/// The header of a model file, checked: names are unique, tensors lie apart, sizes are sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Version of the format: 2 or 3.
    pub version: u32,
    /// Typed values by key.
    pub metadata: Metadata,
    /// Tensors in the order they are listed (not always that of their data).
    pub tensors: Vec<TensorInfo>,
    /// First byte after the header itself.
    pub end: u64,
    /// Byte of the file at which tensor data begins: `end`, aligned.
    pub data_offset: u64,
    /// Bytes of the file up to the end of the last tensor.
    pub file_size: u64,
}

/// A tensor: what it is and where it lies.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// E.g. `"blk.0.attn_q.weight"`.
    pub name: String,
    /// How elements are stored.
    pub kind: GgmlType,
    /// Elements by dimension, innermost first as in the file: a matrix `[rows, cols]` has `[cols, rows]`. 1 to 4.
    pub dims: Vec<u64>,
    /// First byte, counted from [`Header::data_offset`].
    pub offset: u64,
    /// Bytes of data.
    pub bytes: u64,
}

impl TensorInfo {
    /// Checks sizes and gives the tensor.
    ///
    /// # Errors
    /// [`Error::File`] on empty or too many dimensions, rows that are not whole blocks, sizes above the [`limits`].
    pub fn new(name: String, kind: GgmlType, dims: Vec<u64>, offset: u64) -> Result<TensorInfo> {
        if dims.is_empty() || dims.len() > limits::DIMENSIONS as usize || dims.contains(&0) {
            return Err(bad(name, format!("dimensions {dims:?}; 1 to 4 are allowed, each at least 1")));
        }
        let Some(row_bytes) = kind.row_bytes(dims[0]) else {
            let block = kind.block_elements();
            return Err(bad(name, format!("rows of {} elements; {kind} needs a multiple of {block}", dims[0])));
        };
        if row_bytes > limits::ROW_BYTES {
            return Err(bad(name, format!("rows of {row_bytes} bytes; at most {} are allowed", limits::ROW_BYTES)));
        }
        let bytes = dims[1..]
            .iter()
            .try_fold(row_bytes, |bytes, &dim| bytes.checked_mul(dim))
            .filter(|&bytes| bytes <= limits::FILE_BYTES && offset <= limits::FILE_BYTES);
        match bytes {
            Some(bytes) => Ok(TensorInfo { name, kind, dims, offset, bytes }),
            None => Err(bad(
                name,
                format!("dimensions {dims:?} at offset {offset}; a file has at most {} bytes", limits::FILE_BYTES),
            )),
        }
    }

    /// Elements of a row. At most [`limits::ROW_BYTES`] times 2, so it fits `usize` everywhere.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.dims[0] as usize
    }

    /// Number of rows: all outer dimensions multiplied; 1 for a vector.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.dims[1..].iter().product()
    }

    /// Bytes of a row.
    #[must_use]
    pub fn row_bytes(&self) -> u64 {
        self.bytes / self.rows()
    }

    /// Decodes row `row` from `bytes` into `out`, `[cols]`.
    ///
    /// # Errors
    /// [`Error::File`] on wrong lengths and on NaN or infinity, naming tensor and row.
    pub fn dequantise(&self, row: u64, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        if out.len() != self.cols() {
            return Err(bad(&self.name, format!("rows have {} elements, not {}", self.cols(), out.len())));
        }
        dequantise(self.kind, bytes, out)?;
        match out.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(bad(&self.name, format!("row {row} holds {value}; weights are finite"))),
            None => Ok(()),
        }
    }
}

impl Header {
    /// Checks the parts against each other and gives the header. `end` is the first byte after the tensor list.
    ///
    /// # Errors
    /// [`Error::File`] on duplicate names, bad alignment, overlapping or misaligned tensors; [`Error::Truncated`] if
    /// `file_bytes` is known and too small.
    pub fn new(
        version: u32,
        metadata: Metadata,
        tensors: Vec<TensorInfo>,
        end: u64,
        file_bytes: Option<u64>,
    ) -> Result<Header> {
        let alignment = alignment(&metadata)?;
        let data_offset = end.next_multiple_of(alignment);
        if let Some(tensor) = tensors.iter().find(|tensor| !tensor.offset.is_multiple_of(alignment)) {
            return Err(bad(
                &tensor.name,
                format!("offset {} is not a multiple of the alignment {alignment}", tensor.offset),
            ));
        }
        check_unique(&tensors)?;
        // In range: offsets and sizes are capped at 2^40 each.
        let mut data_end = 0;
        for tensor in in_file_order(&tensors) {
            let tensor = &tensors[tensor];
            if tensor.offset < data_end {
                return Err(bad(&tensor.name, "its data overlaps another tensor's"));
            }
            data_end = tensor.offset + tensor.bytes;
            let (want, got) = (data_offset + data_end, file_bytes.unwrap_or(u64::MAX));
            if want > got {
                return Err(Error::Truncated { what: tensor.name.clone(), want, got });
            }
        }
        Ok(Header { version, metadata, tensors, end, data_offset, file_size: data_offset + data_end })
    }

    /// Index and description of the tensor called `name`.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<(usize, &TensorInfo)> {
        self.tensors.iter().enumerate().find(|(_, tensor)| tensor.name == name)
    }
}

/// Indices of `tensors` by place in the file.
pub(super) fn in_file_order(tensors: &[TensorInfo]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&index| tensors[index].offset);
    order
}

fn alignment(metadata: &Metadata) -> Result<u64> {
    const KEY: &str = "general.alignment";
    let alignment = metadata.u32_or(KEY, 32)?;
    if !alignment.is_power_of_two() || !limits::ALIGNMENT.contains(&alignment) {
        return Err(bad(KEY, format!("{alignment}; a power of two from {:?} is allowed", limits::ALIGNMENT)));
    }
    Ok(u64::from(alignment))
}

fn check_unique(tensors: &[TensorInfo]) -> Result<()> {
    let mut seen = HashMap::new();
    for (index, tensor) in tensors.iter().enumerate() {
        if let Some(first) = seen.insert(tensor.name.as_str(), index) {
            return Err(bad(&tensor.name, format!("tensors {first} and {index} have the same name")));
        }
    }
    Ok(())
}
