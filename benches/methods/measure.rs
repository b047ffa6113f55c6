//! How it is measured: every method reads the same prompt; then they take turns at making tokens, so that a machine that
//! slows down slows all of them.

use super::settings::{Phase, Setting};
use attnscope::{
    Error, Result,
    cache::Store,
    engine::{Engine, Options, Progress},
    loader::Loaded,
    methods::{self, Value},
    model::Config,
    trace::{Detail, Kind, records},
};
use serde::Serialize;

/// A text that does not repeat itself, longer than the longest prompt as a rule: these are documents of this project.
const TEXT: [&str; 8] = [
    include_str!("../../README.md"),
    include_str!("../../docs/architecture.md"),
    include_str!("../../docs/adding-a-method.md"),
    include_str!("../../docs/adding-a-kernel.md"),
    include_str!("../../docs/numerics.md"),
    include_str!("../../docs/dependencies.md"),
    include_str!("../../CHANGELOG.md"),
    include_str!("../../LICENSE-APACHE"),
];

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Size {
    /// Tokens of the prompt.
    pub context: u32,
    /// Times a prompt is read.
    pub prefills: u32,
    /// Turns of each method.
    pub turns: u32,
    /// Tokens of a turn.
    pub tokens: u32,
}

/// What was measured of a method; medians over prefills or turns.
#[derive(Serialize)]
pub struct Measured {
    name: &'static str,
    method: &'static str,
    params: String,
    /// `"base"`, `"prefill"` or `"decode"`: what it makes faster.
    phase: &'static str,
    context: u32,
    prefill: Prefill,
    decode: Option<Decode>,
    /// Bytes of the model's weights.
    weight_bytes: u64,
}

/// Reading the prompt.
#[derive(Clone, Serialize)]
struct Prefill {
    /// From the start to the first token.
    seconds: f64,
    attention_seconds: f64,
    /// Multiply-adds of the weights.
    weight_work: u64,
    /// Multiply-adds of attention over all that is visible.
    attention_work: u64,
    /// Share of them that was done.
    density: f64,
}

/// Making tokens after it.
#[derive(Serialize)]
struct Decode {
    /// Per token.
    seconds: f64,
    /// Per token.
    attention_seconds: f64,
    /// Times the weights were read, per token.
    passes: f64,
    /// Bytes of keys and values read, per token.
    kv_bytes: f64,
}

/// One turn.
#[derive(Default)]
struct Turn {
    seconds: f64,
    attention_seconds: f64,
    passes: u32,
    kv_bytes: u64,
}

/// Measures some settings on prompts of one length. `clock` counts seconds; `progress` is told what runs, how much of
/// it is done and how much there is.
///
/// # Errors
/// From the engine.
pub fn measure(
    loaded: &Loaded,
    settings: &[&Setting],
    size: Size,
    clock: fn() -> f64,
    mut progress: impl FnMut(&str, u32, u32),
) -> Result<Vec<Measured>> {
    let prompt = prompt(loaded, size.context)?;
    let mut engines = settings.iter().map(|s| engine(loaded, s, size.context)).collect::<Result<Vec<_>>>()?;
    let mut prefills: Vec<Vec<Prefill>> = settings.iter().map(|_| Vec::new()).collect();
    for _ in 0..size.prefills.max(1) {
        for ((engine, setting), done) in engines.iter_mut().zip(settings).zip(&mut prefills) {
            engine.time_attention(clock);
            let what = format!("{} reads {} tokens", setting.name, size.context);
            done.push(prefill(engine, setting, &prompt, size, clock, |done, total| progress(&what, done, total))?);
        }
    }
    let mut turns: Vec<Vec<Turn>> = settings.iter().map(|_| Vec::new()).collect();
    // The first turn warms up.
    for turn in 0..=size.turns {
        progress("making tokens", turn, size.turns);
        for ((engine, setting), done) in engines.iter_mut().zip(settings).zip(&mut turns) {
            if setting.phase != Phase::Prefill {
                let made = decode(engine, size.tokens, clock)?;
                if turn > 0 {
                    done.push(made);
                }
            }
        }
    }
    let tokens = f64::from(size.tokens);
    let made = |turns: &[Turn]| {
        let mean = |of: fn(&Turn) -> f64| turns.iter().map(of).sum::<f64>() / turns.len() as f64 / tokens;
        (!turns.is_empty()).then(|| Decode {
            seconds: median(turns.iter().map(|t| t.seconds)) / tokens,
            attention_seconds: median(turns.iter().map(|t| t.attention_seconds)) / tokens,
            passes: mean(|t| f64::from(t.passes)),
            kv_bytes: mean(|t| t.kv_bytes as f64),
        })
    };
    let rows = settings.iter().zip(prefills).zip(turns);
    Ok(rows
        .map(|((setting, prefills), turns)| Measured {
            name: setting.name,
            method: setting.method,
            params: (setting.params)(size.context),
            phase: match setting.phase {
                Phase::Base => "base",
                Phase::Prefill => "prefill",
                Phase::Decode => "decode",
            },
            context: size.context,
            prefill: Prefill {
                seconds: median(prefills.iter().map(|p| p.seconds)),
                attention_seconds: median(prefills.iter().map(|p| p.attention_seconds)),
                ..prefills[0].clone()
            },
            decode: made(&turns),
            weight_bytes: loaded.weights.bytes() as u64,
        })
        .collect())
}

