//! `kvpress_scores`, `kvpress_pyramid_budget`: published code; sets and budgets exact, floats within 2e-6. kvpress gives
//! pinned slots the largest score plus one, so only the others' scores are compared.

use super::{Case, Layers, Watched, by_row, given, number, prompt::Prompt, word};
use attnscope::{
    kernels::{Rope, RopeStyle},
    method::{LayerCx, Method},
    methods::{self, Observation, ObservedAttention, Shape, Value},
    model::RopeConfig,
    ops::{Group, Kv, Pooling, Reduce, Scores},
};
use std::{cell::Cell, rc::Rc};

pub async fn pyramid_budget(case: &Case<'_>) {
    let [layers, rows, window] = ["L", "N", "window_size"].map(|k| case.param::<usize>(k));
    let kept = (rows as f64 * (1.0 - case.param::<f64>("compression_ratio"))).round() as usize;
    let params = given([
        ("budget", number(window + kept)),
        ("window", number(window)),
        ("beta", Value::Number(case.param("beta"))),
        ("compat", word("kvpress")),
    ]);
    let method = methods::build("pyramid_kv", &params, &Shape { layers: layers as u32 }).unwrap();
    let mut run = Layers::new(&case.on, method, layers, 1, 1, 8, None);
    run.begin(0, rows as u32).await;
    let any: Vec<f32> = (0..8 * rows).map(|i| (i as f32).sin()).collect();
    for (layer, &want) in case.ints("budget").iter().enumerate() {
        run.layer(layer as u32, 0, &any, &any, &any).await;
        assert_eq!(run.positions(layer as u32, 0).len() as i32, want, "{} budget {layer}", case.name);
    }
    run.finish().await;
}

/// Runs a method, compares what it keeps and, up to the newest `pinned` slots, the scores.
async fn check(
    case: &Case<'_>,
    which: &str,
    method: Method,
    pinned: usize,
    factor: f32,
    scores: impl Fn(&mut LayerCx, Option<Scores>) -> Option<Scores> + 'static,
) {
    let prompt = Prompt::of(case, false);
    let seen = Rc::new(Cell::new(None));
    let tell = seen.clone();
    let look = move |cx: &mut LayerCx, mass| tell.set(scores(cx, mass));
    let run =
        prompt.run(Method { retain: Box::new(Watched { retain: method.retain, look }), ..Method::full() }, 1).await;
    let (kept, want) = (case.ints(&format!("kept_{which}")), case.floats(&format!("score_{which}")));
    let stored = kept.len() / prompt.kv_heads;
    for head in 0..prompt.kv_heads {
        case.same(&format!("kept_{which} head {head}"), run.positions(0, head), &kept[head * stored..][..stored]);
        let Some(scores) = seen.get() else { continue };
        // A table of one group holds for every head.
        let got = run.on.scores(scores, head).or_else(|_| run.on.scores(scores, 0)).unwrap();
        let got: Vec<f32> = got[..prompt.rows - pinned].iter().map(|x| x * factor).collect();
        case.close(&format!("score_{which} head {head}"), &got, &want[head * prompt.rows..][..got.len()], 2e-6);
    }
}

