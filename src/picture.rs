//! Pictures in a prompt: what somebody drew becomes [`ROWS`] embedding rows that stand where those of tokens do.
//!
//! A vision tower of any other model would hand over rows in the same way; this project's own is a small projector
//! that was trained on digits with the language model frozen (`tools/picture_projector`, `data/picture_projector.md`).

mod drawing;
mod layers;
mod projector;
mod tensors;

pub use drawing::{Drawing, MOST_PIXELS, SIDE};
pub use projector::Projector;

/// Embedding rows of a picture: a 4 x 4 grid of patches, row by row.
pub const ROWS: u32 = 16;

/// Where it stands in a text that has pictures, one of them is meant: the object replacement character.
pub const MARK: char = '\u{fffc}';
