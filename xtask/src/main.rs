//! The project's tasks: `cargo xtask --help`. One file a task; what several tasks need is in `setup.rs` and `sh.rs`.

mod apt;
mod bench;
mod browser;
mod build;
mod demo;
mod eval;
mod generate;
mod model;
mod record;
mod setup;
mod sh;
mod size;
mod stamp;
mod test;
mod vulkan;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks of attnscope. Each installs what it needs, once, and says so.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Examples:\n  \
        cargo xtask demo --open        build everything and open the page\n  \
        cargo xtask test               everything CI runs\n  \
        cargo xtask test rust          only the native part of it\n  \
        cargo xtask eval               measure all methods and bring the README's table up to date\n  \
        cargo xtask record             record the run that the page plays first\n  \
        cargo xtask size               bytes of the .wasm by crate, against the limits\n  \
        MODEL=$(cargo xtask model | tail -n 1)\n\n\
        Environment:\n  \
        ATTNSCOPE_MODEL        a GGUF file to use instead of the fetched one\n  \
        CHROME, CHROMEDRIVER   the browser and its driver\n  \
        XDG_CACHE_HOME         where the model and the built tools are kept (default ~/.cache)"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch the model and print its path as the last line
    Model,
    /// Install what the other tasks need, so that they can run without a network
    Setup,
    /// Build the .wasm, the npm package and the page
    Build(build::Args),
    /// Write the TypeScript and the tables that come from Rust constants
    Gen(generate::Args),
    /// Build everything, fetch the model and serve the page
    Demo(demo::Args),
    /// Record the run that the page plays before there is a model
    Record(record::Args),
    /// Run everything CI runs
    Test(test::Args),
    /// Show the bytes of the .wasm by crate and check the limits
    Size,
    /// Measure against other runtimes
    Bench(bench::Args),
    /// Measure all methods against full attention and write the README's table and charts
    Eval(eval::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        // What went wrong and while doing what, without the backtrace that anyhow adds to its debug format.
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Model => println!("{}", model::ensure()?.display()),
        Task::Setup => setup::all()?,
        Task::Build(args) => build::run(&args)?,
        Task::Gen(args) => generate::run(&args)?,
        Task::Demo(args) => demo::run(&args)?,
        Task::Record(args) => record::run(&args)?,
        Task::Test(args) => return test::run(&args),
        Task::Size => size::run()?,
        Task::Bench(args) => bench::run(&args)?,
        Task::Eval(args) => eval::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
