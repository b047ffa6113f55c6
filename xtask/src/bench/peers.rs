//! `cargo xtask bench peers`: the same GGUF, the same prompt, one thread, in other runtimes; and one attention step on
//! the same numbers. The measuring itself is JavaScript in benches/peers, whose npm packages (other people's runtimes)
//! are installed by this task alone.

use std::path::PathBuf;

use anyhow::Result;

use crate::{browser, build, model, setup, sh, stamp::Stamp};

/// The size of the measurement.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench peers\n  cargo xtask bench peers --prompt-tokens 331 --runs 1 --only wllama\n  \
        cargo xtask bench peers --only onnxruntime_web"
)]
pub struct Args {
    /// Lengths of the prompt, in tokens
    #[arg(long, value_delimiter = ',', default_values_t = [331, 1900])]
    prompt_tokens: Vec<u32>,
    /// Tokens to generate
    #[arg(long, default_value_t = 64)]
    decode: u32,
    /// Runs of each, alternating; medians are reported
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Some of attnscope, wllama, llama_cpp_native, attnscope_native, onnxruntime_web; the last is compared by one
    /// attention step alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also write the result as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    let wants = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let model = model::ensure()?;
    let browser = browser::find()?;
    if wants("attnscope") {
        build::package()?;
    }
    if wants("attnscope_native") {
        sh::step("Building the command line", || {
            sh::run_aside(sh::cargo().args(["build", "--release", "--features", "cli", "--bin", "attnscope"]))
        })?;
    }
    let attention = if wants("onnxruntime_web") { Some(super::wasm_example("attention_wasm")?) } else { None };
    packages()?;
    let lengths: Vec<_> = args.prompt_tokens.iter().map(u32::to_string).collect();
    let mut command = sh::node();
    command.arg("benches/peers/run.mjs");
    command.args(["--prompt-tokens", &lengths.join(",")]);
    command.args(["--decode", &args.decode.to_string(), "--runs", &args.runs.to_string()]);
    command.args(["--only", &args.only.join(",")]);
    if let Some(json) = &args.json {
        // Taken from where the user stands; the script runs in the root.
        command.arg("--json").arg(std::path::absolute(json)?);
    }
    let cli = sh::target_dir()?.join("release").join(format!("attnscope{}", std::env::consts::EXE_SUFFIX));
    if let Some(attention) = attention {
        command.env("ATTENTION_WASM", attention);
    }
    command.env("CHROME", browser.chrome).env("ATTNSCOPE_MODEL", model).env("ATTNSCOPE_CLI", cli);
    sh::run(&mut command)
}

fn packages() -> Result<()> {
    // The server of the pages is among the root's.
    setup::node_modules()?;
    let folder = "benches/peers";
    let stamp =
        Stamp::new("peers", "benches/peers/node_modules/.package-lock.json", &["benches/peers/package-lock.json"], "")?;
    if stamp.fresh() {
        return Ok(());
    }
    sh::step("Installing the other runtimes", || {
        // No install scripts: node-llama-cpp's would compile llama.cpp when it dislikes its own binary.
        let ci = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        sh::run_aside(sh::npm().current_dir(sh::root().join(folder)).args(ci))
    })?;
    stamp.write()
}