pub async fn scores(case: &Case<'_>) {
    let [window, kernel, sinks] = ["window", "kernel", "n_sink"].map(|k| case.param::<usize>(k));
    let rows: usize = case.param("N");
    let budget = (rows as f64 * (1.0 - case.param::<f64>("ratio"))) as usize;
    let build = |name: &str, params: Vec<(String, Value)>| methods::build(name, &params, &Shape { layers: 1 }).unwrap();
    let only_budget = || given([("budget", number(budget))]);
    let observed = given([
        ("budget", number(budget)),
        ("window", number(window)),
        ("kernel", number(kernel)),
        ("pooling", word("mean")),
        ("group", word("mean")),
    ]);

    let rule =
        Observation { window: window as u32, kernel: kernel as u32, pooling: Pooling::Mean, group: Reduce::Mean };
    // kvpress takes the mean over the window's rows, SnapKV's own code their sum.
    check(case, "snapkv", build("snap_kv", observed.clone()), window, 1.0 / window as f32, move |cx, mass| {
        Some(rule.scores(cx, mass.unwrap()).unwrap())
    })
    .await;
    rotated(case, build("snap_kv", [observed, given([("shift_positions", Value::Flag(true))])].concat())).await;

    check(case, "observed", build("observed_attention", only_budget()), 0, 1.0, |cx, mass| {
        Some(ObservedAttention { budget: 0, recent: 0 }.scores(cx, mass.unwrap()).unwrap())
    })
    .await;
    let tova = [only_budget(), given([("prompt_only", Value::Flag(true))])].concat();
    check(case, "tova", build("tova", tova), 1, 1.0, |cx, mass| {
        Some(cx.ops.regroup(mass.unwrap(), Group::All, Reduce::Mean).unwrap())
    })
    .await;
    let norm = [only_budget(), given([("first_layer", number(0))])].concat();
    check(case, "knorm", build("l2_norm", norm), 0, 1.0, |cx, _| Some(cx.ops.key_norms(cx.kv).unwrap())).await;
    let streaming =
        given([("sinks", number(sinks)), ("recent", number(budget - sinks)), ("shift_positions", Value::Flag(false))]);
    check(case, "streaming", build("streaming_llm", streaming), 0, 1.0, |_, _| None).await;
}

/// `KeyRerotationPress`: with `shift_positions` keys and queries are stored as they were before their rotation; the same
/// are kept, and rotated to their slots the keys are the golden ones.
async fn rotated(case: &Case<'_>, method: Method) {
    let (dim, frequencies) = (case.param::<usize>("D"), case.floats("inv_freq"));
    let [heads, kv_heads, rows] = ["Hq", "Hkv", "N"].map(|k| case.param::<usize>(k));
    let config = RopeConfig {
        dim: dim as u32,
        base: frequencies[1].powf(-(dim as f32) / 2.0).round(),
        linear: 1.0,
        divisors: vec![],
        style: RopeStyle::Halves,
    };
    let back: Vec<f32> = frequencies.iter().map(|f| -f).collect();
    let back = Rope::new(dim, &back, rows, RopeStyle::Halves).unwrap();
    let unrotated = |name: &str, heads: usize| {
        let mut x = by_row(&case.floats(name), heads, rows, dim);
        x.chunks_exact_mut(heads * dim).enumerate().for_each(|(row, x)| back.rotate(x, dim, row));
        x
    };
    let mut run = Layers::new(&case.on, method, 1, heads, kv_heads, dim, Some(config.clone()));
    run.begin(0, rows as u32).await;
    let v = by_row(&case.floats("v"), kv_heads, rows, dim);
    run.layer(0, 0, &unrotated("q", heads), &unrotated("k", kv_heads), &v).await;
    run.finish().await;
    let rope = Rope::new(dim, &config.frequencies(), rows, RopeStyle::Halves).unwrap();
    let (k, v, kept) = (case.floats("rerot_k_snapkv"), case.floats("rerot_v_snapkv"), case.ints("kept_snapkv"));
    for (h, head) in run.on.cache().layer(Kv(0)).iter().enumerate() {
        case.same("kept_snapkv by slot", &head.position, &kept[h * head.len()..][..head.len()]);
        for slot in 0..head.len() {
            let at = (h * head.len() + slot) * dim;
            let mut key = head.k.row(slot, dim);
            rope.rotate(&mut key, dim, slot);
            case.close(&format!("rerot_k_snapkv head {h} slot {slot}"), &key, &k[at..][..dim], 2e-6);
            case.close(&format!("rerot_v_snapkv head {h} slot {slot}"), &head.v.row(slot, dim), &v[at..][..dim], 0.0);
        }
    }
}