/// A prompt of so many tokens.
///
/// # Errors
/// From the tokenizer.
pub fn prompt(loaded: &Loaded, tokens: u32) -> Result<Vec<u32>> {
    Ok(loaded.tokenizer.encode_prompt(&TEXT.concat())?.into_iter().cycle().take(tokens as usize).collect())
}

fn engine(loaded: &Loaded, setting: &Setting, context: u32) -> Result<Engine> {
    let row = methods::find(setting.method)?;
    let text = (setting.params)(context);
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let params: Vec<_> = pairs
        .map(|(name, value)| {
            let param = row.params.iter().find(|p| p.name == name);
            let value = param.map_or_else(|| Value::Word(value.to_owned()), |p| Value::parse(value, p));
            (name.to_owned(), value)
        })
        .collect();
    loaded.engine(setting.method, &params, None, Store::F16)
}

fn prefill(
    engine: &mut Engine,
    setting: &Setting,
    prompt: &[u32],
    size: Size,
    clock: fn() -> f64,
    mut progress: impl FnMut(u32, u32),
) -> Result<Prefill> {
    // What was read of a prompt is known from its trace alone.
    let trace = if setting.phase == Phase::Prefill { Detail::Sets } else { Detail::Totals };
    // A turn may end in the middle of a round of guesses.
    let max_tokens = (size.turns + 1) * size.tokens + 9;
    engine.start(prompt, Options { max_tokens, trace, ..Options::default() })?;
    let (begun, before) = (clock(), engine.attention_seconds());
    while matches!(engine.advance()?, Progress::Working) {
        let (done, total) = engine.progress();
        progress(done, total);
    }
    let (seconds, attention_seconds) = (clock() - begun, engine.attention_seconds() - before);
    let density = engine.tracer().take(density);
    let n = prompt.len() as u64;
    let [weight_work, attention_work] = works(&engine.model().config, n, n * (n + 1) / 2);
    Ok(Prefill { seconds, attention_seconds, weight_work, attention_work, density })
}

/// Multiply-adds of the weights for so many tokens of a prompt, and of attention over so many pairs.
fn works(c: &Config, tokens: u64, pairs: u64) -> [u64; 2] {
    let of_token = c.width * c.head_dim * (2 * c.query_heads + 2 * c.kv_heads) + 3 * c.width * c.hidden;
    let of_pair = 2 * c.query_heads * c.head_dim;
    let weights = tokens * u64::from(c.layers) * u64::from(of_token) + u64::from(c.width * c.vocabulary);
    [weights, pairs * u64::from(c.layers * of_pair)]
}

/// Both together.
pub fn work(loaded: &Loaded, tokens: u64, pairs: u64) -> u64 {
    works(&loaded.model.config, tokens, pairs).iter().sum()
}

/// Share of the causal block pairs that the heads read, by a trace; 1 when none was read by blocks.
fn density(trace: &[u8]) -> f64 {
    let (mut read, mut there) = (0, 0);
    for record in records(trace).filter(|r| r.kind == Kind::ReadBlocks as u8) {
        let blocks = u64::from(record.a >> 16);
        there += blocks * (blocks + 1) / 2;
        read += record.payload.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    }
    if there == 0 { 1.0 } else { read as f64 / there as f64 }
}

fn decode(engine: &mut Engine, tokens: u32, clock: fn() -> f64) -> Result<Turn> {
    let mut turn = Turn::default();
    let (begun, before) = (clock(), engine.attention_seconds());
    let mut made = 0;
    while made < tokens {
        let in_pass = engine.progress() != (0, 0);
        match engine.advance()? {
            Progress::Working | Progress::Waiting | Progress::Exchange => {}
            Progress::Step(_) => made += 1,
            Progress::Done => return Err(Error::State("the text ended before the measurement")),
        }
        if in_pass && engine.progress() == (0, 0) {
            turn.passes += 1;
            turn.kv_bytes += engine.kept().bytes_read;
            engine.tracer().take(|_| ());
        }
    }
    (turn.seconds, turn.attention_seconds) = (clock() - begun, engine.attention_seconds() - before);
    Ok(turn)
}

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
