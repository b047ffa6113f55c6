//! Star Attention on several hosts: the same text as on one, and an end in time when a host is lost.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    Error, Result,
    cache::Store,
    cluster::Cluster,
    engine::{Engine, Options, Prompt},
    kernels::Precision,
    loader::Loaded,
    method::{LayerCx, Select},
    methods::{Part, Rule, Spec, Value},
    ops::{Read, Tag},
};
use common::tiny;
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const CONTEXT: usize = 150;
const LIMIT: Duration = Duration::from_secs(20);

fn loaded() -> Arc<Loaded> {
    Arc::new(tiny::load())
}

fn given(block: f64) -> Vec<(String, Value)> {
    vec![("block_size".to_owned(), Value::Number(block)), ("anchor_size".to_owned(), Value::Number(8.0))]
}

/// A context and a question.
fn prompt() -> Prompt {
    let mut prompt = Prompt::default();
    prompt.append_ids(&tiny::prompt(CONTEXT), Tag::default());
    prompt.append_ids(&tiny::prompt(9), Tag { round: 1, picture: 0 });
    prompt
}

fn options(max_tokens: u32) -> Options {
    Options { max_tokens, ..Options::default() }
}

fn host(loaded: &Loaded, hosts: u32, number: u32) -> Result<Engine> {
    let (prompt, rule) = (prompt(), Rule::given(&given(20.0), &loaded.shape())?);
    loaded.engine_for(
        rule.plan(prompt.len(), &prompt.rounds(), hosts)?.method(number),
        None,
        Store::F32,
        Precision::Fast,
    )
}

fn cluster(hosts: u32, limit: Duration) -> Cluster {
    let loaded = loaded();
    Cluster::new(hosts, limit, move |number| host(&loaded, hosts, number)).unwrap()
}

fn all(cluster: &mut Cluster) -> Vec<u32> {
    std::iter::from_fn(|| cluster.step().unwrap()).map(|step| step.id).collect()
}

#[test]
fn any_number_of_hosts_gives_the_text_of_one_cache_over_two_turns() {
    let mut engine = loaded().engine("star_attention", &given(20.0), None, Store::F32).unwrap();
    let mut want = Vec::new();
    let mut rows = 0;
    for turn in 0..2 {
        match turn {
            0 => engine.start(prompt(), options(20)).unwrap(),
            _ => engine.extend(&[5, 6, 7], options(10)).unwrap(),
        }
        while let Some(step) = engine.next_step().unwrap() {
            want.push(step.id);
            rows = step.kept.rows;
        }
    }
    for hosts in 1..=3 {
        let mut cluster = cluster(hosts, LIMIT);
        cluster.start(&prompt(), &options(20)).unwrap();
        let mut got = all(&mut cluster);
        cluster.extend(&Prompt::from(&[5, 6, 7]), &options(10)).unwrap();
        let mut kept = 0;
        while let Some(step) = cluster.step().unwrap() {
            got.push(step.id);
            kept = step.kept.rows;
        }
        assert_eq!(got, want, "{hosts} hosts");
        assert_eq!(kept, rows, "{hosts} hosts keep every row once");
        // A layer and token: outputs and log-sum-exps of every host; 9 + 19 rows of the first turn, 1 + 3 + 9 of the second.
        let part = 4 * (tiny::QUERY_HEADS * tiny::HEAD_DIM + tiny::QUERY_HEADS);
        let sent = u64::from(hosts * tiny::LAYERS * part * (9 + 19 + 1 + 3 + 9));
        assert!(cluster.exchanged() <= sent && cluster.exchanged() > sent / 2, "{} of {sent}", cluster.exchanged());
    }
}

/// Behaves until it decodes.
struct Until<F>(F);

impl<F: FnMut() + 'static> Select for Until<F> {
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        if cx.site.rows == 1 {
            (self.0)();
        }
        Ok(Read::All)
    }
}

