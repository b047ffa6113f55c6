//! `cargo xtask bench`: measured speeds, each against something: other runtimes, or our own full attention.

mod gpu;
mod methods;
mod peers;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use crate::{setup, sh};

/// Which measurement.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Prefill, decode and one attention step against wllama, llama.cpp and onnxruntime-web
    Peers(peers::Args),
    /// Attention and whole time of the methods against full attention
    Methods(methods::Args),
    /// The sparse WebGPU kernels against the dense ones, on the adapter at hand
    Gpu(gpu::Args),
}

/// Runs a measurement.
pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Peers(args) => peers::run(args),
        What::Methods(args) => methods::run(args),
        What::Gpu(args) => gpu::run(args),
    }
}

/// Compiles one of the manifest's examples to wasm, optimised.
fn wasm_example(name: &str) -> Result<PathBuf> {
    setup::wasm_target()?;
    sh::step(&format!("Compiling {name} to wasm"), || {
        let what = ["build", "--release", "--target", "wasm32-unknown-unknown", "--example", name];
        // RUSTFLAGS would replace the SIMD flags of .cargo/config.toml.
        sh::run_aside(sh::cargo().args(what).env_remove("RUSTFLAGS"))
    })?;
    let folder = sh::target_dir()?.join("wasm32-unknown-unknown/release/examples");
    Ok(folder.join(format!("{name}.wasm")))
}
