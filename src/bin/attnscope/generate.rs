//! `attnscope generate`.

use crate::{Failure, model::ModelArgs, picture::PictureArgs};
use attnscope::{
    Error,
    chat::ChatMessage,
    engine::{Options, Progress, Prompt, Step},
    guard::{Limits, Monitor},
    loader::Loaded,
    sampler::Sampling,
    tokenizer::Detokenizer,
    trace::{Kind, records},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::Instant,
};

const EXAMPLES: &str = "Examples:
  attnscope generate --model smollm2.gguf --prompt 'The sea is' --method h2o --param heavy=64 --param recent=64
  attnscope generate --model smollm2.gguf --chat 'Why is the sky blue?' --temperature 0.7 --top-p 0.9 --seed 1
  attnscope generate --model smollm2.gguf --prompt-file story.txt --method tidal_decode --max-tokens 8 --json
  attnscope generate --model smollm2.gguf --prompt-file story.txt --retain snap_kv --select quest --param select.budget=64
  attnscope generate --model smollm2.gguf --prompt-file story.txt --prefill flex_prefill --schedule quant_spec
  attnscope generate --model smollm2.gguf --prompt-file story.txt --retain snap_kv --memory 16MB --context 2000
  attnscope generate --model smollm2.gguf --prompt-file story.txt --method quest --shadow 8 --guard=recall=0.9
  attnscope generate --model smollm2.gguf --picture five.png --picture two.png --method look_m --max-tokens 8 \
      --chat 'Picture A shows the digit {picture}.\nPicture B shows the digit {picture}.\nWhich digit is in picture B?' \
      --begin 'Picture B shows the digit '";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Beginning of the answer, as if the model had written it
    #[arg(long, value_name = "TEXT", default_value = "")]
    begin: String,
    /// Tokens to generate, those of --begin among them
    #[arg(long, default_value_t = 64)]
    max_tokens: u32,
    /// 0: always the most probable token
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// With a temperature above 0, only so many best tokens are candidates; 0: all
    #[arg(long, default_value_t = 0)]
    top_k: u32,
    /// With a temperature above 0, only the fewest best tokens that reach this share of the probability; 1: all
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Seed for a temperature above 0
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Go on after the model has ended its text
    #[arg(long)]
    ignore_eos: bool,
    /// Every so many tokens, compare what is read sparsely with dense attention; 0: never
    #[arg(long, value_name = "TOKENS", default_value_t = 0)]
    shadow: u32,
    /// Go on along the safe path when a monitor is past its limit, e.g. recall=0.9,error=off,acceptance=0.4,noise=25
    #[arg(long, value_name = "LIMITS", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    guard: Option<Limits>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct PromptArgs {
    /// Prompt, as it is
    #[arg(long)]
    prompt: Option<String>,
    /// Question, put into the model's chat template
    #[arg(long)]
    chat: Option<String>,
    /// File with the prompt as it is
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// File with a JSON array of token ids
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
}

impl PromptArgs {
    fn read(&self, loaded: &Loaded, pictures: &PictureArgs) -> Result<Prompt, Failure> {
        let read = |path: &PathBuf| {
            fs::read_to_string(path).map_err(|e| Error::File { what: path.display().to_string(), why: e.to_string() })
        };
        if let Some(path) = &self.ids {
            let why = |e: serde_json::Error| Error::File {
                what: path.display().to_string(),
                why: format!("{e}; wants a JSON array of token ids, e.g. [1, 2, 3]"),
            };
            let ids: Vec<u32> = serde_json::from_str(&read(path)?).map_err(why)?;
            return Ok(ids.as_slice().into());
        }
        let rows = |text: &str| pictures.rows(text, loaded.model.config.width);
        let text = match (&self.prompt, &self.chat, &self.prompt_file) {
            (_, Some(question), _) => {
                let hint = |error| match error {
                    Error::Template(why) => Error::Template(format!("{why} (--prompt)")),
                    other => other,
                };
                loaded.chat().map_err(hint)?;
                let (question, rows) = rows(question)?;
                return Ok(loaded.chat_prompt(&[ChatMessage::new("user", question)], &rows)?);
            }
            (_, _, Some(path)) => read(path)?,
            (prompt, ..) => prompt.clone().unwrap_or_default(),
        };
        let (text, rows) = rows(&text)?;
        Ok(loaded.prompt(&text, true, true, &rows)?)
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let loaded = args.model.load()?;
    let prompt = args.prompt.read(&loaded, &args.pictures)?;
    let (length, begin) = (prompt.len(), loaded.tokenizer.encode(&args.begin, false)?);
    let (mut engine, agreed) = args.model.engine(&loaded)?;
    let eos = if args.ignore_eos { Vec::new() } else { loaded.tokenizer.eos().to_vec() };
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, seed: args.seed };
    engine.start(
        prompt,
        Options {
            max_tokens: args.max_tokens,
            sampling,
            logits: false,
            eos,
            shadow: args.shadow,
            guard: args.guard,
            ..Options::default()
        },
    )?;

