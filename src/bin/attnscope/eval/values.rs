//! What is measured of the answers, token by token.

use super::suite::Suite;
use attnscope::{
    metrics::{self, Worse},
    ops::Missed,
};
use std::collections::BTreeMap;

/// Metrics by name, each with its values: one a token, or one a case.
pub type Values = BTreeMap<String, Vec<f64>>;

/// Which end of a metric is the bad one.
pub fn worse(name: &str) -> Worse {
    match name {
        "exact" | "found" | "found_given_full" | "top1" | "top5" | "same_text" | "acceptance" | "attention_recall" => {
            Worse::Lower
        }
        _ => Worse::Higher,
    }
}

/// Takes the logits of an answer, one token after another.
pub struct Collect<'a> {
    suite: Suite,
    /// Logits of full attention after the same tokens.
    full: Option<&'a [Vec<f32>]>,
    values: Values,
    steps: usize,
}

impl<'a> Collect<'a> {
    /// For an answer of a suite; `full` are the logits of full attention, which some suites compare with.
    pub fn new(suite: Suite, full: Option<&'a [Vec<f32>]>) -> Collect<'a> {
        Collect { suite, full, values: Values::new(), steps: 0 }
    }

    /// Logits before token `gold`.
    pub fn step(&mut self, logits: &[f32], gold: u32) {
        let mut put = |name: &str, value: f64| self.values.entry(name.to_owned()).or_default().push(value);
        let gold = gold as usize;
        put("nll", metrics::nll(logits, gold));
        if let Some(full) = self.full.and_then(|full| full.get(self.steps)) {
            put("nll_full", metrics::nll(full, gold));
            put("kl", metrics::kl(full, logits));
            put("js", metrics::js(full, logits));
            put("top1", f64::from(u8::from(metrics::top1_agrees(full, logits))));
            put("top5", metrics::top_overlap(full, logits, 5));
        } else if let Some(&score) = logits.get(gold) {
            // Ties go to the lower id, as in a greedy choice.
            let before = |(id, &x): (usize, &f32)| x > score || (x == score && id < gold);
            put("rank", logits.iter().enumerate().filter(|l| before(*l)).count() as f64);
        }
        self.steps += 1;
    }

    /// The values. A hidden value was found (`found`) when each of its digits is the best token while the right ones are
    /// fed. When all of the answer is, the `blank` tokens before the digits too, free-running greedy text repeats it
    /// exactly (`exact`): up to its first error a free text feeds the right ones too. `missed` are the comparisons of
    /// attention on the way.
    pub fn finish(mut self, missed: &[Missed], blank: usize) -> Values {
        if !self.suite.compares() && self.suite != Suite::Speed {
            let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len().max(1) as f64;
            let nll = mean(self.values.get("nll").map_or(&[], Vec::as_slice));
            let ranks = self.values.get("rank").map_or(&[][..], Vec::as_slice);
            let rank = ranks.iter().copied().fold(0.0, f64::max);
            let best = |ranks: &[f64]| f64::from(u8::from(!ranks.is_empty() && ranks.iter().all(|rank| *rank == 0.0)));
            let (exact, found) = (best(ranks), best(&ranks[blank.min(ranks.len())..]));
            self.values = [("exact", exact), ("found", found), ("nll", nll), ("rank", rank)]
                .map(|(name, value)| (name.to_owned(), vec![value]))
                .into();
        }
        if !missed.is_empty() {
            let all = |of: fn(&Missed) -> f32| missed.iter().map(|missed| f64::from(of(missed))).collect();
            self.values.insert("attention_recall".to_owned(), all(|missed| missed.recall));
            self.values.insert("output_error".to_owned(), all(|missed| missed.error));
        }
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_when_all_its_tokens_are_best() {
        let logits = [[0.0, 2.0, 1.0], [3.0, 0.0, 3.0]];
        let found = |gold: [u32; 2]| {
            let mut collect = Collect::new(Suite::Passkey, None);
            logits.iter().zip(gold).for_each(|(logits, gold)| collect.step(logits, gold));
            let values = collect.finish(&[], 1);
            [values["exact"][0], values["found"][0], values["rank"][0]]
        };
        assert_eq!(found([1, 0]), [1.0, 1.0, 0.0]);
        assert_eq!(found([1, 2]), [0.0, 0.0, 1.0]);
        assert_eq!(found([0, 0]), [0.0, 1.0, 2.0], "the first token is blank");
        let none = Collect::new(Suite::Keys, None).finish(&[], 0);
        assert_eq!((&none["exact"], &none["found"]), (&vec![0.0], &vec![0.0]));
    }

    #[test]
    fn text_is_compared_with_full_attention() {
        let full = [vec![0.0, 2.0, 1.0]];
        let mut collect = Collect::new(Suite::Text, Some(&full));
        collect.step(&[0.0, 1.0, 2.0], 1);
        let values = collect.finish(&[Missed { recall: 0.75, error: 0.5 }], 0);
        assert_eq!((values["top1"][0], values["top5"][0]), (0.0, 1.0));
        assert_eq!((values["attention_recall"][0], values["output_error"][0]), (0.75, 0.5));
        assert!(values["kl"][0] > 0.0 && values["nll"][0] > values["nll_full"][0]);
    }
}
