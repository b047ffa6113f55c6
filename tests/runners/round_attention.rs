//! `round_attention`: an independent reference; the watershed, the choice and the mask are exact, all else within 1e-5.

use super::{Case, Layers, by_row, given, number, word};
use attnscope::{
    calibrate::{self, RoundMass},
    method::Method,
    methods::{self, Value},
    trace::{Kind, records},
};

const TOLERANCE: f32 = 1e-5;

struct Shape {
    layers: usize,
    query_heads: usize,
    kv_heads: usize,
    dim: usize,
    /// Where the current round begins, and its question's and answer's tokens.
    current: usize,
    question: usize,
    answer: usize,
    /// Where each earlier round begins.
    rounds: Vec<u32>,
}

impl Shape {
    async fn run(&self, case: &Case<'_>, method: Method) -> (Vec<Vec<f32>>, Layers, Vec<u8>) {
        let mut run = Layers::new(&case.on, method, self.layers, self.query_heads, self.kv_heads, self.dim, None);
        let mut starts = self.rounds.clone();
        starts.push(self.current as u32);
        run.rounds(starts);
        let slots = self.current + self.question + self.answer;
        let [k, v] = ["k", "v"].map(|name| case.floats(name));
        let q = case.floats("q");
        let rows = |x: &[f32], heads: usize, layer: usize, all: usize, rows: std::ops::Range<usize>| {
            let layer = &x[layer * heads * all * self.dim..][..heads * all * self.dim];
            let width = heads * self.dim;
            by_row(layer, heads, all, self.dim)[rows.start * width..rows.end * width].to_vec()
        };
        run.begin(0, self.current as u32).await;
        for layer in 0..self.layers {
            let [k, v] = [&k, &v].map(|x| rows(x, self.kv_heads, layer, slots, 0..self.current));
            run.store(layer as u32, &vec![0.0; self.current * self.query_heads * self.dim], &k, &v);
        }
        let mut out = vec![Vec::new(); self.layers];
        let mut block = Vec::new();
        let passes =
            std::iter::once(0..self.question).chain((self.question..self.question + self.answer).map(|t| t..t + 1));
        for pass in passes {
            let first = (self.current + pass.start) as u32;
            run.begin(first, pass.len() as u32).await;
            for (layer, out) in out.iter_mut().enumerate() {
                let q = rows(&q, self.query_heads, layer, self.question + self.answer, pass.clone());
                let new = self.current + pass.start..self.current + pass.end;
                let [k, v] = [&k, &v].map(|x| rows(x, self.kv_heads, layer, slots, new.clone()));
                out.extend(run.layer(layer as u32, first, &q, &k, &v).await);
            }
            run.finish().await;
            run.on.tracer().take(|records| block.extend_from_slice(records));
        }
        (out, run, block)
    }
}

/// `[layers][heads, rows, dim]` of the golden tensor in the engine's order.
fn wanted(case: &Case, name: &str, shape: &Shape) -> Vec<Vec<f32>> {
    let (heads, rows) = (shape.query_heads, shape.question + shape.answer);
    case.floats(name)
        .chunks_exact(heads * rows * shape.dim)
        .map(|layer| by_row(layer, heads, rows, shape.dim))
        .collect()
}

pub async fn run(case: &Case<'_>) {
    let size = |name: &str| case.param::<usize>(name);
    let starts = case.ints("round_starts");
    let shape = Shape {
        layers: size("L"),
        query_heads: size("Hq"),
        kv_heads: size("Hkv"),
        dim: size("D"),
        current: case.ints("cur_start")[0] as usize,
        question: size("Nq"),
        answer: size("T"),
        rounds: starts.iter().map(|&first| first as u32).collect(),
    };
    let last = case.param::<String>("reduce") == "last";

    // What calibration sees.
    let (full, _, block) = shape.run(case, RoundMass { last }.method()).await;
    for (layer, (got, want)) in full.iter().zip(wanted(case, "attn_out_full", &shape)).enumerate() {
        case.close(&format!("full output, layer {layer}"), got, &want, TOLERANCE);
    }
    let masses = calibrate::round_masses(&block, shape.layers as u32);
    let queries = (shape.query_heads * if last { 1 } else { shape.question }) as f32;
    let raw: Vec<f32> = masses.iter().flatten().map(|mass| mass / queries).collect();
    case.close("mass_raw", &raw, &case.floats("mass_raw"), TOLERANCE);
    let shares = calibrate::shares(&masses);
    case.close("mass_norm", &shares.concat(), &case.floats("mass_norm"), TOLERANCE);
    let similarity = calibrate::similarity(&shares);
    case.close("layer_similarity", &similarity.concat(), &case.floats("layer_similarity"), TOLERANCE);
    let want = case.ints("watershed")[0] as u32;
    let watershed = if case.has_param("lw") { want } else { calibrate::watershed(&similarity, case.param("theta")) };
    assert_eq!(watershed, want, "{} watershed", case.name);

    // The method.
    let always: Vec<f64> = case.param("always");
    let most = case.param::<serde_json::Value>("k_max").as_u64().unwrap_or(1 << 16) as usize;
    let params = given([
        ("watershed_layer", number(watershed as usize)),
        ("mass_threshold", Value::Number(case.param("tau"))),
        ("k_min", number(size("k_min"))),
        ("k_max", number(most)),
        ("always_keep", Value::List(always)),
        ("reduce", word(if last { "last" } else { "question_mean" })),
    ]);
    let built = methods::build("round_attention", &params, &methods::Shape { layers: shape.layers as u32 }).unwrap();
    let (out, run, block) = shape.run(case, built).await;
    for (layer, (got, want)) in out.iter().zip(wanted(case, "attn_out", &shape)).enumerate() {
        case.close(&format!("output, layer {layer}"), got, &want, TOLERANCE);
    }

    // What is parked above the watershed is what the mask hides.
    let slots = shape.current + shape.question + shape.answer;
    let mask = case.ints("token_mask");
    for layer in 0..shape.layers {
        for head in 0..shape.kv_heads {
            let mut far = vec![false; slots];
            for r in records(&block).filter(|r| (r.layer as usize, r.head as usize) == (layer, head)) {
                let moved = [Kind::Park as u8, Kind::Fetch as u8].contains(&r.kind);
                (r.a..r.a + r.b).filter(|_| moved).for_each(|p| far[p as usize] = r.kind == Kind::Park as u8);
            }
            let near: Vec<i32> = far.iter().map(|far| i32::from(!far)).collect();
            let want = if layer as u32 > watershed { mask.clone() } else { vec![1; slots] };
            assert_eq!(near, want, "{} near tier, layer {layer} head {head}", case.name);
        }
    }
    let kept = run.on.kept();
    case.close("saving", &[(kept.far as f64 / kept.bytes as f64) as f32], &case.floats("saving"), TOLERANCE);
    let round = |at: usize| shape.rounds.partition_point(|&first| first as usize <= at) - 1;
    let mut chosen: Vec<u32> = (0..shape.current).filter(|&at| mask[at] == 1).map(|at| round(at) as u32).collect();
    chosen.dedup();
    case.same("selected", &chosen, &case.ints("selected"));
}
