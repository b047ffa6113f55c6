//! Both back ends in lock-step: every operation with random shapes, whole runs of every method, and that a difference is
//! found and named.

use std::collections::BTreeSet;

use attnscope::{
    Error,
    backend::{Paired, Shape},
    cache::Store,
    engine::Options,
    loader::OnDevice,
    method::Positions,
    methods::{REGISTRY, Spec, Value},
    ops::{Dense, Kv, Ops, Pins},
    sampler::Sampling,
    trace::Detail,
};

use super::common::{
    every_op::{self, OPERATIONS},
    gpu, now,
    pair::{pair, unlike},
    tiny,
};

/// `ATTNSCOPE_SEED` runs another than the usual ones.
fn seeds(usual: u64) -> Vec<u64> {
    std::env::var("ATTNSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .map_or((0..usual).collect(), |seed| vec![seed])
}

#[test]
fn every_operation_with_random_shapes() {
    let Some(device) = gpu("operations with random shapes") else { return };
    let (mut seen, mut calls) = (BTreeSet::new(), 0);
    let mut worst: std::collections::BTreeMap<&str, f32> = Default::default();
    for seed in seeds(12) {
        for store in [Store::F16, Store::F32] {
            let paired = now(every_op::run(&device, seed, store));
            calls += paired.agreed().calls();
            for (op, _, used) in paired.agreed().operations() {
                seen.insert(op);
                let worst = worst.entry(op).or_default();
                *worst = worst.max(used);
            }
        }
    }
    eprintln!("{calls} operations agreed; of their tolerances were used: {worst:?}");
    let missing: Vec<_> = OPERATIONS.iter().filter(|op| !seen.contains(*op)).collect();
    assert!(missing.is_empty() || seeds(1) != [0], "not compared: {missing:?}");
}

#[test]
fn every_method_in_lock_step() {
    let Some(device) = gpu("methods in lock-step") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&device, &loaded).unwrap();
    let mut seen = BTreeSet::new();
    for seed in seeds(2) {
        for row in REGISTRY {
            let mut rng = fastrand::Rng::with_seed(seed ^ row.name.len() as u64);
            let mut budget = || Value::Number(f64::from(rng.u32(12..40)));
            let budgets: Vec<_> =
                row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), budget())).collect();
            let prompt = tiny::prompt(rng.usize(1..200));
            let spec = Spec::method(row.name, &budgets);
            let (mut engine, agreed) = loaded.compose_paired(&on, &spec, None).unwrap();
            let sampling = Sampling { temperature: (seed % 2) as f32, top_k: 50, top_p: 0.95, seed };
            let options = Options { max_tokens: 6, trace: Detail::Weights, sampling, ..Options::default() };
            engine.start(&prompt, options).unwrap();
            loop {
                match engine.next_step() {
                    Ok(Some(_)) => engine.tracer().take(|_| ()),
                    Ok(None) => break,
                    Err(why) => panic!("seed {seed}, {spec}, {} ids: {why}", prompt.len()),
                }
            }
            seen.extend(agreed.operations().into_iter().map(|(op, ..)| op));
        }
    }
    for op in ["embed", "project", "attend", "add_output", "gate_up", "add_down", "logits", "pick", "pass"] {
        assert!(seen.contains(op), "{op} was not compared: {seen:?}");
    }
}

#[test]
fn the_first_difference_is_named() {
    let Some(device) = gpu("differences") else { return };
    let mut paired = unlike(&device);
    paired.except(Kv(0), 0..1).unwrap();
    let why = paired.key_norms(Kv(0)).unwrap_err();
    assert!(matches!(&why, Error::Differ { op: "key_norms", call: 2, layer: Some(0), .. }), "{why:?}");
    let text = why.to_string();
    assert!(text.starts_with("key_norms (call 2 of the pass, layer 0): group 1, column 2: -3.3"), "{text}");
    // It stays.
    assert_eq!(paired.except(Kv(0), 0..1).unwrap_err(), why);
    assert_eq!(now(paired.settle()).unwrap_err(), why);
}

#[test]
fn sets_differ_by_a_slot() {
    let Some(device) = gpu("sets that differ") else { return };
    let shape = Shape { layers: 1, query_heads: 2, kv_heads: 2, head_dim: 8, rope: None, eps: 1e-5 };
    let (mut cpu, mut gpu) = pair(&device, &shape, Positions::Text, Store::F16);
    let rows = vec![1.0; 9 * 16];
    cpu.begin(0, 9);
    gpu.begin(0, 9).unwrap();
    cpu.store(Kv(0), &rows, Some((&mut rows.clone(), &rows)), 0..9).unwrap();
    gpu.store(Kv(0), &rows, Some((&rows, &rows)), 0..9).unwrap();
    // One dropped another position.
    let own = [cpu.except(Kv(0), 4..5).unwrap(), gpu.except(Kv(0), 3..4).unwrap()];
    cpu.keep(Kv(0), own[0]).unwrap();
    gpu.keep(Kv(0), own[1]).unwrap();
    let mut paired = Paired::new(cpu, gpu);
    // Of what they kept the CPU finds position 3 in slot 3, the GPU position 4.
    let text = paired.outside(Kv(0), 3..4).unwrap_err().to_string();
    assert_eq!(text, "outside (call 1 of the pass, layer 0): head 0 lists 3, the CPU 4");
}

#[test]
fn refusals_are_compared_too() {
    let Some(device) = gpu("refusals") else { return };
    let shape = Shape { layers: 1, query_heads: 4, kv_heads: 2, head_dim: 8, rope: None, eps: 1e-5 };
    let (cpu, gpu) = pair(&device, &shape, Positions::Text, Store::F16);
    let mut paired = Paired::new(cpu, gpu);
    paired.begin(0, 2).unwrap();
    let rows = vec![1.0; 2 * 32];
    paired.store(Kv(0), &rows, Some((&mut rows[..32].to_vec(), &rows[..32])), 0..2).unwrap();
    assert!(matches!(paired.probe(Kv(0), 3), Err(Error::Shape { .. })));
    let table = paired.given(Kv(0), 4, &[0.5; 8]).unwrap();
    assert!(matches!(paired.used(table, 1.0, 0), Err(Error::Shape { .. })));
    // Both refused: the run goes on.
    paired.top_k(table, 1, Pins::default()).unwrap();
    assert_eq!(paired.agreed().calls(), 2);
}
