//! The advisor's arithmetic against the cache of real runs.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    advisor::{self, Ask, Device, Figure, SCENARIOS, Scenario, Text},
    cache::Store,
    engine::{Options, Progress},
    kernels::Precision,
    methods::{Part, REGISTRY, Role, Roles, Shape, Spec, Value, choices},
    model::Config,
};
use common::tiny;

const TEXT: Text = Text { prompt: 300, pictures: 0, generated: 100 };
/// Bytes of a row of the tiny model in all its layers and KV heads.
const ROW: u64 = 64 * (tiny::LAYERS * tiny::KV_HEADS) as u64;

/// SmolLM2-135M in what the cache takes.
fn smollm() -> Config {
    let mut config = tiny::load().model.config.clone();
    (config.layers, config.query_heads, config.kv_heads, config.head_dim) = (30, 9, 3, 64);
    config
}

#[test]
fn what_a_cache_takes_is_what_was_said() {
    let loaded = tiny::load();
    let config = &loaded.model.config;
    let shape = Shape { layers: tiny::LAYERS };
    let mut specs: Vec<Spec> = REGISTRY.iter().map(|row| Spec::method(row.name, &[])).collect();
    specs.extend(choices(Role::Retain, &shape).into_iter().map(Spec::Method));
    let paged: Spec = "prefill=flex_prefill select=quest retain=snap_kv".parse().unwrap();
    let mut small = paged.clone();
    let Spec::Roles(Roles { select: Some(quest), .. }) = &mut small else { panic!("{small} has roles") };
    quest.params.insert("budget".to_owned(), Value::Number(40.0));
    specs.extend([paged, small]);
    let mut fitted = 0;
    for spec in specs {
        let mut sizes = Vec::new();
        for memory in [400 * ROW, 250 * ROW, 170 * ROW] {
            let Ok(spec) = advisor::fit(&spec, config, &TEXT, memory) else { continue };
            let account = advisor::account(&spec, config, &TEXT).unwrap();
            assert!(account.bytes <= memory, "{spec:?}");
            assert_eq!(account.lines.iter().map(|line| line.bytes).sum::<u64>(), account.bytes);
            for line in &account.lines {
                assert_eq!(line.terms.iter().map(|term| term.n).product::<u64>(), line.bytes);
            }
            let mut engine = loaded.compose(&spec, None, Store::F16, Precision::Fast).unwrap();
            let options = Options { max_tokens: TEXT.generated, ..Options::default() };
            engine.start(&tiny::prompt(TEXT.prompt as usize), options).unwrap();
            while engine.advance().unwrap() != Progress::Done {}
            let kept = engine.kept();
            let near = |said: u64, is: u64, what: &str| {
                let off = said.abs_diff(is) as f64 / is as f64;
                assert!(off <= 0.05, "{spec:?} in {memory}: {said} {what} were said, {is} are taken");
            };
            near(account.stored, kept.bytes, "bytes stored");
            near(account.reserved, kept.allocated, "bytes reserved");
            sizes.push(account.bytes);
        }
        fitted += sizes.len();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{spec}: {sizes:?}");
    }
    assert!(fitted > 60, "{fitted} runs");
}

#[test]
fn the_largest_budget_that_fits_is_taken_and_what_was_given_stays() {
    let (config, text) = (smollm(), Text::of(8000, Some(500), 0).unwrap());
    let full = advisor::account(&Spec::default(), &config, &text).unwrap();
    assert_eq!(full.lines.len(), 1);
    let line = "8000 rows x 256 bytes of a key and a value x 3 KV heads x 30 layers = 184320000 bytes";
    assert_eq!((full.lines[0].to_string().as_str(), full.bytes, full.rows), (line, 184_320_000, 30 * 7999));
    for (name, memory) in [("snap_kv", 64_000_000), ("h2o", 10_000_000), ("scope", 30_000_000), ("fifo", 20_000_000)] {
        let fitted = advisor::fit(&Spec::method(name, &[]), &config, &text, memory).unwrap();
        let Spec::Method(part) = &fitted else { panic!("{fitted:?}") };
        let mut more = part.clone();
        for value in more.params.values_mut() {
            if let Value::Number(n) = value {
                *n += 1.0;
            }
        }
        let bytes = |part: Part| advisor::account(&Spec::Method(part), &config, &text).unwrap().bytes;
        assert!(bytes(part.clone()) <= memory && bytes(more) > memory, "{name}: {part:?}");
    }
    let heavy = [("heavy".to_owned(), Value::Number(77.0))];
    let Spec::Method(part) = advisor::fit(&Spec::method("h2o", &heavy), &config, &text, 10_000_000).unwrap() else {
        panic!("a method stays a method")
    };
    assert_eq!(part.params["heavy"], Value::Number(77.0));
    // 190 rows of 23040 bytes, one of them about to go, and 7310 rows more of one layer's prompt of 768 bytes.
    assert_eq!(part.params["recent"], Value::Number(112.0));
    let none = advisor::fit(&Spec::method("tidal_decode", &[]), &config, &text, 1_000_000).unwrap_err();
    assert!(none.to_string().contains("184320000 bytes or more for tidal_decode"), "{none}");
}

