//! `real_model`: the real file against an independent float32 implementation. Mean KL over the continuation is at
//! most 0.01 nats (`docs/numerics.md`); greedy ids differ only where the reference's two best tokens are within 0.3. On a
//! GPU the first tokens of short prompts alone: software adapters make about one a second.

use super::{Case, On};
use crate::common::{load_model, report};
use attnscope::{
    engine::{Engine, Options},
    loader::Loaded,
    metrics::log_softmax,
};
use std::sync::OnceLock;

/// Longest prompt that a GPU runs here: one of 464 tokens takes minutes where a processor draws.
const MOST_ON_GPU: usize = 64;

/// The model, loaded once for all cases.
pub fn model() -> &'static Loaded {
    static MODEL: OnceLock<Loaded> = OnceLock::new();
    MODEL.get_or_init(load_model)
}

/// Runs to the next step.
pub fn step(engine: &mut Engine) -> u32 {
    let Some(step) = engine.next_step().unwrap() else { panic!("ended early") };
    step.id
}

/// KL(reference || ours) in nats over the listed tokens and the rest as one bin.
fn divergence(ids: &[i32], reference: &[f32], ours: &[f64]) -> f64 {
    let p: Vec<f64> = reference.iter().map(|&x| f64::from(x).exp()).collect();
    let q: Vec<f64> = ids.iter().map(|&id| ours[id as usize].exp()).collect();
    let rest = |x: &[f64]| (1.0 - x.iter().sum::<f64>()).max(1e-12);
    let bins = p.iter().zip(&q).map(|(&p, &q)| (p, q)).chain([(rest(&p), rest(&q))]);
    bins.map(|(p, q)| if p > 0.0 { p * (p / q.max(1e-300)).ln() } else { 0.0 }).sum()
}

pub fn run(case: &Case) {
    let loaded = model();
    let prompt: Vec<u32> = case.ints("prompt_ids").iter().map(|&id| id as u32).collect();
    let text = String::from_utf8(case.bytes("prompt_utf8")).unwrap();
    assert_eq!(loaded.tokenizer.encode(&text, true).unwrap(), prompt, "{} prompt ids", case.name);
    let greedy = case.ints("greedy_ids");
    let (top_ids, top) = (case.ints("top8_ids"), case.floats("top8_logprobs"));
    let width = top.len() / greedy.len();

    if !matches!(case.on, On::Cpu) && prompt.len() > MOST_ON_GPU {
        report(&format!("golden real_model {}: not on the GPU, its prompt has {} tokens", case.name, prompt.len()));
        return;
    }
    let (mut engine, tokens) = case.on.real_model(loaded, greedy.len());
    engine.start(&prompt, Options { max_tokens: tokens as u32, ..Options::default() }).unwrap();
    let (mut total, mut ties) = (0.0, 0);
    for (i, &want) in greedy[..tokens].iter().enumerate() {
        let got = step(&mut engine);
        let ours = log_softmax(engine.logits().unwrap());
        if i == 0 {
            let reference = log_softmax(&case.floats("last_logits"));
            let kl: f64 = reference.iter().zip(&ours).map(|(p, q)| p.exp() * (p - q)).sum();
            assert!(kl <= 0.01, "{}: KL at the last prompt position {kl}", case.name);
        }
        let row = i * width..(i + 1) * width;
        total += divergence(&top_ids[row.clone()], &top[row.clone()], &ours);
        if got != want as u32 {
            let gap = top[row.start] - top[row.start + 1];
            assert!(gap < 0.3, "{}: token {i} is {got}, want {want}; the reference's gap is {gap}", case.name);
            ties += 1;
        }
        engine.choose(want as u32).unwrap();
    }
    let mean = total / tokens as f64;
    report(&format!("golden real_model {}: {tokens} tokens, mean KL {mean:.5}, {ties} near-ties", case.name));
    assert!(mean <= 0.01, "{}: mean KL {mean} nats", case.name);
}