fn lost(limit: Duration, what: fn()) -> (Error, Duration) {
    let loaded = loaded();
    let build = move |number| {
        let (prompt, rule) = (prompt(), Rule::given(&given(20.0), &loaded.shape())?);
        let mut method = rule.plan(prompt.len(), &prompt.rounds(), 3)?.method(number);
        if number == 1 {
            method.select = Box::new(Until(what));
        }
        loaded.engine_for(method, None, Store::F32, Precision::Fast)
    };
    let mut cluster = Cluster::new(3, limit, build).unwrap();
    cluster.start(&prompt(), &options(20)).unwrap();
    let begun = Instant::now();
    let error = loop {
        match cluster.step() {
            Ok(step) => assert!(step.is_some(), "the run ended as if nothing had happened"),
            Err(error) => break error,
        }
    };
    let took = begun.elapsed();
    assert_eq!(cluster.step().unwrap_err().code(), "state", "a cluster that lost a host does not go on");
    (error, took)
}

#[test]
fn a_host_that_dies_or_hangs_ends_the_run_in_time() {
    // A thread that dies first writes where, which may take a while on a busy machine.
    let (error, _) = lost(LIMIT, || panic!("the host dies, as this test wants"));
    assert_eq!(error.to_string(), "host 1 is lost: it has ended");
    let (error, took) = lost(Duration::from_secs(2), || thread::sleep(LIMIT * 2));
    assert_eq!(error.to_string(), "host 1 is lost: no answer for 2.0 s");
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn a_host_that_hangs_while_it_is_built_ends_the_run_too() {
    let loaded = loaded();
    let build = move |number| {
        if number == 1 {
            thread::sleep(LIMIT * 2);
        }
        host(&loaded, 3, number)
    };
    let mut cluster = Cluster::new(3, Duration::from_secs(2), build).unwrap();
    let error = cluster.start(&prompt(), &options(2)).unwrap_err();
    assert_eq!(error.to_string(), "host 1 is lost: no answer for 2.0 s");
    assert_eq!(cluster.start(&prompt(), &options(2)).unwrap_err().code(), "state");
}

#[test]
fn more_hosts_than_blocks_are_refused() {
    let error = host(&loaded(), 9, 0).err().unwrap();
    assert!(
        error.to_string().contains("hosts = 9 is out of range; allowed: 1 to 8, the blocks of 20 tokens"),
        "{error}"
    );
}

#[test]
fn the_real_model_writes_the_same_on_one_cache_and_on_hosts() {
    let loaded = Arc::new(common::load_model());
    let text = std::fs::read_to_string("docs/evaluation/texts/sherlock.txt").unwrap();
    let ids = &loaded.tokenizer.encode_prompt(&text).unwrap()[..400];
    let star = || Part::new("star_attention", &[]);
    // Exact: the order of a sum moves no rounding of an activation, so that near-ties of two tokens stay what they are.
    let spec = Spec::Method(star());
    let mut engine = loaded.compose(&spec, None, Store::F32, Precision::Exact).unwrap();
    engine.start(ids, options(16)).unwrap();
    let mut want = Vec::new();
    while let Some(step) = engine.next_step().unwrap() {
        want.push(step.id);
    }
    for hosts in 2..=3 {
        let (loaded, prompt) = (loaded.clone(), Prompt::from(ids));
        let (rounds, length) = (prompt.rounds(), prompt.len());
        let build = move |number| {
            let given: Vec<_> = star().params.into_iter().collect();
            let plan = Rule::given(&given, &loaded.shape())?.plan(length, &rounds, hosts)?;
            loaded.engine_for(plan.method(number), None, Store::F32, Precision::Exact)
        };
        let mut cluster = Cluster::new(hosts, LIMIT, build).unwrap();
        cluster.start(&prompt, &options(16)).unwrap();
        assert_eq!(all(&mut cluster), want, "{hosts} hosts");
    }
}
