//! Model files (GGUF): an incremental reader that takes bytes as they come and never trusts them.
//!
//! ```text
//! bytes, any chunking ─> stream ─┬─ header    parser, cursor ─> Header { metadata, tensors }
//!                                └─ rows      one whole row of one tensor at a time
//! a row ─> transcode (into the kernels' layouts) or dequantise (into f32)
//! ```
//!
//! A file, a `Blob` and a download all end in [`Stream::push`]. Beyond the header, memory stays at one
//! row: rows that lie whole in the pushed chunk are passed on without a copy.
//!
//! Files are hostile until proven otherwise. Counts, lengths and sizes are capped ([`limits`]) and computed in checked
//! `u64` (`usize` has 32 bits in the browser); nothing is reserved because the file announces it, memory grows only
//! with bytes received. Every refusal is an [`Error`](crate::Error) naming the key or tensor and what is allowed.
//!
//! ```
//! use attnscope::gguf::{GgmlType, Header, Sink, Stream, write::Writer};
//!
//! struct Count { rows: u64 }
//! impl Sink for Count {
//!     fn header(&mut self, header: Header) -> attnscope::Result<()> {
//!         assert_eq!(header.metadata.string("general.architecture")?, "llama");
//!         Ok(())
//!     }
//!     fn row(&mut self, _tensor: usize, _row: u64, bytes: &[u8]) -> attnscope::Result<()> {
//!         assert_eq!(bytes.len(), 8);
//!         self.rows += 1;
//!         Ok(())
//!     }
//! }
//!
//! let file = Writer::new()
//!     .meta("general.architecture", "llama")
//!     .tensor("token_embd.weight", &[2, 3], GgmlType::F32, &[0; 24])
//!     .finish();
//! let mut count = Count { rows: 0 };
//! let mut stream = Stream::new();
//! for chunk in file.chunks(7) {
//!     stream.push(chunk, &mut count)?;
//! }
//! stream.finish()?;
//! assert_eq!(count.rows, 3);
//! # Ok::<(), attnscope::Error>(())
//! ```

mod cursor;
mod parser;

pub mod blocks;
pub mod encode;
pub mod header;
pub mod limits;
pub mod metadata;
pub mod numbers;
pub mod stream;
pub mod strings;
pub mod transcode;
pub mod unpack;
pub mod write;

pub use blocks::GgmlType;
pub use encode::encode;
pub use header::{Header, TensorInfo};
pub use metadata::{Metadata, Value};
pub use numbers::Numbers;
pub use stream::{Sink, Stream};
pub use strings::Strings;
pub use unpack::dequantise;

/// The refusal of a damaged file: which key or tensor, and why.
pub(crate) fn bad(what: impl Into<String>, why: impl Into<String>) -> crate::Error {
    crate::Error::File { what: what.into(), why: why.into() }
}
