//! The command line: `attnscope --help`.

mod advise;
mod bench;
mod calibrate;
mod eval;
mod generate;
#[cfg(feature = "gpu")]
mod gpu;
mod methods;
mod model;
mod picture;
mod spec;

use clap::{Parser, Subcommand};
use std::{fmt::Display, io, process::ExitCode};

/// Sparse attention and KV-cache compression methods on a real llama model.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  attnscope methods
  attnscope generate --model smollm2.gguf --chat 'Why is the sky blue?' --method h2o
  attnscope advise --model smollm2.gguf --memory 64MB --context 8000
  attnscope bench --model smollm2.gguf --prompt-tokens 330,1900
  attnscope eval --model smollm2.gguf --suite text --only h2o
  attnscope gpu

The model: `cargo xtask model` fetches SmolLM2-135M and prints its path.";

#[derive(Subcommand)]
enum Command {
    /// Generate text with a method
    Generate(generate::Args),
    /// List the methods and their parameters
    Methods(methods::Args),
    /// Find the layers at which methods choose, for one model
    Calibrate(calibrate::Args),
    /// Find a method and budgets that fit into memory
    Advise(advise::Args),
    /// Measure prefill and decode speed
    Bench(bench::Args),
    /// Measure quality, bytes and speed of methods against full attention
    Eval(eval::Args),
    /// Show the GPU and test it beside the CPU
    #[cfg(feature = "gpu")]
    Gpu(gpu::Args),
}

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// What was asked for cannot be done.
    #[error(transparent)]
    Refused(#[from] attnscope::Error),
    /// What was found cannot be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// A file other than the model's cannot be read or written, or what it holds cannot be used.
    #[error("{what}: {why}")]
    File { what: String, why: String },
}

impl Failure {
    fn file(what: impl Display, why: impl Display) -> Failure {
        Failure::File { what: what.to_string(), why: why.to_string() }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Generate(args) => generate::run(&args),
        Command::Methods(args) => methods::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Advise(args) => advise::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Eval(args) => eval::run(&args),
        #[cfg(feature = "gpu")]
        Command::Gpu(args) => gpu::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, e.g. `attnscope methods | head -1`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
