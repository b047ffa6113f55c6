//! A `safetensors` file: the length of a header, the header in JSON, and numbers. Its own reader, for the crate of this name
//! costs 25 kB of a .wasm that everybody downloads; what is wanted is 32-bit numbers of known shapes.

use crate::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// No file of this form is longer.
const MOST_BYTES: usize = 16 << 20;
const LENGTH: usize = size_of::<u64>();

/// The parts of a file.
pub(super) struct Tensors<'a> {
    header: BTreeMap<String, Value>,
    numbers: &'a [u8],
}

impl<'a> Tensors<'a> {
    /// # Errors
    /// [`Error::Picture`] for what has no such header.
    pub fn new(bytes: &'a [u8]) -> Result<Tensors<'a>> {
        if bytes.len() > MOST_BYTES {
            return Err(damaged(format!("{} bytes; allowed: up to {MOST_BYTES}", bytes.len())));
        }
        let parts = bytes.split_first_chunk::<LENGTH>().and_then(|(length, rest)| {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (header, numbers) = parts.ok_or_else(|| damaged("it is cut short".to_owned()))?;
        let header = serde_json::from_slice(header).map_err(|why| damaged(format!("its header: {why}")))?;
        Ok(Tensors { header, numbers })
    }

    /// How long a tensor is in its first dimension; 0 without it.
    pub fn first_of(&self, name: &str) -> usize {
        self.header.get(name).and_then(|tensor| tensor["shape"][0].as_u64()).unwrap_or(0) as usize
    }

    /// Numbers of a tensor, all finite, of this shape.
    ///
    /// # Errors
    /// [`Error::Picture`] for another.
    #[inline(never)]
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.header.get(name).ok_or_else(|| damaged(format!("it has no {name}")))?;
        let own = tensor["shape"].as_array().map_or(&[][..], Vec::as_slice);
        let alike =
            own.len() == shape.len() && own.iter().zip(shape).all(|(own, want)| own.as_u64() == Some(*want as u64));
        if tensor["dtype"] != "F32" || !alike {
            return Err(damaged(format!("{name} is of another kind or shape; allowed: F32 {shape:?}")));
        }
        let offset = |i: usize| tensor["data_offsets"][i].as_u64().and_then(|at| usize::try_from(at).ok());
        let bytes = offset(0).zip(offset(1)).and_then(|(first, end)| self.numbers.get(first..end));
        let bytes = bytes.filter(|bytes| bytes.len() == shape.iter().product::<usize>() * size_of::<f32>());
        let bytes = bytes.ok_or_else(|| damaged(format!("{name} is not where its header says")))?;
        let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if numbers.iter().all(|x| x.is_finite()) {
            return Ok(numbers);
        }
        Err(damaged(format!("{name} has a number that is not finite")))
    }
}

pub(super) fn damaged(why: String) -> Error {
    Error::Picture(format!("the projector's file: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, numbers: &[f32]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        bytes
    }

    const TWO: &str = r#"{"a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}"#;

    #[test]
    fn numbers_are_read_where_the_header_says() {
        let bytes = file(TWO, &[1.5, -2.0]);
        let tensors = Tensors::new(&bytes).unwrap();
        assert_eq!(tensors.read("a", &[2, 1]).unwrap(), [1.5, -2.0]);
        assert_eq!((tensors.first_of("a"), tensors.first_of("b")), (2, 0));
        let why = |name, shape: &[usize]| tensors.read(name, shape).unwrap_err().to_string();
        assert!(why("b", &[2]).contains("it has no b"));
        assert!(why("a", &[1, 2]).contains("allowed: F32 [1, 2]"), "{}", why("a", &[1, 2]));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = file(TWO, &[1.5, -2.0]);
        for end in 0..whole.len() {
            let short = Tensors::new(&whole[..end]).and_then(|tensors| tensors.read("a", &[2, 1]));
            assert_eq!(short.unwrap_err().code(), "picture", "{end} bytes");
        }
        for (from, to) in
            [("[0, 8]", "[8, 0]"), ("[0, 8]", "[0, 9]"), ("[0, 8]", "[-1, 8]"), ("F32", "F16"), ("[2, 1]", "2")]
        {
            let bytes = file(&TWO.replace(from, to), &[1.5, -2.0]);
            assert!(Tensors::new(&bytes).unwrap().read("a", &[2, 1]).is_err(), "{from} {to}");
        }
        assert!(Tensors::new(&file(TWO, &[1.0, f32::NAN])).unwrap().read("a", &[2, 1]).is_err());
        assert!(Tensors::new(&vec![0; MOST_BYTES + 1]).is_err());
        assert!(Tensors::new(&u64::MAX.to_le_bytes()).is_err());
    }
}
