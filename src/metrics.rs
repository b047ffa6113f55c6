//! What a compressed run lost against the full one. Pure functions; `full` is the run with the full cache, `other` the
//! one under test, both on the same tokens. Divergences and losses are in nats, sums in f64.

use crate::kernels::{argmax, top_k};

/// Keeps a division by the norm of nothing finite.
const LEAST: f64 = 1e-12;

fn norm(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum::<f64>().sqrt()
}

/// `|other - full| / |full|` in the 2-norm: the error of one head's attention output `[head_dim]`, or the drift of the
/// last hidden state `[width]`.
#[must_use]
pub fn relative_error(full: &[f32], other: &[f32]) -> f64 {
    let difference = norm(full.iter().zip(other).map(|(f, o)| f64::from(*o) - f64::from(*f)));
    difference / norm(full.iter().map(|x| f64::from(*x))).max(LEAST)
}

/// Cosine of the angle between two vectors.
#[must_use]
pub fn cosine(full: &[f32], other: &[f32]) -> f64 {
    let product: f64 = full.iter().zip(other).map(|(f, o)| f64::from(*f) * f64::from(*o)).sum();
    let length = |x: &[f32]| norm(x.iter().map(|x| f64::from(*x)));
    product / (length(full) * length(other)).max(LEAST)
}

/// The share of a head's full attention `[slots]` that falls on the slots `kept`, each named once.
#[must_use]
pub fn attention_recall(probabilities: &[f32], kept: impl IntoIterator<Item = usize>) -> f64 {
    kept.into_iter().filter_map(|slot| probabilities.get(slot)).map(|p| f64::from(*p)).sum()
}

/// The most the norm of an attention output can be off at this recall, when no value is longer than `longest`.
#[must_use]
pub fn output_error_bound(recall: f64, longest: f64) -> f64 {
    2.0 * (1.0 - recall) * longest
}

/// Logarithms of the softmax of logits.
#[must_use]
pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - top).exp()).sum();
    logits.iter().map(|x| f64::from(x - top) - sum.ln()).collect()
}

/// Kullback-Leibler divergence of the next-token distributions, KL(full || other), from their logits.
#[must_use]
pub fn kl(full: &[f32], other: &[f32]) -> f64 {
    divergence(&log_softmax(full), &log_softmax(other))
}

/// Jensen-Shannon divergence of the next-token distributions: symmetric, at most ln 2.
#[must_use]
pub fn js(full: &[f32], other: &[f32]) -> f64 {
    let (full, other) = (log_softmax(full), log_softmax(other));
    let middle: Vec<f64> = full.iter().zip(&other).map(|(f, o)| ((f.exp() + o.exp()) / 2.0).ln()).collect();
    (divergence(&full, &middle) + divergence(&other, &middle)) / 2.0
}

/// The sum of `p (ln p - ln q)`; what has no probability adds nothing.
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).filter(|(p, _)| p.exp() > 0.0).map(|(p, q)| p.exp() * (p - q)).sum()
}

/// Negative log likelihood of token `target`; infinite for an id beyond the logits.
#[must_use]
pub fn nll(logits: &[f32], target: usize) -> f64 {
    log_softmax(logits).get(target).map_or(f64::INFINITY, |log| -log)
}

/// The exponential of the mean of negative log likelihoods; of none it is NaN.
#[must_use]
pub fn perplexity(nll: &[f64]) -> f64 {
    (nll.iter().sum::<f64>() / nll.len() as f64).exp()
}

/// How much higher a perplexity is: the difference and the ratio.
#[must_use]
pub fn perplexity_delta(full_nll: &[f64], other_nll: &[f64]) -> (f64, f64) {
    let (full, other) = (perplexity(full_nll), perplexity(other_nll));
    (other - full, other / full)
}

/// Whether both find the same token most likely.
#[must_use]
pub fn top1_agrees(full: &[f32], other: &[f32]) -> bool {
    argmax(full) == argmax(other)
}

