//! `quantspec_spec`: a small network of f32 weights run by the real engine, exact in its tokens and in both tables of
//! rounds (guesses, accepted, length, rows in planes, flushes); once with the same weights for guesses, once with 4-bit
//! feed-forward matrices.

use super::{Case, given, number, word};
use crate::common::breathe;
use attnscope::{
    backend::{WeightData, Weights},
    engine::{Engine, Options, Progress},
    kernels::{Layout, Matrix, RopeStyle, Symmetric},
    methods,
    model::{Config, Layer, Model, RopeConfig},
    ops::Weight,
    trace::{Detail, Kind, Record, records},
};
use std::sync::Arc;

/// Inputs that share a step of the folder's 4-bit matrices.
const GROUP: usize = 16;

pub async fn run(case: &Case<'_>) {
    let params: Vec<usize> = case.ints("params").iter().map(|&x| x as usize).collect();
    let [tokens, channels, gamma, wanted, ..] = params[..] else { panic!("{}: params", case.name) };
    let prompt: Vec<u32> = case.ints("prompt").iter().map(|&id| id as u32).collect();
    for (table, draft_weights) in [("rounds_kv4", "same"), ("rounds_w4kv4", "int4_ffn")] {
        let (model, weights) = network(case, &params);
        let given = given([
            ("group_tokens", number(tokens)),
            ("group_channels", number(channels)),
            ("gamma", number(gamma)),
            ("draft_weights", word(draft_weights)),
        ]);
        let method = methods::build("quant_spec", &given, &methods::Shape { layers: model.config.layers }).unwrap();
        let backend = case.on.with_model(&model, weights);
        let mut engine = Engine::new(Arc::new(model), backend, method, 4096);
        // A flush is seen when the round after it begins: one round more than the table has.
        let max_tokens = (wanted + 2 * (gamma + 1)) as u32;
        engine.start(&prompt, Options { max_tokens, trace: Detail::Sets, ..Options::default() }).unwrap();
        let mut rounds = Rounds { length: prompt.len() as i32, group: tokens as i32, ..Rounds::default() };
        loop {
            match engine.advance().unwrap() {
                Progress::Done => break,
                Progress::Waiting => breathe().await,
                _ => {}
            }
            engine.tracer().take(|block| records(block).for_each(|record| rounds.take(&record)));
        }
        let ids: Vec<i32> = engine.ids()[prompt.len()..].iter().map(|&id| id as i32).collect();
        assert_eq!(ids[..wanted], case.ints("tokens"), "{} {draft_weights}: tokens", case.name);
        let want = case.ints(table);
        assert_eq!(rounds.table.as_flattened()[..want.len()], want, "{} {table}", case.name);
    }
}

/// The rounds as a trace tells them.
#[derive(Default)]
struct Rounds {
    table: Vec<[i32; 5]>,
    group: i32,
    length: i32,
    quantised: i32,
    guesses: i32,
    /// A check began and made no token yet.
    checking: bool,
}

impl Rounds {
    fn take(&mut self, record: &Record) {
        let is = |kind: Kind| record.kind == kind as u8;
        if is(Kind::Pass) && record.aux == 2 {
            self.guesses += 1;
        } else if is(Kind::Pass) && record.aux > 0 {
            self.checking = true;
        } else if is(Kind::Token) && record.aux == 0 {
            if self.checking {
                self.table.push([self.guesses, -1, self.length, self.quantised, 0]);
                (self.guesses, self.checking) = (0, false);
            }
            if let Some([_, accepted, length, ..]) = self.table.last_mut() {
                *accepted += 1;
                self.length += 1;
                *length = self.length;
            }
        } else if is(Kind::Quantise) && (record.layer, record.head) == (0, 0) {
            self.quantised += record.b as i32;
            if let Some([.., quantised, flushes]) = self.table.last_mut() {
                *quantised = self.quantised;
                *flushes += record.b as i32 / self.group;
            }
        }
    }
}

/// The network of a case, its feed-forward matrices also with 4 bits.
fn network(case: &Case, params: &[usize]) -> (Model, Weights) {
    let [layers, query_heads, kv_heads, head_dim] = params[4..8] else { panic!("{}: params", case.name) };
    let [vocabulary, width] = case.shape("emb")[..] else { panic!("{}: emb", case.name) };
    let (mut list, mut copies) = (Vec::new(), Vec::new());
    let mut put = |data: WeightData, copy: Option<Matrix>| {
        list.push(data);
        copies.push(copy);
        Weight(list.len() as u32 - 1)
    };
    let norm = put(WeightData::Vector(vec![1.0; width]), None);
    let mut tensor = |name: &str, narrow: bool| {
        let [rows, cols] = case.shape(name)[..] else { panic!("{}: {name}", case.name) };
        let mut values = case.floats(name);
        let exact = matrix(&values, rows, cols);
        let copy = narrow.then(|| {
            for group in values.chunks_mut(GROUP) {
                let grid = Symmetric::of(group);
                group.iter_mut().for_each(|x| *x = f32::from(grid.code(*x)) * grid.step);
            }
            matrix(&values, rows, cols)
        });
        put(WeightData::Matrix(exact), copy)
    };
    let layer = |tensor: &mut dyn FnMut(&str, bool) -> Weight, l: usize| Layer {
        attention_norm: norm,
        qkv: ["wq", "wk", "wv"].map(|part| tensor(&format!("l{l}.{part}"), false)),
        output: tensor(&format!("l{l}.wo"), false),
        mlp_norm: norm,
        gate: tensor(&format!("l{l}.w1"), true),
        up: tensor(&format!("l{l}.w3"), true),
        down: tensor(&format!("l{l}.w2"), true),
    };
    let (embedding, head) = (tensor("emb", false), tensor("head", false));
    let places = (0..layers).map(|l| layer(&mut tensor, l)).collect();
    let style = RopeStyle::Halves;
    let config = Config {
        layers: layers as u32,
        width: width as u32,
        query_heads: query_heads as u32,
        kv_heads: kv_heads as u32,
        head_dim: head_dim as u32,
        hidden: case.shape("l0.w1")[0] as u32,
        vocabulary: vocabulary as u32,
        context: 4096,
        eps: 1e-5,
        rope: RopeConfig { dim: head_dim as u32, base: 10_000.0, linear: 1.0, divisors: Vec::new(), style },
    };
    let model = Model { config, embedding, layers: places, norm, head };
    (model, Weights { list, narrow: copies.into() })
}

fn matrix(values: &[f32], rows: usize, cols: usize) -> Matrix {
    let mut matrix = Matrix::new(Layout::Single, rows, cols).unwrap();
    values.chunks_exact(cols).enumerate().for_each(|(row, values)| matrix.set_single(row, values));
    matrix
}