#[test]
fn advice_follows_memory_and_scenario() {
    let (config, text) = (smollm(), Text::of(8000, None, 0).unwrap());
    let advised = |memory: u64, scenario, text| {
        let figure =
            |method: &str| Figure { method: method.into(), what: "KL".into(), published: None, measured: Some(0.1) };
        let all = advisor::advise(&Ask { memory, text, scenario }, &config, &[figure("full")]).unwrap();
        assert!(all.iter().all(|advice| advice.figures.len() == usize::from(advice.method == Spec::default())));
        let all = advisor::advise(&Ask { memory, text, scenario }, &config, &[figure("flex_prefill")]).unwrap();
        let has = |advice: &&advisor::Advice| advice.method.parts().iter().any(|part| part.name == "flex_prefill");
        assert!(all.iter().all(|advice| advice.figures.len() == usize::from(has(&advice))), "a part's figures count");
        assert!(all.iter().filter(|advice| advice.advised).count() <= 1);
        assert!(all.iter().all(|advice| advice.fits == (advice.account.bytes <= memory)));
        all.iter().find(|advice| advice.advised).map(|advice| advice.method.to_string())
    };
    let of = |memory, scenario| advised(memory, scenario, text);
    assert_eq!(of(200_000_000, Scenario::Any).unwrap(), "full");
    assert_eq!(of(64_000_000, Scenario::Any).unwrap(), "snap_kv");
    assert_eq!(of(200_000_000, Scenario::LongSequence).unwrap(), "prefill=flex_prefill select=tidal_decode");
    assert_eq!(of(64_000_000, Scenario::RealTime).unwrap(), "prefill=flex_prefill retain=scope");
    assert_eq!(of(1000, Scenario::TightMemory), None);
    let pictures = Text { pictures: 6000, ..text };
    assert_eq!(advised(64_000_000, Scenario::Multimodal, pictures).unwrap(), "look_m");
    // Every method of the table is one.
    for suits in SCENARIOS {
        assert_eq!(Scenario::find(suits.name).unwrap(), suits.scenario);
        for name in suits.methods {
            name.parse::<Spec>().unwrap().build(&Shape { layers: 30 }).map(|_| ()).unwrap();
        }
    }
    assert!(Scenario::find("fast").unwrap_err().to_string().contains("any, long-sequence"));
}

#[test]
fn memory_is_read_and_the_device_bounds_it() {
    for (text, want) in [("64MB", 64_000_000), ("1.5 GiB", 3 << 29), ("4096", 4096), ("2kb", 2000), ("7 B", 7)] {
        assert_eq!(advisor::bytes(text).unwrap(), want, "{text}");
    }
    for bad in ["", "MB", "-1", "64 parsecs", "1e3", "nan"] {
        assert_eq!(advisor::bytes(bad).unwrap_err().code(), "param", "{bad}");
    }
    let device = Device { memory: Some(1000), ..Device::default() };
    assert_eq!((device.room(Some(600), 300).unwrap(), device.room(Some(900), 300).unwrap()), (600, 700));
    assert_eq!(device.room(None, 2000).unwrap(), 0);
    assert_eq!(Device::default().room(None, 0).unwrap_err().code(), "param");
    let (model, small) = (smollm(), Device { webgpu_buffer: Some(10), threads: Some(2), ..Device::default() });
    let notes = |context: u32| small.notes(&model, &Text::of(context, None, 0).unwrap(), 6000);
    assert_eq!((notes(model.context).len(), notes(model.context + 1).len()), (3, 4));
    assert!(notes(model.context + 1)[3].contains("a bounded number"));
    let notes = notes(100);
    assert!(notes[0].contains("no vector") && notes[1].contains("2 threads"), "{notes:?}");
    assert!(notes[2].contains("100 bytes, do not fit into a WebGPU buffer of 10"), "{notes:?}");
    for (context, generated, pictures) in [(1, None, 0), (10, Some(10), 0), (10, Some(0), 0), (10, Some(2), 9)] {
        assert_eq!(Text::of(context, generated, pictures).unwrap_err().code(), "param");
    }
}