/// The share of the `k` likeliest tokens of the full run that are among the `k` likeliest of the other.
#[must_use]
pub fn top_overlap(full: &[f32], other: &[f32], k: usize) -> f64 {
    let (mut best, mut found, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    top_k(full, k, &mut best, &mut scratch);
    top_k(other, k, &mut found, &mut scratch);
    let shared = best.iter().filter(|id| found.binary_search(id).is_ok()).count();
    shared as f64 / best.len().max(1) as f64
}

/// Where two free-running texts part; `None` when neither leaves the other.
#[must_use]
pub fn first_divergence(full: &[u32], other: &[u32]) -> Option<usize> {
    full.iter().zip(other).position(|(f, o)| f != o)
}

/// The share of `references` that are somewhere in `answer`, upper and lower case alike (RULER's string match). A hidden
/// value is the only reference of its question; without references there is nothing to miss.
#[must_use]
pub fn string_match(answer: &str, references: &[&str]) -> f64 {
    let answer = answer.to_lowercase();
    let found = references.iter().filter(|reference| answer.contains(&reference.to_lowercase())).count();
    if references.is_empty() { 1.0 } else { found as f64 / references.len() as f64 }
}

/// 1 when any of `references` is in `answer`, else 0: the same for questions with several right answers.
#[must_use]
pub fn string_match_any(answer: &str, references: &[&str]) -> f64 {
    if string_match(answer, references) > 0.0 { 1.0 } else { 0.0 }
}

/// The share of heads, each given by the ascending positions it still caches, that hold every position of `needle`.
#[must_use]
pub fn needle_survival<'a>(heads: impl IntoIterator<Item = &'a [u32]>, needle: std::ops::Range<u32>) -> f64 {
    let (mut all, mut whole) = (0usize, 0usize);
    for kept in heads {
        all += 1;
        whole += usize::from(needle.clone().all(|position| kept.binary_search(&position).is_ok()));
    }
    whole as f64 / all.max(1) as f64
}

/// What is told of a metric over many cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// 95 of 100 cases are not worse (nearest rank).
    pub p95: f64,
    /// The worst case.
    pub worst: f64,
}

/// Which end of a metric is the bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// Errors, divergences, losses.
    Higher,
    /// Recall, agreement, cosine.
    Lower,
}

/// Mean, 95th percentile towards the worse end and worst of some values; `None` of none.
#[must_use]
pub fn summary(values: &[f64], worse: Worse) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| if worse == Worse::Higher { a.total_cmp(b) } else { b.total_cmp(a) });
    let worst = *sorted.last()?;
    let p95 = sorted[(sorted.len() * 95).div_ceil(100) - 1];
    Some(Summary { mean: values.iter().sum::<f64>() / values.len() as f64, p95, worst })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    // The numbers are in golden/metrics; here is what it does not hold.
    #[test]
    fn words_and_needles() {
        assert_eq!(string_match("The Key is 123.", &["key", "124"]), 0.5);
        assert_eq!(string_match_any("The Key is 123.", &["key", "124"]), 1.0);
        assert_eq!(string_match_any("", &["x"]), 0.0);
        assert_eq!(needle_survival([&[0, 1, 5][..], &[1, 2, 5]], 1..3), 0.5);
        assert_eq!(first_divergence(&[1, 2, 3], &[1, 2, 4]), Some(2));
        assert_eq!(first_divergence(&[1, 2, 3], &[1, 2]), None);
    }

    #[test]
    fn the_ends_of_a_summary() {
        let values: Vec<f64> = (1..=40).map(f64::from).collect();
        assert_eq!(summary(&values, Worse::Higher), Some(Summary { mean: 20.5, p95: 38.0, worst: 40.0 }));
        assert_eq!(summary(&values, Worse::Lower), Some(Summary { mean: 20.5, p95: 3.0, worst: 1.0 }));
        assert_eq!(summary(&[], Worse::Lower), None);
    }

    #[test]
    fn nothing_lost_is_zero_and_no_division_fails() {
        let x = [1.0, -2.0, 0.5];
        assert_eq!((relative_error(&x, &x), kl(&x, &x), js(&x, &x)), (0.0, 0.0, 0.0));
        assert!((cosine(&x, &x) - 1.0).abs() < 1e-15);
        assert_eq!((relative_error(&[0.0; 3], &[0.0; 3]), cosine(&[0.0; 3], &x)), (0.0, 0.0));
        assert!(kl(&[0.0, -1e9], &[0.0, 0.0]) - std::f64::consts::LN_2 < 1e-12);
        assert_eq!(perplexity_delta(&[0.0], &[2f64.ln()]), (1.0, 2.0));
        assert_eq!(nll(&[0.0], 7), f64::INFINITY);
    }
}
