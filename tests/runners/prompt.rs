//! Prompt compressors of published code: sets exact, kept rows copied bit by bit, scores within 1e-5.

use super::{Case, Layers, On, Watched, by_row, given, number, repeat, word};
use attnscope::{
    method::{LayerCx, Method},
    methods::{self, Observation, Shape, Value},
    ops::{Kv, Pooling, Reduce, Scores},
};
use std::{cell::Cell, rc::Rc};

/// Queries, keys and values of a case, `[heads, rows, dim]` each, repeated to a KV head a query head unless `expand` is
/// false. Values are 0 where the case has none.
pub struct Prompt {
    pub on: On,
    pub heads: usize,
    pub kv_heads: usize,
    pub rows: usize,
    pub dim: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Prompt {
    pub fn of(case: &Case, expand: bool) -> Prompt {
        let [heads, kv, rows, dim] = ["Hq", "Hkv", "N", "D"].map(|k| case.param::<usize>(k));
        let layers = case.floats("q").len() / (heads * rows * dim);
        let k = case.floats("k");
        let v = if case.has("v") { case.floats("v") } else { vec![0.0; k.len()] };
        let [k, v] = [k, v].map(|x| if expand { repeat(&x, layers * kv, heads / kv) } else { x });
        let on = case.on.clone();
        Prompt { on, heads, kv_heads: if expand { heads } else { kv }, rows, dim, q: case.floats("q"), k, v }
    }

    /// Runs one pass of all rows through every layer.
    pub async fn run(&self, method: Method, layers: usize) -> Layers {
        let mut run = Layers::new(&self.on, method, layers, self.heads, self.kv_heads, self.dim, None);
        self.pass(&mut run, layers).await;
        run
    }

    async fn pass(&self, run: &mut Layers, layers: usize) {
        run.begin(0, self.rows as u32).await;
        for layer in 0..layers {
            let part = |x: &[f32], heads: usize| {
                let n = heads * self.rows * self.dim;
                by_row(&x[layer * n..][..n], heads, self.rows, self.dim)
            };
            let [k, v] = [&self.k, &self.v].map(|x| part(x, self.kv_heads));
            run.layer(layer as u32, 0, &part(&self.q, self.heads), &k, &v).await;
        }
        run.finish().await;
    }

    /// Kept positions, and that keys and values are copies of the input's rows.
    pub fn compare(&self, case: &Case, run: &Layers) {
        let kept = case.ints("kept_pos");
        let (k_out, v_out) = (case.floats("k_out"), case.floats("v_out"));
        let stored = kept.len() / self.kv_heads;
        for head in 0..self.kv_heads {
            let sorted = &case.ints("kept_pos_sorted")[head * stored..][..stored];
            let positions = run.positions(0, head);
            case.same(&format!("kept_pos_sorted head {head}"), positions, sorted);
            let cached = &run.on.cache().layer(Kv(0))[head];
            for (i, &p) in kept[head * stored..][..stored].iter().enumerate() {
                let slot = positions.binary_search(&(p as u32)).unwrap();
                for (what, rows, want) in [("k_out", &cached.k, &k_out), ("v_out", &cached.v, &v_out)] {
                    let want = &want[(head * stored + i) * self.dim..][..self.dim];
                    case.close(&format!("{what} head {head} position {p}"), &rows.row(slot, self.dim), want, 0.0);
                }
            }
        }
    }

    /// The scores a method works by, against the golden ones: all slots but the newest `window`.
    pub async fn compare_scores(
        &self,
        case: &Case<'_>,
        method: Method,
        window: usize,
        scores: impl Fn(&mut LayerCx, Option<Scores>) -> Scores + 'static,
    ) {
        let seen = Rc::new(Cell::new(None));
        let tell = seen.clone();
        let look = move |cx: &mut LayerCx, mass| tell.set(Some(scores(cx, mass)));
        let watched = Method { retain: Box::new(Watched { retain: method.retain, look }), ..Method::full() };
        let run = self.run(watched, 1).await;
        let want = case.floats("scores");
        let free = self.rows - window;
        for head in 0..self.kv_heads {
            let got = &run.on.scores(seen.get().unwrap(), head).unwrap()[..free];
            case.close(&format!("scores head {head}"), got, &want[head * free..][..free], 1e-5);
        }
    }
}

pub fn pooling(name: &str) -> &'static str {
    match name {
        "avgpool" => "mean",
        "maxpool" => "max",
        other => panic!("pooling {other}"),
    }
}

/// Parameters of the observation window, and the budget.
pub fn observation(case: &Case) -> Vec<(String, Value)> {
    given([
        ("budget", number(case.param("max_capacity_prompt"))),
        ("window", number(case.param("window_size"))),
        ("kernel", number(case.param("kernel_size"))),
        ("pooling", word(pooling(&case.param::<String>("pooling")))),
    ])
}

