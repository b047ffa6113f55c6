//! `attnscope calibrate`: the layer at which TidalDecode selects again, by what each candidate loses against full
//! attention on given texts and in answers to given questions, and the watershed layer of Round Attention, by conversations.

use crate::{Failure, model::FileArgs};
use attnscope::{
    Error,
    cache::Store,
    calibrate::{RoundMass, round_masses, shares, similarity, watershed},
    chat::ChatMessage,
    engine::{Engine, Options},
    kernels::Precision,
    loader::Loaded,
    methods::{Spec, Value},
    metrics,
    trace::Detail,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "Examples:
  attnscope calibrate --model smollm2.gguf --text prose.txt --questions data/calibration/questions.json --out profile.json
  attnscope calibrate --model smollm2.gguf --chats data/calibration/chats.json
  attnscope generate --model smollm2.gguf --profile profile.json --prompt 'The sea is' --method tidal_decode

Give texts and questions: the layer that is best for prose need not find what was said long ago, and the other way round.
A file of questions is a JSON array of {\"prompt\", \"answer\"}. A file of conversations is a JSON array of arrays of
{\"role\", \"content\"}, each ending with a question.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    file: FileArgs,
    /// Text to decode with each candidate layer; may be given several times
    #[arg(long, value_name = "FILE")]
    text: Vec<PathBuf>,
    /// Tokens of a text that are read before
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    prompt_tokens: u32,
    /// Tokens of a text that are compared
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// Questions about long texts, with their answers
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Conversations with several rounds
    #[arg(long, value_name = "FILE")]
    chats: Option<PathBuf>,
    /// Least cosine between the rounds' shares at the watershed and at every layer above
    #[arg(long, default_value_t = 0.9)]
    similarity: f32,
    /// Where the profile goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.text.is_empty() && args.questions.is_none() && args.chats.is_none() {
        let allowed = "at least one of --text FILE, --questions FILE and --chats FILE".to_owned();
        let name = "--text".to_owned();
        return Err(Error::Param { name, got: "none".to_owned(), allowed }.into());
    }
    let loaded = args.file.load()?;
    let mut profile = loaded.profile.clone();
    let mut put = |method: &str, param: &str, value: Value| {
        profile.params.entry(method.to_owned()).or_default().insert(param.to_owned(), value);
    };
    let samples = samples(&loaded, args)?;
    if !samples.is_empty() {
        let layer = reselection(&loaded, &samples)?;
        put("tidal_decode", "reselect_layers", Value::List(vec![layer.into()]));
    }
    if let Some(path) = &args.chats {
        put("round_attention", "watershed_layer", Value::Number(watershed_of(&loaded, path, args.similarity)?.into()));
    }
    let text = serde_json::to_string_pretty(&profile).map_err(io::Error::from)?;
    match &args.out {
        Some(path) => {
            let fail = |e: io::Error| Error::File { what: path.display().to_string(), why: e.to_string() };
            fs::write(path, text + "\n").map_err(fail)?;
        }
        None => writeln!(io::stdout().lock(), "{text}")?,
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|e| Error::File { what: path.display().to_string(), why: e.to_string() })
}

fn bar(length: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{what} {{bar:32}} {{pos}}/{{len}}, {{eta}} left"));
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What is read, and the tokens after it that are compared.
struct Sample {
    prompt: Vec<u32>,
    answer: Vec<u32>,
}

/// The texts and the questions.
fn samples(loaded: &Loaded, args: &Args) -> Result<Vec<Sample>, Failure> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Question {
        prompt: String,
        answer: String,
    }
    let wrong = |path: &Path, why: String| Error::File { what: path.display().to_string(), why };
    let encode = |text: &str| loaded.tokenizer.encode_prompt(text);
    let mut all = Vec::new();
    for path in &args.text {
        let (mut prompt, wanted) = (encode(&read(path)?)?, args.prompt_tokens.saturating_add(args.tokens) as usize);
        if prompt.len() < wanted {
            let why = format!("{} tokens, {wanted} are needed (--prompt-tokens, --tokens)", prompt.len());
            return Err(wrong(path, why).into());
        }
        prompt.truncate(wanted);
        let answer = prompt.split_off(args.prompt_tokens as usize);
        all.push(Sample { prompt, answer });
    }
    if let Some(path) = &args.questions {
        let questions: Vec<Question> = serde_json::from_str(&read(path)?).map_err(|e| wrong(path, e.to_string()))?;
        for Question { prompt, answer } in questions {
            let mut answer = encode(&format!("{prompt}{answer}"))?;
            let prompt = encode(&prompt)?;
            if !answer.starts_with(&prompt) || answer.len() == prompt.len() {
                return Err(wrong(path, "an answer does not begin with a token of its own".to_owned()).into());
            }
            all.push(Sample { answer: answer.split_off(prompt.len()), prompt });
        }
    }
    Ok(all)
}

/// Logits before each token of a sample's answer, the right ones being fed.
fn logits(mut engine: Engine, Sample { prompt, answer }: &Sample) -> Result<Vec<Vec<f32>>, Error> {
    engine.start(prompt, Options { max_tokens: answer.len() as u32, ..Options::default() })?;
    let mut all = Vec::new();
    for &id in answer {
        engine.next_step()?;
        engine.tracer().take(|_| ());
        all.push(engine.logits()?.to_vec());
        engine.choose(id)?;
    }
    Ok(all)
}

/// The layer that loses least where it loses most: by the greatest of the samples' mean KL. A mean over samples would
/// let a layer that is perfect for questions be poor for prose, or the other way round.
fn reselection(loaded: &Loaded, samples: &[Sample]) -> Result<u32, Failure> {
    let (first, end) = (3, loaded.model.config.layers);
    if end <= first {
        return Err(Error::State("only a model with more than 3 layers selects a second time").into());
    }
    let bar = bar(samples.len() as u64 * u64::from(end - first + 1), "trying layers");
    let mut lost = vec![Vec::new(); end as usize];
    for sample in samples {
        let run = |method: &str, given: &[(String, Value)]| {
            logits(loaded.compose(&Spec::method(method, given), None, Store::F16, Precision::Exact)?, sample)
        };
        let full = run("full", &[])?;
        bar.inc(1);
        for layer in first..end {
            let given = [
                ("reselect_layers".to_owned(), Value::List(vec![layer.into()])),
                ("share".to_owned(), Value::Word("all_heads".to_owned())),
                ("top_k".to_owned(), Value::Number((sample.prompt.len() / 8).max(1) as f64)),
            ];
            let own = run("tidal_decode", &given)?;
            let sum: f64 = full.iter().zip(&own).map(|(f, c)| metrics::kl(f, c)).sum();
            let mean = sum / full.len() as f64;
            lost[layer as usize].push(if mean.is_finite() { mean } else { f64::INFINITY });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let most = |layer: u32| lost[layer as usize].iter().copied().fold(0.0, f64::max);
    let mut err = io::stderr().lock();
    for layer in first..end {
        let each: Vec<String> = lost[layer as usize].iter().map(|kl| format!("{kl:.4}")).collect();
        writeln!(err, "layer {layer:2}: KL at most {:.4} ({})", most(layer), each.join(", "))?;
    }
    Ok((first..end).min_by(|&a, &b| most(a).total_cmp(&most(b))).unwrap_or(first))
}

/// The median of the conversations' watersheds. A system prompt is no round: its first token draws attention everywhere.
fn watershed_of(loaded: &Loaded, path: &Path, threshold: f32) -> Result<u32, Failure> {
    let wrong = |why: String| Error::File { what: path.display().to_string(), why };
    let chats: Vec<Vec<ChatMessage>> = serde_json::from_str(&read(path)?).map_err(|e| wrong(e.to_string()))?;
    let layers = loaded.model.config.layers;
    let mut found = Vec::new();
    let bar = bar(chats.len() as u64, "reading conversations");
    for chat in &chats {
        let prompt = loaded.chat_prompt(chat, &[])?;
        let question = prompt.rounds().last().copied().unwrap_or(0);
        // The rounds before in one piece, so that the newest pass is the question.
        let mut engine = loaded.engine_for(RoundMass::default().method(), None, Store::F16, Precision::Exact)?;
        let (before, asked) = prompt.split(question);
        engine.start(before, Options { max_tokens: 1, ..Options::default() })?;
        while engine.next_step()?.is_some() {}
        engine.tracer().take(|_| ());
        engine.extend(asked, Options { max_tokens: 1, trace: Detail::Sets, ..Options::default() })?;
        while engine.next_step()?.is_some() {}
        let mut masses = engine.tracer().take(|block| round_masses(block, layers));
        if chat.first().is_some_and(|message| message.role == "system") {
            masses.iter_mut().for_each(|layer| drop(layer.drain(..1.min(layer.len()))));
        }
        if masses.iter().any(|layer| layer.len() < 2) {
            return Err(wrong("a conversation needs at least two rounds before its last question".to_owned()).into());
        }
        found.push(watershed(&similarity(&shares(&masses)), threshold));
        bar.inc(1);
    }
    bar.finish_and_clear();
    writeln!(io::stderr().lock(), "watershed layers: {found:?}")?;
    found.sort_unstable();
    found.get(found.len() / 2).copied().ok_or_else(|| wrong("there is no conversation".to_owned()).into())
}
