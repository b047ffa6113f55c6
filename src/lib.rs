//! attnscope: a llama decoder whose layer loop asks a *method* what to read, what to keep and what to run next, and
//! whose every answer becomes a trace record that a page can draw.

pub mod backend;
pub mod cache;
pub mod chat;
pub mod engine;
pub mod error;
pub mod gguf;
pub mod kernels;
mod lanes;
pub mod method;
pub mod methods;
pub mod model;
pub mod ops;
pub mod sampler;
pub mod tokenizer;
pub mod trace;

pub use error::{Error, Result};
