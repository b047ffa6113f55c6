//! The command line: `attnscope --help`.

mod bench;
mod generate;
mod methods;
mod model;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Sparse attention and KV-cache compression methods on a real llama model.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  attnscope methods
  attnscope generate --model smollm2.gguf --prompt 'The sea is' --method h2o --param heavy=64 --param recent=64
  attnscope generate --model smollm2.gguf --chat 'Why is the sky blue?' --method tidal_decode --json
  attnscope bench --model smollm2.gguf --prompt-tokens 330,1900

The model: `cargo xtask model` fetches SmolLM2-135M and prints its path.";

#[derive(Subcommand)]
enum Command {
    /// Generate text with a method
    Generate(generate::Args),
    /// List the methods and their parameters
    Methods(methods::Args),
    /// Measure prefill and decode speed
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Generate(args) => generate::run(&args),
        Command::Methods(args) => methods::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