    let bar = ProgressBar::new(1).with_style(
        ProgressStyle::with_template("reading the prompt {bar:32} {percent}%")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (mut text, mut steps, mut ids) = (Detokenizer::default(), Vec::new(), Vec::new());
    let (mut answer, mut watched) = (String::new(), Watched::default());
    let begun = Instant::now();
    let mut first = None;
    loop {
        match engine.advance()? {
            Progress::Done => break,
            Progress::Working if first.is_none() => {
                let (done, total) = engine.progress();
                bar.set_length(total.into());
                bar.set_position(done.into());
            }
            Progress::Working | Progress::Waiting | Progress::Exchange => {}
            Progress::Step(step) => {
                first.get_or_insert_with(Instant::now);
                bar.finish_and_clear();
                let id = begin.get(ids.len()).copied().unwrap_or(step.id);
                if id != step.id {
                    engine.choose(id)?;
                }
                let piece =
                    if loaded.tokenizer.is_control(id) { String::new() } else { text.push(loaded.tokenizer.piece(id)) };
                if !args.json {
                    write!(out, "{piece}")?;
                    out.flush()?;
                }
                answer.push_str(&piece);
                ids.push(id);
                steps.push(counts(&step, engine.model()));
                engine.tracer().take(|block| watched.take(block));
            }
        }
    }
    let tail = text.flush();
    answer.push_str(&tail);
    let (prefilled, ended) = (first.unwrap_or(begun), Instant::now());
    let prefill_tps = f64::from(length) / (prefilled - begun).as_secs_f64();
    let decoded = ids.len().saturating_sub(1);
    let decode_tps = (decoded > 0).then(|| decoded as f64 / (ended - prefilled).as_secs_f64());
    if args.json {
        let all = serde_json::json!({ "method": args.model.spec(&loaded.model.config)?, "ids": ids, "text": answer, "steps": steps, "prefill_tps": prefill_tps, "decode_tps": decode_tps, "missed": watched.missed(), "guard": watched.trips });
        writeln!(out, "{all}")?;
    } else {
        writeln!(out, "{tail}")?;
        let kept = engine.kept();
        eprintln!(
            "{}: {} prompt tokens at {prefill_tps:.1}/s, {decoded} decoded at {:.1}/s; KV cache {:.1} MB",
            args.model.spec(&loaded.model.config)?,
            length,
            decode_tps.unwrap_or(0.0),
            kept.bytes as f64 / 1e6
        );
        if let Some(agreed) = agreed {
            eprintln!("CPU and GPU: all {} operations agreed", agreed());
        }
        if let Some([recall, error]) = watched.missed() {
            eprintln!("sparse reads: {:.1} % of the attention, output off by {:.1} %", 100.0 * recall, 100.0 * error);
        }
        for (step, monitor, value, limit) in &watched.trips {
            eprintln!("guard, after {step} tokens: {monitor} {value} is past {limit}; the safe path from there on");
        }
    }
    Ok(())
}

/// What shadow evaluation and the guard left in the trace.
#[derive(Default)]
struct Watched {
    /// Sums of recall and error, and of how many.
    sums: [f64; 2],
    heads: u32,
    /// Tokens generated before, monitor, what it saw and its limit.
    trips: Vec<(u32, &'static str, f32, f32)>,
}

impl Watched {
    fn take(&mut self, block: &[u8]) {
        for r in records(block) {
            let [a, b] = [r.a, r.b].map(f32::from_bits);
            if r.kind == Kind::Shadow as u8 {
                self.sums = [self.sums[0] + f64::from(a), self.sums[1] + f64::from(b)];
                self.heads += 1;
            } else if r.kind == Kind::Guard as u8 {
                let monitor = Monitor::ALL.get(usize::from(r.aux)).map_or("", |monitor| monitor.name());
                self.trips.push((r.step, monitor, a, b));
            }
        }
    }

    /// Mean recall and error.
    fn missed(&self) -> Option<[f64; 2]> {
        (self.heads > 0).then(|| self.sums.map(|sum| sum / f64::from(self.heads)))
    }
}

fn counts(step: &Step, model: &attnscope::model::Model) -> serde_json::Value {
    let c = &model.config;
    serde_json::json!({
        "read": step.kept.rows_read as f64 / f64::from(c.layers * c.query_heads),
        "kept": step.kept.rows as f64 / f64::from(c.layers * c.kv_heads),
        "kv_bytes": step.kept.bytes,
    })
}
