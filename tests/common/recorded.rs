//! What each method generates on the tiny model with keys and values in f32: recorded natively, so that a build for
//! another instruction set is compared with something else than itself.

use super::tiny;
use attnscope::{
    cache::Store,
    engine::{Options, Progress},
    loader::Loaded,
    methods::{Row, Value},
};

const TOKENS: usize = 12;
const BUDGET: f64 = 16.0;
/// Logits nearer than this share of the largest may change places: another order of summation can move the rounding of
/// an 8-bit activation.
const TIE: f32 = 1e-2;

/// Ids by method, each fed to the next pass whatever that pass's own proposal is.
const RECORDED: &[(&str, [u32; TOKENS])] = &[];

/// Fails where `row` generates something else than recorded, with the line to record.
pub fn check(loaded: &Loaded, row: &Row) {
    let budgets = row.params.iter().filter(|p| p.is_budget).map(|p| (p.name.to_owned(), Value::Number(BUDGET)));
    let mut engine = loaded.engine(row.name, &budgets.collect::<Vec<_>>(), None, Store::F32).unwrap();
    engine.start(&tiny::prompt(140), Options { max_tokens: TOKENS as u32, ..Options::default() }).unwrap();
    let recorded = RECORDED.iter().find(|line| line.0 == row.name).map(|line| line.1);
    let (mut made, mut far) = (Vec::new(), 0f32);
    while made.len() < TOKENS {
        let step = match engine.advance().unwrap() {
            Progress::Working => continue,
            Progress::Done => break,
            Progress::Step(step) => step,
        };
        if let Some(ids) = recorded {
            let (want, logits) = (ids[made.len()], engine.logits().unwrap());
            let most = logits.iter().fold(0f32, |most, x| most.max(x.abs()));
            far = far.max((logits[step.id as usize] - logits[want as usize]) / most);
            engine.choose(want).unwrap();
        }
        made.push(step.id);
    }
    assert!(recorded.is_some() && far <= TIE, "(\"{}\", {made:?}), // {far} of the largest logit apart", row.name);
}
