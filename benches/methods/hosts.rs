//! Star Attention on several hosts, each a thread, against full attention on one: time on the clock, for hosts work at once.

use super::measure::{Size, median, prompt, work};
use attnscope::{
    Result,
    cache::Store,
    cluster::Cluster,
    engine::{Engine, Options, Prompt},
    kernels::Precision,
    loader::Loaded,
    methods::{Plan, Rule, Value},
};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Star Attention on hosts of its own.
struct Hosts {
    /// What the table calls it.
    name: &'static str,
    /// How many.
    hosts: u32,
    /// Parameters that are not at their default.
    params: &'static [(&'static str, u32)],
}

/// All of them. An anchor as long as a block, as published, has the second of two hosts compute three quarters of the text.
const HOSTS: &[Hosts] = &[
    Hosts { name: "star_attention, 1 host", hosts: 1, params: &[] },
    Hosts { name: "star_attention, 2 hosts", hosts: 2, params: &[] },
    Hosts { name: "the same, anchor 256", hosts: 2, params: &[("anchor_size", 256)] },
];

/// What was measured of an arrangement of hosts; medians.
#[derive(Serialize)]
pub struct Measured {
    name: &'static str,
    /// Always `"hosts"`.
    phase: &'static str,
    context: u32,
    hosts: u32,
    prefill: Prefill,
    decode: Decode,
}

/// From the start to the first token.
#[derive(Serialize)]
struct Prefill {
    seconds: f64,
    /// Multiply-adds of the host that has most to do.
    work: u64,
}

/// A token after it.
#[derive(Serialize)]
struct Decode {
    seconds: f64,
    /// Sent by all hosts.
    exchanged: f64,
}

/// Who makes the tokens.
enum Worker {
    One(Box<Engine>),
    Several(Cluster),
}

impl Worker {
    fn start(&mut self, prompt: &Prompt, options: &Options) -> Result<()> {
        match self {
            Worker::One(engine) => engine.start(prompt.clone(), options.clone()),
            Worker::Several(cluster) => cluster.start(prompt, options),
        }
    }

    fn step(&mut self) -> Result<()> {
        match self {
            Worker::One(engine) => engine.next_step().map(drop),
            Worker::Several(cluster) => cluster.step().map(drop),
        }
    }

    fn exchanged(&self) -> u64 {
        match self {
            Worker::One(_) => 0,
            Worker::Several(cluster) => cluster.exchanged(),
        }
    }
}

/// Measures full attention and every arrangement of [`HOSTS`] on a prompt of one length.
///
/// # Errors
/// From the engines.
pub fn measure(loaded: &Arc<Loaded>, size: Size, mut progress: impl FnMut(&str, u32, u32)) -> Result<Vec<Measured>> {
    let prompt = Prompt::from(&prompt(loaded, size.context)?);
    let full = loaded.engine("full", &[], None, Store::F16)?;
    let alone = work(loaded, u64::from(size.context), pairs(0, size.context));
    let mut all = vec![("full", 1, alone, Worker::One(Box::new(full)))];
    for setting in HOSTS {
        let given = |(name, value): &(&str, u32)| ((*name).to_owned(), Value::Number((*value).into()));
        let given: Vec<_> = setting.params.iter().map(given).collect();
        let plan = Rule::given(&given, &loaded.shape())?.plan(prompt.len(), &prompt.rounds(), setting.hosts)?;
        let loaded_ = loaded.clone();
        let build = move |host| loaded_.engine_for(plan.method(host), None, Store::F16, Precision::Fast);
        let cluster = Cluster::new(setting.hosts, Duration::from_secs(600), build)?;
        let most = (0..setting.hosts).map(|host| of_host(loaded, plan, host, size.context)).max().unwrap_or(0);
        all.push((setting.name, setting.hosts, most, Worker::Several(cluster)));
    }
    let options = Options { max_tokens: size.turns * size.tokens + 1, ..Options::default() };
    let mut prefills: Vec<Vec<f64>> = all.iter().map(|_| Vec::new()).collect();
    let mut turns = prefills.clone();
    for turn in 0..size.prefills.max(1) {
        for ((name, _, _, worker), done) in all.iter_mut().zip(&mut prefills) {
            progress(&format!("{name} reads {} tokens", size.context), turn, size.prefills.max(1));
            let begun = Instant::now();
            worker.start(&prompt, &options)?;
            worker.step()?;
            done.push(begun.elapsed().as_secs_f64());
        }
    }
    let before: Vec<u64> = all.iter().map(|one| one.3.exchanged()).collect();
    for turn in 0..size.turns {
        progress("making tokens, by hosts", turn, size.turns);
        for ((.., worker), done) in all.iter_mut().zip(&mut turns) {
            let begun = Instant::now();
            (0..size.tokens).try_for_each(|_| worker.step())?;
            done.push(begun.elapsed().as_secs_f64() / f64::from(size.tokens));
        }
    }
    let rows = all.iter().zip(before).zip(prefills.into_iter().zip(turns));
    let made = f64::from(size.turns * size.tokens);
    Ok(rows
        .map(|(((name, hosts, work, worker), before), (prefills, turns))| Measured {
            name,
            phase: "hosts",
            context: size.context,
            hosts: *hosts,
            prefill: Prefill { seconds: median(prefills.into_iter()), work: *work },
            decode: Decode {
                seconds: median(turns.into_iter()),
                exchanged: (worker.exchanged() - before) as f64 / made,
            },
        })
        .collect())
}

/// Multiply-adds of one host: the anchor, its blocks, and the question over its share.
fn of_host(loaded: &Loaded, plan: Plan, host: u32, context: u32) -> u64 {
    let share = plan.share(host);
    let question = context - plan.context;
    let anchor = if share.start == 0 { 0 } else { plan.anchor };
    let kept = share.end - share.start;
    let mut seen = pairs(0, anchor) + u64::from(question) * u64::from(kept) + pairs(0, question);
    for start in share.step_by(plan.block as usize) {
        seen += pairs(plan.anchor.min(start), plan.block.min(plan.context - start));
    }
    work(loaded, u64::from(anchor + kept + question), seen)
}

/// Pairs of `rows` queries with the `before` keys before them and, causally, their own.
fn pairs(before: u32, rows: u32) -> u64 {
    let (before, rows) = (u64::from(before), u64::from(rows));
    rows * before + rows * (rows + 1) / 2
}
