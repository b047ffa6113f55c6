//! attnscope: a llama decoder whose layer loop asks a *method* what to read, what to keep and what to run next, and
//! whose every answer becomes a trace record that a page can draw.
//!
//! Modules in layer order; each imports only those above it.

pub mod error;
pub mod tape;
pub mod trace;
mod lanes;
pub mod kernels;
pub mod metrics;
pub mod ops;
pub mod cache;
pub mod gguf;
pub mod picture;
pub mod tokenizer;
pub mod chat;
pub mod method;
pub mod methods;
pub mod model;
pub mod backend;
pub mod sampler;
pub mod guard;
pub mod engine;
pub mod advisor;
pub mod loader;
pub mod calibrate;
#[cfg(not(target_arch = "wasm32"))]
pub mod cluster;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use error::{Error, Result};

/// The example of the README is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// The tests of this crate's own modules that run as wasm do so in a browser, as `tests/web.rs` does.
#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
