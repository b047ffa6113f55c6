//! `cargo xtask gen`: the Rust constants are the truth; `examples/gen.rs` writes them out as TypeScript and tables.
//! It is an example of the library and not a part of this program, which would otherwise compile the whole library
//! before it could do anything.

use anyhow::Result;

use crate::sh;

/// Write or compare.
#[derive(clap::Args, Default)]
#[command(
    after_help = "Examples:\n  cargo xtask gen            write the files\n  cargo xtask gen --check    fail when they differ"
)]
pub struct Args {
    /// Change nothing; fail when a file is not what would be written
    #[arg(long)]
    check: bool,
}

/// Runs the example.
pub fn run(args: &Args) -> Result<()> {
    if args.check { check() } else { call(&[]) }
}

/// Fails when a generated file is out of date.
pub fn check() -> Result<()> {
    call(&["--check"])
}

fn call(flags: &[&str]) -> Result<()> {
    // Profile and features of the tests, so that nothing is compiled for this alone.
    let what = ["run", "--quiet", "--profile", "test", "--features", "cli", "--example", "gen", "--"];
    sh::run(sh::cargo().args(what).args(flags))
}