pub async fn snap_kv(case: &Case<'_>) {
    let by_query_head = !case.has_param("expand");
    let prompt = Prompt::of(case, by_query_head);
    let group = if by_query_head { "sum".to_owned() } else { case.param("gqa_score_agg") };
    let mut params = observation(case);
    params.extend(given([("group", word(&group))]));
    let build = || methods::build("snap_kv", &params, &Shape { layers: 1 }).unwrap();
    prompt.compare(case, &prompt.run(build(), 1).await);
    if case.has("scores") {
        let rule = Observation {
            window: case.param("window_size"),
            kernel: case.param("kernel_size"),
            pooling: if pooling(&case.param::<String>("pooling")) == "max" { Pooling::Max } else { Pooling::Mean },
            group: match &*group {
                "sum" => Reduce::Sum,
                "mean" => Reduce::Mean,
                _ => Reduce::Max,
            },
        };
        let scores = move |cx: &mut LayerCx, mass: Option<Scores>| rule.scores(cx, mass.unwrap()).unwrap();
        prompt.compare_scores(case, build(), rule.window as usize, scores).await;
    }
}

pub async fn h2o(case: &Case<'_>, compat: &str) {
    let [budget, window] = ["max_capacity_prompt", "window_size"].map(|k| case.param::<usize>(k));
    let params = given([
        ("heavy", number(budget - window)),
        ("recent", number(window)),
        ("prompt_only", Value::Flag(true)),
        ("compat", word(compat)),
    ]);
    let prompt = Prompt::of(case, true);
    let build = || methods::build("h2o", &params, &Shape { layers: 1 }).unwrap();
    prompt.compare(case, &prompt.run(build(), 1).await);
    prompt
        .compare_scores(case, build(), window, move |cx, mass| match mass {
            Some(mass) => mass,
            None => cx.ops.unmasked_mass(cx.kv, window as u32).unwrap(),
        })
        .await;
}

pub async fn pyramid_kv(case: &Case<'_>) {
    let prompt = Prompt::of(case, true);
    let layers: usize = case.param("L");
    let compat = match &*case.param::<String>("variant") {
        "scope" => "scope",
        "kvfactory" => "none",
        other => panic!("variant {other}"),
    };
    let mut params = observation(case);
    params.extend(given([("beta", Value::Number(case.param("beta"))), ("compat", word(compat))]));
    let run =
        prompt.run(methods::build("pyramid_kv", &params, &Shape { layers: layers as u32 }).unwrap(), layers).await;
    let (len, kept) = (case.ints("cache_len"), case.ints("kept_pos_sorted"));
    let padded = kept.len() / (layers * prompt.heads);
    for layer in 0..layers {
        for head in 0..prompt.heads {
            let positions = run.positions(layer as u32, head);
            assert_eq!(positions.len() as i32, len[layer], "{} cache_len {layer}", case.name);
            let want = &kept[(layer * prompt.heads + head) * padded..][..padded];
            case.same(&format!("kept_pos_sorted layer {layer} head {head}"), positions, want);
        }
    }
}

pub async fn ada_kv(case: &Case<'_>) {
    let prompt = Prompt::of(case, true);
    let mut params = observation(case);
    params.extend(given([
        ("floor", Value::Number(case.param("floor"))),
        ("normalize", Value::Flag(case.param("normalize"))),
    ]));
    let run = prompt.run(methods::build("ada_kv", &params, &Shape { layers: 1 }).unwrap(), 1).await;
    let (len, kept) = (case.ints("head_len"), case.ints("kept_pos_sorted"));
    let padded = kept.len() / prompt.heads;
    for head in 0..prompt.heads {
        let positions = run.positions(0, head);
        assert_eq!(positions.len() as i32, len[head], "{} head_len {head}", case.name);
        case.same(&format!("kept_pos_sorted head {head}"), positions, &kept[head * padded..][..padded]);
    }
}

pub async fn l2_norm(case: &Case<'_>) {
    let [heads, rows, dim, cap] = ["H", "N", "D", "cap"].map(|k| case.param::<usize>(k));
    let params = given([("budget", number(cap)), ("first_layer", number(0))]);
    let method = methods::build("l2_norm", &params, &Shape { layers: 1 }).unwrap();
    let (k, none) = (case.floats("k"), vec![0.0; heads * rows * dim]);
    let on = case.on.clone();
    let run = Prompt { on, heads, kv_heads: heads, rows, dim, q: none.clone(), k, v: none }.run(method, 1).await;
    let kept = case.ints("kept_pos_sorted");
    let stored = kept.len() / heads;
    for head in 0..heads {
        let want = &kept[head * stored..][..stored];
        case.same(&format!("kept_pos_sorted head {head}"), run.positions(0, head), want);
    }
}

pub async fn streaming_llm(case: &Case<'_>) {
    let [budget, window] = ["max_capacity_prompt", "window_size"].map(|k| case.param::<usize>(k));
    let params = given([
        ("sinks", number(budget - window)),
        ("recent", number(window)),
        ("shift_positions", Value::Flag(false)),
    ]);
    let prompt = Prompt::of(case, true);
    let method = methods::build("streaming_llm", &params, &Shape { layers: 1 }).unwrap();
    prompt.compare(case, &prompt.run(method, 1).await);
}
