//! attnscope: a llama decoder whose layer loop asks a *method* what to read, what to keep and what to run next, and
//! whose every answer becomes a trace record that a page can draw.

pub mod chat;
pub mod error;
pub mod gguf;
pub mod kernels;
mod lanes;
pub mod tokenizer;
pub mod trace;

pub use error::{Error, Result};
