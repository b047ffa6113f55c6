//! `attnscope bench`: how fast prompts are read and tokens made, on one thread.

use crate::{Failure, model::ModelArgs};
use attnscope::engine::{Options, Progress};
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Prompt lengths
    #[arg(long, value_delimiter = ',', default_value = "330,1900")]
    prompt_tokens: Vec<u32>,
    /// Tokens to decode after each
    #[arg(long, default_value_t = 32)]
    decode: u32,
    /// Runs of each; the median is printed
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let loaded = args.model.load()?;
    let (mut engine, _) = args.model.engine(&loaded)?;
    let text =
        "The quick brown fox jumps over the lazy dog. A sea of words goes on and on, until the harbour is in sight. ";
    let ids = loaded.tokenizer.encode_prompt(text)?;
    let mut rows = Vec::new();
    for &tokens in &args.prompt_tokens {
        let prompt: Vec<u32> = ids.iter().copied().cycle().take(tokens as usize).collect();
        let options = Options { max_tokens: args.decode + 1, ..Options::default() };
        let mut times = Vec::new();
        for _ in 0..args.runs.max(1) {
            engine.start(&prompt, options.clone())?;
            times.push(time(&mut engine)?);
        }
        let median = |of: fn(&(Duration, Duration)) -> Duration| {
            let mut all: Vec<Duration> = times.iter().map(of).collect();
            all.sort();
            all[all.len() / 2].as_secs_f64()
        };
        let (prefill, decode) = (f64::from(tokens) / median(|t| t.0), f64::from(args.decode) / median(|t| t.1));
        if !args.json {
            writeln!(out, "{tokens:>6} prompt tokens: prefill {prefill:7.1} tokens/s, decode {decode:6.1} tokens/s")?;
        }
        rows.push(serde_json::json!({ "prompt_tokens": tokens, "prefill_tps": prefill, "decode_tps": decode }));
    }
    if args.json {
        writeln!(out, "{}", serde_json::json!(rows))?;
    }
    Ok(())
}

/// Time to the first token and from there to the last.
fn time(engine: &mut attnscope::engine::Engine) -> attnscope::Result<(Duration, Duration)> {
    let begun = Instant::now();
    let mut first = None;
    loop {
        match engine.advance()? {
            Progress::Done => break,
            Progress::Working | Progress::Waiting | Progress::Exchange => {}
            Progress::Step(_) => {
                first.get_or_insert_with(Instant::now);
                engine.tracer().take(|_| ());
            }
        }
    }
    let first = first.unwrap_or(begun);
    Ok((first - begun, first.elapsed()))
}
