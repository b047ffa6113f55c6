//! Whole runs of a tiny model on both back ends: ids, logits, traces, counters.

use attnscope::{
    cache::Store,
    engine::{Engine, Options},
    kernels::Precision,
    loader::{Loaded, OnDevice},
    methods::{REGISTRY, Spec, Value},
    trace::{Detail, Kind, RECORD},
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
}

/// Runs along `forced` ids, where there are any, so that a near-tie parts nothing.
fn run(mut engine: Engine, prompt: &[u32], tokens: u32, forced: Option<&[u32]>) -> Ran {
    let options = Options { max_tokens: tokens, trace: Detail::Sets, ..Options::default() };
    engine.start(prompt, options.clone()).unwrap();
    let (mut trace, mut logits) = (Vec::new(), Vec::new());
    for turn in 0..2 {
        if turn == 1 {
            engine.extend(&tiny::prompt(40)[20..], Options { max_tokens: 5, ..options.clone() }).unwrap();
        }
        while let Some(step) = engine.next_step().unwrap() {
            logits.push(engine.logits().unwrap().to_vec());
            engine.choose(forced.map_or(step.id, |forced| forced[step.position as usize])).unwrap();
            engine.tracer().take(|bytes| trace.extend_from_slice(bytes));
        }
    }
    Ran { ids: engine.ids().to_vec(), trace, logits }
}

/// Runs a method on both and compares.
fn compare(loaded: &Loaded, on: &OnDevice, name: &str, spec: &Spec, prompt: usize) {
    let prompt = tiny::prompt(prompt);
    let cpu = run(loaded.compose(spec, None, Store::F16, Precision::Exact).unwrap(), &prompt, 12, None);
    let gpu = run(loaded.compose_on(on, spec, None).unwrap(), &prompt, 12, Some(&cpu.ids));
    for (step, (a, b)) in cpu.logits.iter().zip(&gpu.logits).enumerate() {
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 2e-2, "{name}, step {step}: logits differ by {off}");
    }
    assert_eq!(cpu.logits.len(), gpu.logits.len(), "{name}: steps");
    assert_eq!(cpu.ids, gpu.ids, "{name}: ids");
    assert_eq!(cpu.trace.len(), gpu.trace.len(), "{name}: records");
    for (at, (a, b)) in cpu.trace.chunks_exact(RECORD).zip(gpu.trace.chunks_exact(RECORD)).enumerate() {
        // Sums of many numbers, in another order or in f64 here and in f32 there: decibels and the worst error of planes, and
        // the numbers that a method remarks on.
        let sums: &[usize] = match a[0] {
            kind if kind == Kind::PlaneNoise as u8 => &[8, 12],
            kind if kind == Kind::Note as u8 => &[12],
            _ => &[],
        };
        let exact = sums.first().copied().unwrap_or(RECORD);
        assert_eq!(a[..exact], b[..exact], "{name}: record {at}");
        for &sum in sums {
            let [a, b] = [a, b].map(|record| f32::from_le_bytes(record[sum..sum + 4].try_into().unwrap()));
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{name}: record {at} has {a} and {b}");
        }
    }
}

/// Every choice and switch of every method, the sketches too.
#[test]
fn variants_as_on_the_cpu() {
    let Some(gpu) = gpu("whole runs of variants") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&gpu, &loaded).unwrap();
    let mut variants = 0;
    for row in REGISTRY {
        for variant in Variant::all(row).into_iter().filter(|variant| !variant.given.is_empty()) {
            let spec = Spec::method(row.name, &budgets(&variant, 24));
            compare(&loaded, &on, &spec.to_string(), &spec, 150);
            variants += 1;
        }
    }
    eprintln!("{variants} variants of {} methods", REGISTRY.len());
}

#[test]
fn methods_as_on_the_cpu() {
    let Some(gpu) = gpu("whole runs") else { return };
    let loaded = tiny::load();
    let on = OnDevice::new(&gpu, &loaded).unwrap();
    for row in REGISTRY {
        let budgets: Vec<_> =
            row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), Value::Number(24.0))).collect();
        let spec = Spec::method(row.name, &budgets);
        // 129: a last piece of one row.
        for prompt in [1, 9, 129, 150, 300] {
            compare(&loaded, &on, &format!("{}, {prompt} ids", row.name), &spec, prompt);
        }
    }
}
