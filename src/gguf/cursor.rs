//! Reads little-endian items from a buffer that may end in the middle of one.

use crate::Error;

/// Why an item could not be read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The buffer must reach this many bytes first.
    More(usize),
    /// The file is damaged.
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Bad(error)
    }
}

/// An item, or why not.
pub(super) type Read<T> = Result<T, Stop>;

/// A position in the bytes received and not yet understood.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes that can be read now.
    pub fn available(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        // `count` comes from capped lengths; saturating keeps even a mistake there from wrapping.
        let end = self.at.saturating_add(count);
        match self.bytes.get(self.at..end) {
            Some(bytes) => {
                self.at = end;
                Ok(bytes)
            }
            None => Err(Stop::More(end)),
        }
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A string with its 64-bit length; `name` says in errors what it is, `cap` is the most bytes it may have.
    pub fn string(&mut self, name: &dyn Fn() -> String, cap: u64) -> Read<&'a str> {
        let length = self.u64()?;
        if length > cap {
            return Err(Stop::Bad(super::bad(
                name(),
                format!("a string of {length} bytes; at most {cap} are allowed"),
            )));
        }
        // In range: every cap is far below 2^32.
        let bytes = self.take(length as usize)?;
        str::from_utf8(bytes).map_err(|error| Stop::Bad(super::bad(name(), format!("not UTF-8: {error}"))))
    }
}
