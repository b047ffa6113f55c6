//! Logits of each method on the tiny model with keys and values in f32: recorded natively, so that a build for another
//! instruction set is compared with something else than itself. The text is forced: left alone it soon repeats itself.

use super::tiny;
use attnscope::{
    cache::Store,
    engine::Options,
    loader::Loaded,
    methods::{Row, Value},
};

const PROMPT: usize = 140;
const STEPS: usize = 12;
const BUDGET: f64 = 16.0;
/// Even shares of attention that count as a use, for LRU and LFU. The tiny model attends almost evenly: at one share
/// many weights are at the cut, and another order of summation decides which.
const CUT: f64 = 1.3;
/// Share of the largest logit: another order of summation can move the rounding of an activation.
const NEAR: f32 = 1e-2;
/// Ids whose logits are recorded.
const IDS: [usize; 8] = [0, 32, 64, 96, 128, 160, 192, 224];

/// By method, after the last step.
const RECORDED: &[(&str, [f32; IDS.len()])] = &[
    ("full", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("streaming_llm", [9.364, 6.640, 2.118, -3.638, -9.779, 6.056, -2.434, -0.328]),
    ("h2o", [9.703, 5.734, 1.241, -4.918, -9.989, 6.232, -1.811, -0.763]),
    ("tidal_decode", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("quest", [8.885, 5.513, -0.368, -3.590, -8.627, 5.001, -2.809, 0.938]),
    ("flex_prefill", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("fifo", [9.670, 5.105, 0.062, -1.806, -9.324, 5.102, -4.360, -0.269]),
    ("lru", [11.132, 5.119, 1.375, -2.608, -7.447, 4.783, -4.344, -0.556]),
    ("lfu", [11.752, 5.289, 0.617, -2.257, -7.206, 5.058, -2.788, -1.596]),
    ("importance", [10.028, 6.707, 1.005, -3.787, -8.301, 6.248, -4.234, -3.497]),
    ("tova", [9.630, 5.945, 1.037, -0.859, -9.667, 6.319, -4.298, 1.100]),
    ("snap_kv", [7.945, 5.852, 0.155, -1.950, -8.987, 4.535, -3.084, 0.615]),
    ("pyramid_kv", [8.578, 5.606, -0.475, -1.840, -8.295, 4.817, -3.449, 0.107]),
    ("ada_kv", [8.504, 5.162, -0.156, -2.042, -8.719, 4.828, -3.228, 0.721]),
    ("l2_norm", [8.195, 8.133, 0.305, -2.713, -7.745, 5.764, -2.854, -0.336]),
    ("observed_attention", [9.732, 5.819, 1.539, -5.714, -10.620, 6.915, -1.883, -0.333]),
    ("quant_spec", [8.797, 6.394, 1.080, -3.454, -9.424, 5.233, -2.907, -0.183]),
    ("star_attention", [8.693, 6.108, 1.094, -3.332, -9.497, 4.829, -2.569, -0.218]),
    ("round_attention", [8.798, 6.319, 1.137, -3.397, -9.532, 5.235, -2.944, -0.175]),
    ("scope", [10.591, 5.502, -0.486, -3.922, -8.145, 5.446, -2.965, 0.027]),
    ("look_m", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
];

/// The line to record for every row that gives something else than recorded.
pub fn differ(loaded: &Loaded, rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|row| differs(loaded, row)).collect()
}

fn differs(loaded: &Loaded, row: &Row) -> Option<String> {
    let budgets = row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), Value::Number(BUDGET)));
    let cut = row.params.iter().find(|p| p.name == "access_mult").map(|p| (p.name.to_owned(), Value::Number(CUT)));
    let given: Vec<_> = budgets.chain(cut).collect();
    let mut engine = loaded.engine(row.name, &given, None, Store::F32).unwrap();
    let text = tiny::prompt(PROMPT + STEPS);
    engine.start(&text[..PROMPT], Options { max_tokens: STEPS as u32 + 1, ..Options::default() }).unwrap();
    for &id in &text[PROMPT..] {
        engine.next_step().unwrap();
        engine.choose(id).unwrap();
    }
    let logits = engine.logits().unwrap();
    let most = logits.iter().fold(0f32, |most, x| most.max(x.abs()));
    let got = IDS.map(|id| logits[id]);
    let recorded = RECORDED.iter().find(|line| line.0 == row.name);
    let near = |want: &[f32]| got.iter().zip(want).all(|(got, want)| (got - want).abs() <= NEAR * most);
    (!recorded.is_some_and(|line| near(&line.1))).then(|| format!("(\"{}\", {got:.3?}),", row.name))
}
