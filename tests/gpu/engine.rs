//! Whole runs of a tiny model on both back ends: ids, logits, traces, counters.

use attnscope::{
    Error, Result,
    backend::paired::same_records,
    cache::Store,
    engine::{Engine, Options},
    kernels::Precision,
    loader::{Loaded, OnDevice},
    methods::{REGISTRY, Spec, Value, find},
    trace::{Detail, Kind, records},
};

use super::{
    common::{
        rows::{Variant, budgets},
        tiny,
    },
    gpu,
};

/// What a run gave.
struct Ran {
    ids: Vec<u32>,
    trace: Vec<u8>,
    logits: Vec<Vec<f32>>,
    /// The token of each step, whichever was taken.
    proposed: Vec<u32>,
}

/// Runs along `forced` ids, where there are any, so that a near-tie parts nothing.
fn run(engine: Engine, prompt: &[u32], turns: &[u32], shadow: u32, forced: Option<&[u32]>) -> Result<Ran> {
    run_traced(engine, Detail::Weights, prompt, turns, shadow, forced)
}

fn run_traced(
    mut engine: Engine,
    detail: Detail,
    prompt: &[u32],
    turns: &[u32],
    shadow: u32,
    forced: Option<&[u32]>,
) -> Result<Ran> {
    let (mut trace, mut logits, mut proposed) = (Vec::new(), Vec::new(), Vec::new());
    for (turn, &max_tokens) in turns.iter().enumerate() {
        let options = Options { max_tokens, shadow, trace: detail, ..Options::default() };
        if turn == 0 {
            engine.start(prompt, options)?
        } else {
            engine.extend(&tiny::prompt(40)[20..], options)?
        }
        while let Some(step) = engine.next_step()? {
            logits.push(engine.logits()?.to_vec());
            proposed.push(step.id);
            engine.choose(forced.map_or(step.id, |forced| forced[step.position as usize]))?;
            engine.tracer().take(|bytes| trace.extend_from_slice(bytes));
        }
    }
    Ok(Ran { ids: engine.ids().to_vec(), trace, logits, proposed })
}

/// Runs a method on both, so many tokens a turn, and compares; fails where the device refuses something.
fn compare(
    loaded: &Loaded,
    on: &OnDevice,
    name: &str,
    spec: &Spec,
    prompt: usize,
    turns: &[u32],
    shadow: u32,
) -> Result<()> {
    let prompt = tiny::prompt(prompt);
    let cpu =
        run(loaded.compose(spec, None, Store::F16, Precision::Exact).unwrap(), &prompt, turns, shadow, None).unwrap();
    let gpu = run(loaded.compose_on(on, spec, None)?, &prompt, turns, shadow, Some(&cpu.ids))?;
    for (step, (a, b)) in cpu.logits.iter().zip(&gpu.logits).enumerate() {
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 2e-2, "{name}, step {step}: logits differ by {off}");
    }
    assert_eq!(cpu.logits.len(), gpu.logits.len(), "{name}: steps");
    for (step, (&own, &theirs)) in cpu.proposed.iter().zip(&gpu.proposed).enumerate() {
        // Another token is a near-tie on the CPU too: twice what logits may differ by.
        let apart = cpu.logits[step][own as usize] - cpu.logits[step][theirs as usize];
        assert!(apart < 4e-2, "{name}, step {step}: {theirs}, not {own}, whose logits are {apart} apart");
    }
    same_records(&cpu.trace, &gpu.trace).unwrap_or_else(|why| panic!("{name}: {why}"));
    Ok(())
}

