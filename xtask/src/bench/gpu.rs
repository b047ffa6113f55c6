//! `cargo xtask bench gpu`: attention kernels alone on the adapter at hand, sparse beside dense, against their bars.

use anyhow::Result;

use crate::{sh, vulkan};

/// The size of the measurement.
#[derive(clap::Args)]
pub struct Args {
    /// Times each is measured; medians are reported
    #[arg(long, default_value_t = 7)]
    rounds: u32,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    vulkan::ensure()?;
    // As tests are built, so that these have it: the adapter does the work, and a release build takes minutes.
    let what = ["run", "--profile", "test", "--features", "cli,gpu", "--example", "gpu", "--", "--rounds"];
    sh::run(sh::cargo().args(what).arg(args.rounds.to_string()))
}
