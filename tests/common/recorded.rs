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
/// Share of the largest logit: another order of summation can move the rounding of an 8-bit activation.
const TOLERANCE: f32 = 1e-2;
/// Ids whose logits are recorded.
const IDS: [usize; 8] = [0, 32, 64, 96, 128, 160, 192, 224];

/// By method, after the last step.
const RECORDED: &[(&str, [f32; IDS.len()])] = &[
    ("full", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("streaming_llm", [9.364, 6.640, 2.118, -3.638, -9.779, 6.056, -2.434, -0.328]),
    ("h2o", [9.703, 5.734, 1.241, -4.918, -9.989, 6.232, -1.811, -0.763]),
    ("tidal_decode", [8.765, 6.359, 1.108, -3.355, -9.573, 5.301, -2.944, -0.237]),
    ("fifo", [9.670, 5.105, 0.062, -1.806, -9.324, 5.102, -4.360, -0.269]),
    ("lru", [10.104, 7.236, 1.735, -3.155, -7.841, 4.662, -3.836, 0.034]),
    ("lfu", [9.083, 6.897, 1.967, -3.135, -7.692, 5.009, -2.734, -2.062]),
    ("importance", [10.028, 6.707, 1.005, -3.787, -8.301, 6.248, -4.234, -3.497]),
];

/// The line to record for every row that gives something else than recorded.
pub fn differ(loaded: &Loaded, rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|row| differs(loaded, row)).collect()
}

fn differs(loaded: &Loaded, row: &Row) -> Option<String> {
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
    let near = |want: &[f32]| got.iter().zip(want).all(|(got, want)| (got - want).abs() <= TOLERANCE * most);
    (!recorded.is_some_and(|line| near(&line.1))).then(|| format!("(\"{}\", {got:.3?}),", row.name))
}
