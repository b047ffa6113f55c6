//! The header as a state machine: takes bytes in any portions and keeps only what it has not understood yet.

use super::cursor::{Cursor, Read, Stop};
use super::numbers::NumberType;
use super::{GgmlType, Header, Metadata, Numbers, Strings, TensorInfo, Value, bad, limits};
use crate::{Error, Result};

/// Bytes looked at in one go. Bounds what is copied when a whole file is pushed at once.
const PORTION: usize = 1 << 16;

const MAGIC: &[u8; 4] = b"GGUF";
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// The item that comes next.
enum State {
    Start,
    /// A key with its type, and its value unless that is an array.
    Entry,
    /// Elements of a string array.
    StringArray {
        key: String,
        left: u64,
        strings: Strings,
    },
    /// Elements of a number array.
    NumberArray {
        key: String,
        left: u64,
        numbers: Numbers,
    },
    /// An entry of the tensor list.
    Tensor,
    Done,
}

/// Reads a header piece by piece.
pub(super) struct Parser {
    state: State,
    /// Bytes received and not yet understood; at most a string and a portion.
    pending: Vec<u8>,
    /// Bytes understood.
    consumed: u64,
    /// Bytes of the file up to which `pending` must reach for the next item.
    need: u64,
    file_bytes: Option<u64>,
    version: u32,
    entries_left: u64,
    tensors_left: u64,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
}

impl Parser {
    pub fn new(file_bytes: Option<u64>) -> Parser {
        Parser {
            state: State::Start,
            pending: Vec::new(),
            consumed: 0,
            need: 24,
            file_bytes,
            version: 0,
            entries_left: 0,
            tensors_left: 0,
            metadata: Metadata::default(),
            tensors: Vec::new(),
        }
    }

