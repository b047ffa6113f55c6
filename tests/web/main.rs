//! In a browser: the kernels as simd128 against plain loops, the engine on a tiny model, and the JavaScript border.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "gpu")]
mod gpu;
mod kernels;
mod session;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
