//! Methods against full attention on this machine's best instruction set; `cargo xtask bench methods` starts it.
#![allow(missing_docs, reason = "a program")]

use attnscope::loader::Loader;
use clap::Parser;
use cpu_time::ThreadTime;
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::PathBuf, process::ExitCode, sync::Arc};

mod hosts;
mod measure;
mod settings;
mod threads;

#[derive(Parser)]
struct Args {
    /// GGUF file
    model: PathBuf,
    /// Tokens of the prompts
    #[arg(long, value_delimiter = ',')]
    context: Vec<u32>,
    /// Names of settings, `star_attention` for hosts; none: all
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    #[arg(long)]
    prefills: u32,
    #[arg(long)]
    turns: u32,
    #[arg(long)]
    tokens: u32,
}

/// Of processor time, which other programs disturb less than time on the clock.
fn seconds() -> f64 {
    ThreadTime::now().as_duration().as_secs_f64()
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut loader = Loader::new(None);
    loader.push(&std::fs::read(&args.model)?)?;
    let loaded = Arc::new(loader.finish()?);
    let settings = settings::named(&args.only);
    let style = ProgressStyle::with_template("    {msg:40} {bar:32} {percent}%")?;
    for &context in &args.context {
        let size = measure::Size { context, prefills: args.prefills, turns: args.turns, tokens: args.tokens };
        let bar = ProgressBar::new(1).with_style(style.clone());
        let show = |what: &str, done: u32, total: u32| {
            if bar.message() != what {
                bar.set_message(what.to_owned());
            }
            bar.set_length(total.into());
            bar.set_position(done.into());
        };
        for row in measure::measure(&loaded, &settings, size, seconds, show)? {
            let line = serde_json::to_string(&row)?;
            bar.suspend(|| println!("{line}"));
        }
        let hosts = if hosts::wanted(&args.only) { threads::measure(&loaded, size, show)? } else { Vec::new() };
        bar.finish_and_clear();
        for row in hosts {
            println!("{}", serde_json::to_string(&row)?);
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
