//! Numbers as a model file stores them: eleven types, read as widened values, kept as bytes in arrays.

use super::Value;

/// Element type of a number array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    /// 8-bit unsigned.
    U8,
    /// 8-bit signed.
    I8,
    /// 16-bit unsigned.
    U16,
    /// 16-bit signed.
    I16,
    /// 32-bit unsigned.
    U32,
    /// 32-bit signed.
    I32,
    /// 32-bit float.
    F32,
    /// One byte, 0 or 1.
    Bool,
    /// 64-bit unsigned.
    U64,
    /// 64-bit signed.
    I64,
    /// 64-bit float.
    F64,
}

impl NumberType {
    /// By the id of the format; strings (8) and arrays (9) are not numbers.
    pub(super) fn from_id(id: u32) -> Option<NumberType> {
        use NumberType::*;
        Some(match id {
            0 => U8,
            1 => I8,
            2 => U16,
            3 => I16,
            4 => U32,
            5 => I32,
            6 => F32,
            7 => Bool,
            10 => U64,
            11 => I64,
            12 => F64,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub(super) fn bytes(self) -> usize {
        match self {
            NumberType::U8 | NumberType::I8 | NumberType::Bool => 1,
            NumberType::U16 | NumberType::I16 => 2,
            NumberType::U32 | NumberType::I32 | NumberType::F32 => 4,
            NumberType::U64 | NumberType::I64 | NumberType::F64 => 8,
        }
    }

    /// The value in `bytes`, little endian; `None` if they are too few or no valid bool.
    pub(super) fn value(self, bytes: &[u8]) -> Option<Value> {
        let bytes = bytes.get(..self.bytes())?;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let unsigned = u64::from_le_bytes(wide);
        // Moving the sign bit to the top and back extends it.
        let unused = 64 - 8 * bytes.len() as u32;
        let signed = (unsigned << unused) as i64 >> unused;
        Some(match self {
            NumberType::Bool => match unsigned {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return None,
            },
            NumberType::F32 => Value::Float(f64::from(f32::from_bits(unsigned as u32))),
            NumberType::F64 => Value::Float(f64::from_bits(unsigned)),
            NumberType::U8 | NumberType::U16 | NumberType::U32 | NumberType::U64 => Value::Unsigned(unsigned),
            NumberType::I8 | NumberType::I16 | NumberType::I32 | NumberType::I64 => Value::Signed(signed),
        })
    }
}

/// An array of numbers as stored: no wider than in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    pub(super) kind: NumberType,
    pub(super) bytes: Vec<u8>,
}

impl Numbers {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.kind.bytes()
    }

    /// No elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        self.bytes.chunks_exact(self.kind.bytes()).map_while(|bytes| self.kind.value(bytes))
    }
}
