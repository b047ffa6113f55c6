//! A model file as a stream: bytes in, header and rows out, one row of memory.

use super::parser::Parser;
use super::{Header, header};
use crate::{Error, Result};

/// Takes what is read from a model file.
pub trait Sink {
    /// The header, once, before any row. The model checks its configuration and allocates here.
    ///
    /// # Errors
    /// Whatever the sink refuses; it ends the stream.
    fn header(&mut self, header: Header) -> Result<()>;

    /// Row `row` of tensor `tensor` (an index into [`Header::tensors`]), as stored. Rows come in file order, each
    /// exactly once, whole.
    ///
    /// # Errors
    /// Whatever the sink refuses; it ends the stream.
    fn row(&mut self, tensor: usize, row: u64, bytes: &[u8]) -> Result<()>;
}

/// Reads a model file from bytes pushed in any portions.
pub struct Stream {
    state: State,
}

enum State {
    Header(Box<Parser>),
    Data(Data),
    /// An error was returned.
    Failed,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream::new()
    }
}

impl Stream {
    /// A stream of unknown length.
    #[must_use]
    pub fn new() -> Stream {
        Stream::with_size(None)
    }

    /// A stream of `file_bytes` bytes, if known: what lies beyond is then refused with the header.
    #[must_use]
    pub fn with_size(file_bytes: Option<u64>) -> Stream {
        Stream { state: State::Header(Box::new(Parser::new(file_bytes))) }
    }

    /// Takes the next bytes of the file. Bytes after the last tensor (padding) are ignored.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Truncated`] or [`Error::Unsupported`] naming the key or tensor; the sink's errors;
    /// [`Error::State`] after an error.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        // Left in place when an error returns early.
        let state = std::mem::replace(&mut self.state, State::Failed);
        self.state = match state {
            State::Header(mut parser) => {
                let (taken, header) = parser.push(bytes)?;
                match header {
                    None => State::Header(parser),
                    Some(header) => {
                        let mut data = Data::new(&header);
                        sink.header(header)?;
                        data.push(&bytes[taken..], sink)?;
                        State::Data(data)
                    }
                }
            }
            State::Data(mut data) => {
                data.push(bytes, sink)?;
                State::Data(data)
            }
            State::Failed => return Err(Error::State("the model file was refused already")),
        };
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`Error::Truncated`] naming what is missing; [`Error::State`] after an error.
    pub fn finish(self) -> Result<()> {
        match self.state {
            State::Header(parser) => Err(parser.truncated()),
            State::Data(data) => data.finish(),
            State::Failed => Err(Error::State("the model file was refused already")),
        }
    }
}

/// A tensor's data in the file.
struct Part {
    tensor: usize,
    name: String,
    /// First byte in the file.
    start: u64,
    row_bytes: usize,
    rows: u64,
}

/// The part of the file after the header.
struct Data {
    /// In file order; they lie apart and none is empty.
    parts: Vec<Part>,
    part: usize,
    row: u64,
    /// Bytes of the file seen so far.
    at: u64,
    /// The bytes seen of a row that crosses pushes.
    carry: Vec<u8>,
    file_size: u64,
}

impl Data {
    fn new(header: &Header) -> Data {
        let parts = header::in_file_order(&header.tensors).into_iter().map(|index| {
            let tensor = &header.tensors[index];
            Part {
                tensor: index,
                name: tensor.name.clone(),
                start: header.data_offset + tensor.offset,
                // In range: rows are capped.
                row_bytes: tensor.row_bytes() as usize,
                rows: tensor.rows(),
            }
        });
        Data { parts: parts.collect(), part: 0, row: 0, at: header.end, carry: Vec::new(), file_size: header.file_size }
    }

    fn push(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        while let Some(part) = self.parts.get(self.part) {
            // Padding before a tensor.
            let gap = part.start.saturating_sub(self.at).min(bytes.len() as u64) as usize;
            bytes = &bytes[gap..];
            self.at += gap as u64;
            if bytes.is_empty() {
                return Ok(());
            }
            let missing = part.row_bytes - self.carry.len();
            let (row, rest) = bytes.split_at(missing.min(bytes.len()));
            self.at += row.len() as u64;
            bytes = rest;
            if row.len() < missing {
                self.carry.extend_from_slice(row);
                return Ok(());
            }
            if self.carry.is_empty() {
                sink.row(part.tensor, self.row, row)?;
            } else {
                self.carry.extend_from_slice(row);
                sink.row(part.tensor, self.row, &self.carry)?;
                self.carry.clear();
            }
            self.row += 1;
            if self.row == part.rows {
                self.part += 1;
                self.row = 0;
            }
        }
        self.at += bytes.len() as u64;
        self.carry = Vec::new();
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self.parts.get(self.part) {
            None => Ok(()),
            Some(part) => Err(Error::Truncated { what: part.name.clone(), want: self.file_size, got: self.at }),
        }
    }
}
