//! How tensors are stored: the block formats of ggml, their sizes and names.

use crate::{Error, Result};

/// An element format this crate reads. Elements come in blocks along a row; a row holds whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GgmlType {
    /// 32-bit float.
    F32,
    /// 16-bit float (IEEE).
    F16,
    /// 16-bit float with the exponent of `F32`.
    BF16,
    /// 32 elements: f16 scale, 4-bit `q - 8`.
    Q4_0,
    /// 32 elements: f16 scale and min, 4-bit `q`.
    Q4_1,
    /// 32 elements: f16 scale, 5-bit `q - 16`.
    Q5_0,
    /// 32 elements: f16 scale and min, 5-bit `q`.
    Q5_1,
    /// 32 elements: f16 scale, int8 `q`.
    Q8_0,
    /// 256 elements: 8 groups of 32 with 6-bit scale and min, 4-bit `q`.
    Q4K,
    /// 256 elements: 8 groups of 32 with 6-bit scale and min, 5-bit `q`.
    Q5K,
    /// 256 elements: 16 groups of 16 with int8 scale, 6-bit `q - 32`.
    Q6K,
    /// 32 elements: f16 scale, 4-bit index into a table of int8.
    Iq4Nl,
}

/// `(type, id in the file, name, elements of a block, bytes of a block)`.
const TABLE: [(GgmlType, u32, &str, u32, u32); 12] = [
    (GgmlType::F32, 0, "F32", 1, 4),
    (GgmlType::F16, 1, "F16", 1, 2),
    (GgmlType::BF16, 30, "BF16", 1, 2),
    (GgmlType::Q4_0, 2, "Q4_0", 32, 18),
    (GgmlType::Q4_1, 3, "Q4_1", 32, 20),
    (GgmlType::Q5_0, 6, "Q5_0", 32, 22),
    (GgmlType::Q5_1, 7, "Q5_1", 32, 24),
    (GgmlType::Q8_0, 8, "Q8_0", 32, 34),
    (GgmlType::Q4K, 12, "Q4_K", 256, 144),
    (GgmlType::Q5K, 13, "Q5_K", 256, 176),
    (GgmlType::Q6K, 14, "Q6_K", 256, 210),
    (GgmlType::Iq4Nl, 20, "IQ4_NL", 32, 18),
];

/// Formats that exist but are not read here, so that the refusal can name them.
const OTHERS: [(u32, &str); 23] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl GgmlType {
    /// Every format that is read, in the order of the table above.
    pub fn all() -> impl Iterator<Item = GgmlType> {
        TABLE.iter().map(|row| row.0)
    }

    /// The format with this id, as stored in the file for `tensor`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming the format, the tensor and the formats that are read.
    pub fn from_id(id: u32, tensor: &str) -> Result<GgmlType> {
        if let Some(row) = TABLE.iter().find(|row| row.1 == id) {
            return Ok(row.0);
        }
        let name = OTHERS.iter().find(|other| other.0 == id).map_or("of unknown name", |other| other.1);
        Err(Error::Unsupported {
            what: "tensor type",
            got: format!("{name} (id {id}) of {tensor}"),
            supported: TABLE.map(|row| row.2).join(", "),
        })
    }

    fn entry(self) -> &'static (GgmlType, u32, &'static str, u32, u32) {
        // Every variant has a row (tested); the first row stands in so that this cannot panic.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// The id in the file.
    #[must_use]
    pub fn id(self) -> u32 {
        self.entry().1
    }

    /// The name ggml gives it, e.g. `"Q4_K"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().2
    }

    /// Elements of a block.
    #[must_use]
    pub fn block_elements(self) -> usize {
        self.entry().3 as usize
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        self.entry().4 as usize
    }

    /// Bytes of a row of `cols` elements; `None` if `cols` is not whole blocks or the size overflows.
    #[must_use]
    pub fn row_bytes(self, cols: u64) -> Option<u64> {
        let elements = self.block_elements() as u64;
        if !cols.is_multiple_of(elements) {
            return None;
        }
        (cols / elements).checked_mul(self.block_bytes() as u64)
    }
}

impl std::fmt::Display for GgmlType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_its_own_row() {
        for kind in GgmlType::all() {
            assert_eq!(kind.entry().0, kind);
            assert_eq!(GgmlType::from_id(kind.id(), "t"), Ok(kind));
        }
        assert_eq!(GgmlType::Iq4Nl.name(), "IQ4_NL");
        assert_eq!(GgmlType::Q6K.row_bytes(512), Some(420));
        assert_eq!(GgmlType::Q6K.row_bytes(576), None);
        assert_eq!(GgmlType::F32.row_bytes(u64::MAX), None);
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        let message = GgmlType::from_id(10, "blk.0.attn_q.weight").unwrap_err().to_string();
        assert!(message.contains("Q2_K") && message.contains("blk.0.attn_q.weight"), "{message}");
        assert!(message.contains("Q4_1") && message.contains("IQ4_NL"), "{message}");
        assert!(GgmlType::from_id(u32::MAX, "t").is_err());
    }
}
