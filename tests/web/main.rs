//! In a browser: the kernels as simd128 against plain loops, the engine on a tiny model, the JavaScript border, and
//! the GPU in lock-step with the CPU.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "gpu")]
mod gpu;
mod kernels;
#[cfg(feature = "gpu")]
mod paired;
#[cfg(feature = "gpu")]
#[allow(dead_code, reason = "cases that run no operation, and the CPU alone, are for `tests/golden.rs`")]
#[path = "../runners/mod.rs"]
mod runners;
mod session;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
