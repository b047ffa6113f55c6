//! The WGSL kernels: their text against WebGPU's rules, and what they compute against the CPU kernels of the same names.
//!
//! Where no adapter is found the second part says `gpu: not run`; with `ATTNSCOPE_GPU=required` it fails instead.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod ahead;
mod both;
mod burst;
mod chains;
mod choice;
#[path = "../common/mod.rs"]
mod common;
mod counters;
mod decode;
mod engine;
mod made;
mod matmul;
mod paired;
mod pick;
mod planes;
mod prefill;
mod scores;
mod shaders;

use common::gpu;

/// Largest difference of two lists of the same length.
fn difference(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len(), "lengths");
    got.iter().zip(want).map(|(a, b)| if a.is_nan() { f32::INFINITY } else { (a - b).abs() }).fold(0.0, f32::max)
}

/// Words as the floats they are.
fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|word| f32::from_bits(*word)).collect()
}