/// What a sparse read missed, every other token: by lists, by a window, over one plane, of rounded rows.
#[test]
fn shadows_as_on_the_cpu() {
    let Some(gpu) = gpu("shadow evaluation") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&gpu, &loaded).unwrap();
    let word = |name: &str, word: &str| (name.to_owned(), Value::Word(word.to_owned()));
    let number = |name: &str, number: f64| (name.to_owned(), Value::Number(number));
    for (name, given) in [
        ("tidal_decode", vec![number("top_k", 12.0), word("share", "all_heads")]),
        ("tidal_decode", vec![number("top_k", 12.0)]),
        ("tidal_decode", vec![word("variant", "sketch")]),
        ("quest", vec![number("budget", 32.0)]),
        ("h2o", vec![number("heavy", 8.0), number("recent", 8.0), word("compat", "masked_simulation")]),
        // Of very short groups the noise hangs on which way the device rounds a row to f16.
        ("quant_spec", vec![number("group_tokens", 16.0)]),
        ("quant_spec", vec![word("variant", "sketch"), word("reads", "quantised")]),
        ("round_attention", vec![]),
    ] {
        let spec = Spec::method(name, &given);
        let run = |shadow| compare(&loaded, &on, &format!("{spec}, shadow"), &spec, 90, &[6, 3], shadow);
        run(2).unwrap_or_else(|why| panic!("{spec}: {why}"));
    }
}

/// Every choice and switch of every method, the sketches too. What the device refuses is said.
#[test]
fn variants_as_on_the_cpu() {
    let Some(gpu) = gpu("whole runs of variants") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&gpu, &loaded).unwrap();
    let (mut refused, mut agreed) = (Vec::new(), 0);
    let is_choice = |value: &Value| matches!(value, Value::Word(_) | Value::Flag(_));
    for row in REGISTRY {
        let chosen = |variant: &Variant| !variant.given.is_empty() && variant.given.iter().all(|(_, v)| is_choice(v));
        for variant in Variant::all(row).into_iter().filter(chosen) {
            let spec = Spec::method(row.name, &budgets(&variant, 24));
            match compare(&loaded, &on, &spec.to_string(), &spec, 90, &[6], 0) {
                Ok(()) => agreed += 1,
                Err(Error::Unsupported { what, got, .. }) => refused.push(format!("{}: {what} {got}", row.name)),
                Err(why) => panic!("{spec}: {why}"),
            }
        }
    }
    eprintln!("{agreed} variants of {} methods agree; gpu: not run: {refused:?}", REGISTRY.len());
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn methods_as_on_the_cpu() {
    let Some(gpu) = gpu("whole runs") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&gpu, &loaded).unwrap();
    for row in REGISTRY {
        let spec = Spec::method(row.name, &budgets(&Variant { row, given: Vec::new() }, 24));
        // 129: a last piece of one row.
        for prompt in [1, 9, 129, 150, 300] {
            compare(&loaded, &on, &format!("{}, {prompt} ids", row.name), &spec, prompt, &[12, 5], 0).unwrap();
        }
    }
}

/// Tokens, bits of the logits and all other records are those of a run that nobody watches as closely: reads by lists, by a
/// window, by blocks, of planes, with mass for a role and without.
#[test]
fn weights_change_nothing() {
    let Some(gpu) = gpu("runs with weights") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&gpu, &loaded).unwrap();
    let methods =
        ["full", "h2o", "snap_kv", "streaming_llm", "tidal_decode", "flex_prefill", "quant_spec", "round_attention"];
    for name in methods {
        let spec = Spec::method(name, &budgets(&Variant { row: find(name).unwrap(), given: Vec::new() }, 24));
        let run = |detail| {
            let engine = loaded.compose_on(&on, &spec, None).unwrap();
            let ran = run_traced(engine, detail, &tiny::prompt(150), &[8, 3], 0, None).unwrap();
            let bits: Vec<Vec<u32>> = ran.logits.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect();
            (ran.ids, bits, ran.trace)
        };
        let (sets, weights) = (run(Detail::Sets), run(Detail::Weights));
        assert!(sets.0 == weights.0 && sets.1 == weights.1, "{name}: tokens or logits");
        let others = |trace| records(trace).filter(|r| r.kind != Kind::Weights as u8);
        assert!(others(&sets.2).eq(others(&weights.2)), "{name}: records");
        assert!(records(&weights.2).count() > others(&weights.2).count(), "{name}: no weights");
    }
}