    /// Takes bytes from the front of `bytes` and says how many. All, unless the header completes: then it is returned
    /// and the rest of `bytes` follows it. Must not be called again after a header or an error.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(usize, Option<Header>)> {
        let mut taken = 0;
        while taken < bytes.len() {
            let portion = PORTION.min(bytes.len() - taken);
            self.pending.extend_from_slice(&bytes[taken..taken + portion]);
            taken += portion;
            let stop = self.read_items();
            if let Some(stop) = stop {
                self.check_size(stop)?;
                continue;
            }
            // Complete. What is left pending came with this portion, or the header had completed before it.
            let rest = std::mem::take(&mut self.pending).len();
            return Ok((taken - rest, Some(self.header()?)));
        }
        Ok((taken, None))
    }

    /// The error if the bytes end here.
    pub fn truncated(&self) -> Error {
        Error::Truncated { what: self.place(), want: self.need, got: self.consumed + self.pending.len() as u64 }
    }

    /// Reads all whole items in `pending`. Returns why it stopped, or `None` when the header is complete.
    fn read_items(&mut self) -> Option<Stop> {
        let pending = std::mem::take(&mut self.pending);
        let mut read = 0;
        let stop = loop {
            if matches!(self.state, State::Done) {
                break None;
            }
            let mut cursor = Cursor::new(&pending[read..]);
            match self.item(&mut cursor) {
                Ok(()) => read += cursor.at(),
                Err(Stop::More(bytes)) => break Some(Stop::More(bytes)),
                Err(bad) => break Some(bad),
            }
        };
        self.pending = pending;
        self.pending.drain(..read);
        self.consumed += read as u64;
        stop
    }

    /// Refuses damage, and headers that grow past the cap or the end of the file.
    fn check_size(&mut self, stop: Stop) -> Result<()> {
        match stop {
            Stop::Bad(error) => return Err(error),
            Stop::More(bytes) => self.need = self.consumed + bytes as u64,
        }
        if let Some(got) = self.file_bytes.filter(|&bytes| self.need > bytes) {
            let (what, want) = (self.place(), self.need);
            return Err(Error::Truncated { what, want, got });
        }
        if self.need > limits::HEADER_BYTES {
            return Err(bad(self.place(), format!("the header is longer than {} bytes", limits::HEADER_BYTES)));
        }
        Ok(())
    }

    /// Reads one item and moves to the next state; changes nothing if the item is not whole.
    fn item(&mut self, cursor: &mut Cursor) -> Read<()> {
        match &mut self.state {
            State::Start => self.start(cursor)?,
            State::Entry => self.entry(cursor)?,
            State::StringArray { key, left, strings } => {
                if *left > 0 {
                    strings.push(cursor.string(&|| key.clone(), limits::STRING_BYTES)?);
                    *left -= 1;
                } else {
                    strings.shrink_to_fit();
                    let value = Value::Strings(std::mem::take(strings));
                    let key = std::mem::take(key);
                    self.insert(key, value)?;
                }
            }
            State::NumberArray { key, left, numbers } => {
                if *left > 0 {
                    let size = numbers.kind.bytes();
                    // At least one, so that an empty buffer asks for more.
                    let count = (*left).min((cursor.available() / size).max(1) as u64);
                    let bytes = cursor.take(count as usize * size)?;
                    if numbers.kind == NumberType::Bool && bytes.iter().any(|&byte| byte > 1) {
                        return Err(bad(key.as_str(), "a bool that is neither 0 nor 1").into());
                    }
                    numbers.bytes.extend_from_slice(bytes);
                    *left -= count;
                } else {
                    numbers.bytes.shrink_to_fit();
                    let empty = Numbers { kind: numbers.kind, bytes: Vec::new() };
                    let value = Value::Numbers(std::mem::replace(numbers, empty));
                    let key = std::mem::take(key);
                    self.insert(key, value)?;
                }
            }
            State::Tensor => self.tensor(cursor)?,
            State::Done => {}
        }
        Ok(())
    }

    fn start(&mut self, cursor: &mut Cursor) -> Read<()> {
        // Refuse other files at their first bytes, before waiting for the counts.
        let magic = cursor.take(4)?;
        if magic != MAGIC {
            return Err(bad("magic", format!("{:?} is no GGUF file", magic.escape_ascii().to_string())).into());
        }
        let version = cursor.u32()?;
        if !matches!(version, 2 | 3) {
            let big_endian = matches!(version.swap_bytes(), 1..=3);
            return Err(Stop::Bad(Error::Unsupported {
                what: "GGUF version",
                got: match big_endian {
                    true => format!("{} (big endian)", version.swap_bytes()),
                    false => version.to_string(),
                },
                supported: "2, 3 (little endian)".to_owned(),
            }));
        }
        let (tensors, entries) = (cursor.u64()?, cursor.u64()?);
        check_count("number of tensors", tensors, limits::TENSORS)?;
        check_count("number of metadata entries", entries, limits::METADATA_ENTRIES)?;
        (self.version, self.tensors_left, self.entries_left) = (version, tensors, entries);
        self.advance();
        Ok(())
    }

    fn entry(&mut self, cursor: &mut Cursor) -> Read<()> {
        let index = self.metadata.len();
        let key = cursor.string(&|| format!("metadata key {index}"), limits::KEY_BYTES)?;
        let kind = cursor.u32()?;
        if self.metadata.get(key).is_some() {
            return Err(bad(key, "the key appears twice").into());
        }
        let value = match kind {
            STRING => Value::String(cursor.string(&|| key.to_owned(), limits::STRING_BYTES)?.to_owned()),
            ARRAY => {
                self.state = array(key, cursor)?;
                return Ok(());
            }
            _ => {
                let number = NumberType::from_id(kind).ok_or_else(|| unknown_type(key, kind))?;
                let bytes = cursor.take(number.bytes())?;
                number.value(bytes).ok_or_else(|| bad(key, "a bool that is neither 0 nor 1"))?
            }
        };
        self.insert(key.to_owned(), value)
    }

    fn tensor(&mut self, cursor: &mut Cursor) -> Read<()> {
        let index = self.tensors.len();
        let name = cursor.string(&|| format!("name of tensor {index}"), limits::TENSOR_NAME_BYTES)?;
        let count = cursor.u32()?;
        if count == 0 || count > limits::DIMENSIONS {
            return Err(bad(name, format!("{count} dimensions; 1 to {} are allowed", limits::DIMENSIONS)).into());
        }
        let dims = (0..count).map(|_| cursor.u64()).collect::<Read<Vec<u64>>>()?;
        let kind = cursor.u32()?;
        let offset = cursor.u64()?;
        let kind = GgmlType::from_id(kind, name)?;
        self.tensors.push(TensorInfo::new(name.to_owned(), kind, dims, offset)?);
        self.tensors_left -= 1;
        self.advance();
        Ok(())
    }

    fn insert(&mut self, key: String, value: Value) -> Read<()> {
        self.metadata.insert(key, value)?;
        self.entries_left -= 1;
        self.advance();
        Ok(())
    }

    fn advance(&mut self) {
        self.state = match (self.entries_left, self.tensors_left) {
            (0, 0) => State::Done,
            (0, _) => State::Tensor,
            _ => State::Entry,
        };
    }

    fn header(&mut self) -> Result<Header> {
        Header::new(
            self.version,
            std::mem::take(&mut self.metadata),
            std::mem::take(&mut self.tensors),
            self.consumed,
            self.file_bytes,
        )
    }

    /// Where the parser is, for error messages.
    fn place(&self) -> String {
        match &self.state {
            State::Start => "the header".to_owned(),
            State::Entry => format!("metadata entry {}", self.metadata.len()),
            State::StringArray { key, .. } | State::NumberArray { key, .. } => key.clone(),
            State::Tensor | State::Done => {
                format!("the description of tensor {}", self.tensors.len())
            }
        }
    }
}

/// The state that reads the array whose element type and length come next.
fn array(key: &str, cursor: &mut Cursor) -> Read<State> {
    let kind = cursor.u32()?;
    let left = cursor.u64()?;
    check_count(key, left, limits::ARRAY_ELEMENTS)?;
    let key_owned = key.to_owned();
    Ok(match kind {
        STRING => State::StringArray { key: key_owned, left, strings: Strings::default() },
        // No file in use has them, and a depth of one needs no limit on depth.
        ARRAY => {
            return Err(bad(key, "an array of arrays; arrays of numbers and strings are allowed").into());
        }
        _ => {
            let kind = NumberType::from_id(kind).ok_or_else(|| unknown_type(key, kind))?;
            State::NumberArray { key: key_owned, left, numbers: Numbers { kind, bytes: Vec::new() } }
        }
    })
}

fn unknown_type(key: &str, kind: u32) -> Error {
    bad(key, format!("value type {kind}; 0 to 12 are allowed"))
}

fn check_count(what: &str, count: u64, cap: u64) -> Result<()> {
    if count > cap {
        return Err(bad(what, format!("{count}; at most {cap} are allowed")));
    }
    Ok(())
}
