//! `attnscope advise`.

use crate::{Failure, model::FileArgs};
use attnscope::{
    Error,
    advisor::{self, Advice, Ask, Device, Figure, SCENARIOS, Scenario, Text},
};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

const EXAMPLES: &str = "Examples:
  attnscope advise --model smollm2.gguf --memory 64MB --context 8000
  attnscope advise --model smollm2.gguf --memory 16MB --context 4000 --scenario tight-memory --json
  attnscope advise --model smollm2.gguf --memory 64MB --context 4000 --scenario multimodal --pictures 3000";

/// What is published and what was measured on SmolLM2-135M-Instruct.
const MEASURED: &str = include_str!("../../../docs/evaluation/figures.json");

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    file: FileArgs,
    /// Memory for the KV cache, e.g. 64MB [default: what is free beside the weights]
    #[arg(long, value_name = "BYTES", value_parser = advisor::bytes)]
    memory: Option<u64>,
    /// Tokens of prompt and answer together [default: the model's]
    #[arg(long, value_name = "TOKENS")]
    context: Option<u32>,
    /// Tokens of the answer [default: an eighth of the context]
    #[arg(long, value_name = "TOKENS")]
    generate: Option<u32>,
    /// Tokens of the prompt that belong to pictures
    #[arg(long, value_name = "TOKENS", default_value_t = 0)]
    pictures: u32,
    /// What matters most: any, long-sequence, tight-memory, multimodal, real-time
    #[arg(long, default_value = "any")]
    scenario: String,
    /// JSON file with figures to show beside the methods: [{"method", "what", "published", "measured"}] [default: those
    /// of docs/evaluation]
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let scenario = Scenario::find(&args.scenario)?;
    let (config, weights) = args.file.config()?;
    let context = args.context.unwrap_or(config.context);
    let text = Text::of(context, args.generate, args.pictures)?;
    let device = Device { memory: free_memory(), ..Device::here() };
    let memory = device.room(args.memory, weights)?;
    let advice = advisor::advise(&Ask { memory, text, scenario }, &config, &figures(args.figures.as_ref())?)?;
    let most = advice.iter().find(|advice| advice.advised).map_or(memory, |advice| advice.account.bytes);
    let notes = device.notes(&config, &text, most);
    if args.json {
        let all = serde_json::json!({ "memory": memory, "prompt": text.prompt, "generated": text.generated, "notes": notes, "advice": advice });
        writeln!(out, "{all}")?;
        return Ok(());
    }
    let suits = scenario.suits();
    writeln!(out, "{} bytes for {} + {} tokens; {}: {}", memory, text.prompt, text.generated, suits.name, suits.why)?;
    notes.iter().try_for_each(|note| writeln!(out, "  {note}"))?;
    advice.iter().try_for_each(|advice| show(&mut out, advice))?;
    if !advice.iter().any(|advice| advice.advised) {
        let names: Vec<_> = SCENARIOS.iter().map(|suits| suits.name).collect();
        writeln!(
            out,
            "\nNothing fits. Give more memory or a shorter context, or try another of: {}",
            names.join(", ")
        )?;
    }
    Ok(())
}

fn show(out: &mut impl Write, advice: &Advice) -> io::Result<()> {
    let verdict = match (advice.advised, advice.fits) {
        (true, _) => "take this",
        (_, true) => "fits",
        (..) => "does not fit",
    };
    writeln!(out, "\n{}: {verdict}, {:.0} % of the text is kept", advice.method, 100.0 * advice.kept)?;
    for (name, value) in advice.method.parts().iter().flat_map(|part| &part.params) {
        writeln!(out, "  {name} = {value}")?;
    }
    for line in &advice.account.lines {
        writeln!(out, "  {}: {line}", line.what)?;
    }
    writeln!(out, "  together {} bytes", advice.account.bytes)?;
    for Figure { what, published, measured, .. } in &advice.figures {
        let told = published.iter().cloned().chain(measured.map(|x| x.to_string())).collect::<Vec<_>>();
        writeln!(out, "  {what}: {}", told.join(", measured "))?;
    }
    Ok(())
}

fn figures(path: Option<&PathBuf>) -> attnscope::Result<Vec<Figure>> {
    let what = path.map_or_else(|| "the figures".to_owned(), |path| path.display().to_string());
    let refuse = |why: String| Error::File { what: what.clone(), why };
    let text = path.map_or_else(|| Ok(MEASURED.to_owned()), fs::read_to_string).map_err(|e| refuse(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| refuse(e.to_string()))
}

/// Bytes that Linux would give without swapping; elsewhere the memory must be said.
fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
