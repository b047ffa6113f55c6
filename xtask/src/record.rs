//! `cargo xtask record`: the run that the page plays before there is a model, recorded from the real one.

use std::path::PathBuf;

use anyhow::Result;

use crate::{build, model, sh};

/// What to record.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask record\n  \
    cargo xtask record --preset needle-1200 --methods full,h2o,quest --out artifacts/run.attn\n\n\
    The file opens in the page, by dropping it there, and in <attn-scope>.")]
pub struct Args {
    /// A preset of the page, with its prompt and values
    #[arg(long, default_value = "needle-600")]
    preset: String,
    /// Methods side by side; the first one of the registry says how the text goes on
    #[arg(long, default_value = "full,tidal_decode,scope,quant_spec")]
    methods: String,
    /// The trace file
    #[arg(long, default_value = "www/src/recorded.attn")]
    out: PathBuf,
}

/// Runs the model through the npm package in Node.
pub fn run(args: &Args) -> Result<()> {
    let model = model::ensure()?;
    build::package()?;
    let out = sh::root().join(&args.out);
    let script = sh::root().join("xtask/record.mjs");
    sh::step("Recording", || sh::run(sh::node().arg(script).args([&model, &out]).args([&args.preset, &args.methods])))
}
