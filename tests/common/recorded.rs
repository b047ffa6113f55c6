//! Logits of each method on the tiny model with keys and values in f32: recorded natively, so that a build for another
//! instruction set is compared with something else than itself. The text is forced: left alone it soon repeats itself.

use super::tiny;
use attnscope::{
    cache::Store,
    engine::{Options, Progress},
    loader::Loaded,
    methods::{Row, Value},
};

const PROMPT: usize = 140;
const STEPS: usize = 12;
const BUDGET: f64 = 16.0;
/// Share of the largest logit: another order of summation can move the rounding of an activation.
const NEAR: f32 = 1e-2;
/// The same where that made a method keep or read one other row. The tiny model attends almost evenly: of the weights
/// that LRU and LFU compare with their cut in these runs one in ten of those within a tenth of it is within a hundredth,
/// so some decisions fall differently where products are added in another order. Other rows altogether are farther away.
const TIE: f32 = 5e-2;
/// One in so many methods may meet such a tie.
const FEW: usize = 8;
/// Ids whose logits are recorded.
const IDS: [usize; 8] = [0, 32, 64, 96, 128, 160, 192, 224];

/// By method, after the last step.
const RECORDED: &[(&str, [f32; IDS.len()])] = &[
    ("full", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("streaming_llm", [9.364, 6.640, 2.118, -3.638, -9.779, 6.056, -2.434, -0.328]),
    ("h2o", [9.703, 5.734, 1.241, -4.918, -9.989, 6.232, -1.811, -0.763]),
    ("tidal_decode", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("quest", [8.360, 6.004, 1.223, -5.934, -10.317, 7.388, -4.022, -1.829]),
    ("flex_prefill", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("fifo", [9.670, 5.105, 0.062, -1.806, -9.324, 5.102, -4.360, -0.269]),
    ("lru", [10.104, 7.236, 1.735, -3.155, -7.841, 4.662, -3.836, 0.034]),
    ("lfu", [9.083, 6.897, 1.967, -3.135, -7.692, 5.009, -2.734, -2.062]),
    ("importance", [10.028, 6.707, 1.005, -3.787, -8.301, 6.248, -4.234, -3.497]),
    ("tova", [9.630, 5.945, 1.037, -0.859, -9.667, 6.319, -4.298, 1.100]),
    ("snap_kv", [7.945, 5.852, 0.155, -1.950, -8.987, 4.535, -3.084, 0.615]),
    ("pyramid_kv", [8.578, 5.606, -0.475, -1.840, -8.295, 4.817, -3.449, 0.107]),
    ("ada_kv", [8.504, 5.162, -0.156, -2.042, -8.719, 4.828, -3.228, 0.721]),
    ("l2_norm", [8.195, 8.133, 0.305, -2.713, -7.745, 5.764, -2.854, -0.336]),
    ("observed_attention", [9.732, 5.819, 1.539, -5.714, -10.620, 6.915, -1.883, -0.333]),
    ("quant_spec", [8.797, 6.394, 1.080, -3.454, -9.424, 5.233, -2.907, -0.183]),
    ("scope", [10.591, 5.502, -0.486, -3.922, -8.145, 5.446, -2.965, 0.027]),
    ("look_m", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
];

/// The line to record for every row that gives something else than recorded.
pub fn differ(loaded: &Loaded, rows: &[Row]) -> Vec<String> {
    let measured: Vec<_> = rows.iter().map(|row| measure(loaded, row)).collect();
    let ties = measured.iter().filter(|row| row.0 > NEAR).count();
    let most = if ties > rows.len().div_ceil(FEW) { NEAR } else { TIE };
    measured.into_iter().filter_map(|(far, line)| (far > most).then_some(line)).collect()
}

/// How far a row is from what is recorded, as a share of the largest logit, and the line to record.
fn measure(loaded: &Loaded, row: &Row) -> (f32, String) {
    let budgets = row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), Value::Number(BUDGET)));
    let mut engine = loaded.engine(row.name, &budgets.collect::<Vec<_>>(), None, Store::F32).unwrap();
    let text = tiny::prompt(PROMPT + STEPS);
    engine.start(&text[..PROMPT], Options { max_tokens: STEPS as u32 + 1, ..Options::default() }).unwrap();
    for &id in &text[PROMPT..] {
        while !matches!(engine.advance().unwrap(), Progress::Step(_)) {}
        engine.choose(id).unwrap();
    }
    let logits = engine.logits().unwrap();
    let most = logits.iter().fold(0f32, |most, x| most.max(x.abs()));
    let got = IDS.map(|id| logits[id]);
    let recorded = RECORDED.iter().find(|line| line.0 == row.name);
    let far = |want: &[f32]| got.iter().zip(want).map(|(got, want)| (got - want).abs() / most).fold(0.0, f32::max);
    (recorded.map_or(f32::INFINITY, |line| far(&line.1)), format!("(\"{}\", {got:.3?}),", row.name))
}
