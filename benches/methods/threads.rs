//! Hosts as threads: time on the clock, for they work at once.

use super::{
    hosts::{arrangements, plan},
    measure::{Size, median, prompt},
};
use attnscope::{
    Result,
    cache::Store,
    cluster::Cluster,
    engine::{Engine, Options, Prompt},
    kernels::Precision,
    loader::Loaded,
};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

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

/// Measures every arrangement on a prompt of one length.
///
/// # Errors
/// From the engines.
pub fn measure(loaded: &Arc<Loaded>, size: Size, mut progress: impl FnMut(&str, u32, u32)) -> Result<Vec<Measured>> {
    let prompt = Prompt::from(&prompt(loaded, size.context)?);
    let mut all = Vec::new();
    for one in arrangements(loaded, size.context)? {
        let worker = if one.method == "full" {
            Worker::One(Box::new(loaded.engine("full", &[], None, Store::F16)?))
        } else {
            let (loaded, plan) = (loaded.clone(), plan(loaded, &one, size.context)?);
            let build = move |host| loaded.engine_for(plan.method(host), None, Store::F16, Precision::Fast);
            Worker::Several(Cluster::new(one.hosts, Duration::from_secs(600), build)?)
        };
        all.push((one, worker));
    }
    // The first turn warms up.
    let options = Options { max_tokens: (size.turns + 1) * size.tokens + 1, ..Options::default() };
    let mut prefills: Vec<Vec<f64>> = all.iter().map(|_| Vec::new()).collect();
    let mut turns = prefills.clone();
    for turn in 0..size.prefills.max(1) {
        for ((one, worker), done) in all.iter_mut().zip(&mut prefills) {
            progress(&format!("{} reads {} tokens", one.name, size.context), turn, size.prefills.max(1));
            let begun = Instant::now();
            worker.start(&prompt, &options)?;
            worker.step()?;
            done.push(begun.elapsed().as_secs_f64());
        }
    }
    let before: Vec<u64> = all.iter().map(|(_, worker)| worker.exchanged()).collect();
    for turn in 0..=size.turns {
        progress("making tokens, by hosts", turn, size.turns);
        for ((_, worker), done) in all.iter_mut().zip(&mut turns) {
            let begun = Instant::now();
            (0..size.tokens).try_for_each(|_| worker.step())?;
            if turn > 0 {
                done.push(begun.elapsed().as_secs_f64() / f64::from(size.tokens));
            }
        }
    }
    let rows = all.iter().zip(before).zip(prefills.into_iter().zip(turns));
    let made = f64::from((size.turns + 1) * size.tokens);
    Ok(rows
        .map(|(((one, worker), before), (prefills, turns))| Measured {
            name: one.name,
            phase: "hosts",
            context: size.context,
            hosts: one.hosts,
            prefill: Prefill { seconds: median(prefills.into_iter()), work: one.work },
            decode: Decode {
                seconds: median(turns.into_iter()),
                exchanged: (worker.exchanged() - before) as f64 / made,
            },
        })
        .collect())
}
