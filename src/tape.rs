//! Saved state: one walk over what is to be kept writes it or reads it back, so the two cannot drift apart. What is read
//! may be damaged: every length is checked against the bytes that are left before memory is taken.

use crate::{Error, Result};

/// A plain number as it is stored, in little-endian order.
pub trait Plain: Copy {
    /// Bytes of one.
    const BYTES: usize;
    /// Appends it.
    fn put(self, out: &mut Vec<u8>);
    /// From exactly [`BYTES`](Plain::BYTES) bytes; 0 from fewer.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! plain {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            const BYTES: usize = size_of::<$number>();
            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(Default::default(), |bytes| Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
plain!(u8, u16, u32, u64, f32);

/// Bytes that are being written, or read.
#[derive(Debug)]
pub enum Tape<'a> {
    /// What was written so far.
    Save(Vec<u8>),
    /// What is still to be read.
    Restore(&'a [u8]),
}

impl Tape<'_> {
    /// Writes a number, or reads it.
    ///
    /// # Errors
    /// [`Error::Saved`] at the end of the bytes.
    #[inline(never)]
    pub fn number<T: Plain>(&mut self, number: &mut T) -> Result<()> {
        match self {
            Tape::Save(out) => number.put(out),
            Tape::Restore(bytes) => {
                let (own, rest) = bytes.split_at_checked(T::BYTES).ok_or_else(short)?;
                (*number, *bytes) = (T::get(own), rest);
            }
        }
        Ok(())
    }

    /// Writes a list, or reads it in place of what is there.
    ///
    /// # Errors
    /// [`Error::Saved`] for one that is longer than the bytes, [`Error::Memory`].
    #[inline(never)]
    pub fn list<T: Plain>(&mut self, list: &mut Vec<T>) -> Result<()> {
        let mut length = list.len() as u32;
        self.number(&mut length)?;
        match self {
            Tape::Save(out) => {
                out.reserve(list.len() * T::BYTES);
                list.iter().for_each(|number| number.put(out));
            }
            Tape::Restore(bytes) => {
                let wanted = (length as usize).checked_mul(T::BYTES).ok_or_else(short)?;
                let (own, rest) = bytes.split_at_checked(wanted).ok_or_else(short)?;
                list.clear();
                let room = list.try_reserve_exact(length as usize);
                room.map_err(|_| Error::Memory { what: "a saved session", bytes: wanted as u64 })?;
                list.extend(own.chunks_exact(T::BYTES).map(T::get));
                *bytes = rest;
            }
        }
        Ok(())
    }

    /// What was written; nothing of what is read.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Tape::Save(bytes) => bytes,
            Tape::Restore(_) => Vec::new(),
        }
    }

    /// Whether it is read.
    #[must_use]
    pub fn restores(&self) -> bool {
        matches!(self, Tape::Restore(_))
    }
}

/// Refuses what was read unless it is `sound`.
///
/// # Errors
/// [`Error::Saved`], with what is wrong.
pub fn check(sound: bool, what: &'static str) -> Result<()> {
    if sound { Ok(()) } else { Err(damaged(what)) }
}

// Out of line: the walk is long, and every call of it may fail.
#[cold]
#[inline(never)]
fn damaged(what: &str) -> Error {
    Error::Saved(["it is damaged: ", what].concat())
}

#[cold]
#[inline(never)]
fn short() -> Error {
    damaged("it ends early")
}
