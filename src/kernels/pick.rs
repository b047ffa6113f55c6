//! From logits to a token: the best one, or one drawn by temperature, top-k and top-p.
//!
//! Candidates are ranked by logit, of equal ones the lower id first; a number in 0..1 draws among them in the order of
//! their ids. So a back end that finds where candidates end, without sorting, draws the same token, unless the rounding of
//! sums decides.

use super::{argmax, top_k, top_k_in_order};

/// How one token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pick {
    /// What logits are divided by; 0: the best token, whatever else is said.
    pub temperature: f32,
    /// Only so many best tokens are candidates; 0: all.
    pub top_k: u32,
    /// Of these only the fewest best ones whose share of the probability reaches this; 1: all.
    pub top_p: f32,
    /// Which of them: a number in 0..1, as a share of their probability.
    pub draw: f32,
}

/// A chosen token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// Its id.
    pub id: u32,
    /// Whether all logits are finite; if not, the best token was taken.
    pub finite: bool,
}

/// Room to work in, and the candidates found last.
#[derive(Debug, Default)]
pub struct Candidates {
    /// In the order of their ids, with the weight of each: `exp((logit - best) / temperature)`.
    pub weights: Vec<(u32, f32)>,
    best: Vec<u32>,
    ranks: Vec<u32>,
    keys: Vec<u64>,
}

/// Candidates that are sorted first to find where top-p ends; four times as many when they do not reach it.
const FEW: usize = 64;

impl Candidates {
    /// Finds those of `logits`, which are finite, at a temperature above 0.
    pub fn find(&mut self, logits: &[f32], how: &Pick) {
        let max = argmax(logits).map_or(0.0, |best| logits[best]);
        let weight = |id: u32| ((logits[id as usize] - max) / how.temperature).exp();
        let most = if how.top_k > 0 { logits.len().min(how.top_k as usize) } else { logits.len() };
        top_k(logits, most, &mut self.best, &mut self.ranks);
        if how.top_p < 1.0 {
            let reached = f64::from(how.top_p) * self.best.iter().map(|&id| f64::from(weight(id))).sum::<f64>();
            let mut few = FEW;
            loop {
                top_k_in_order(logits, few.min(most), &mut self.best, &mut self.keys);
                let mut sum = 0.0;
                let end = self.best.iter().position(|&id| {
                    sum += f64::from(weight(id));
                    sum >= reached
                });
                match end {
                    Some(last) => self.best.truncate(last + 1),
                    None if few < most => {
                        few *= 4;
                        continue;
                    }
                    None => {}
                }
                break;
            }
            self.best.sort_unstable();
        }
        self.weights.clear();
        self.weights.extend(self.best.iter().map(|&id| (id, weight(id))));
    }

    /// Their weights' sum.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.weights.iter().map(|(_, weight)| f64::from(*weight)).sum()
    }

    /// The token that `how` chooses of `logits`, `[vocabulary]`.
    pub fn pick(&mut self, logits: &[f32], how: &Pick) -> Picked {
        let finite = logits.iter().all(|logit| logit.is_finite());
        if how.temperature <= 0.0 || !finite {
            return Picked { id: argmax(logits).unwrap_or(0) as u32, finite };
        }
        self.find(logits, how);
        Picked { id: self.draw(how.draw), finite }
    }

    /// The candidate in whose share of the weights `draw`, in 0..1, falls.
    #[must_use]
    pub fn draw(&self, draw: f32) -> u32 {
        let mut left = f64::from(draw) * self.total();
        let hit = self.weights.iter().find(|(_, weight)| {
            left -= f64::from(*weight);
            left < 0.0
        });
        hit.or(self.weights.last()).map_or(0, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pick(logits: &[f32], temperature: f32, top_k: u32, top_p: f32, draw: f32) -> Picked {
        Candidates::default().pick(logits, &Pick { temperature, top_k, top_p, draw })
    }

    #[test]
    fn greedy_takes_the_first_of_the_best_and_says_what_is_no_number() {
        assert_eq!(pick(&[0.0, 3.0, 3.0, -1.0], 0.0, 0, 1.0, 0.9), Picked { id: 1, finite: true });
        assert_eq!(pick(&[0.0, f32::NAN, 3.0], 1.0, 0, 1.0, 0.0), Picked { id: 2, finite: false });
        assert_eq!(pick(&[f32::NAN; 2], 0.0, 0, 1.0, 0.0), Picked { id: 0, finite: false });
    }

    #[test]
    fn a_draw_goes_through_the_candidates_by_id() {
        let logits: Vec<f32> = [0.15f32, 0.5, 0.05, 0.3].iter().map(|p| p.ln()).collect();
        let drawn = |top_k, top_p| {
            let ids = (0..100).map(|i| pick(&logits, 1.0, top_k, top_p, (i as f32 + 0.4) / 100.0).id);
            ids.fold([0; 4], |mut n, id| {
                n[id as usize] += 1;
                n
            })
        };
        assert_eq!(drawn(0, 1.0), [15, 50, 5, 30]);
        assert_eq!(drawn(2, 1.0), [0, 63, 0, 37]);
        assert_eq!(drawn(0, 0.79), [0, 63, 0, 37]);
        assert_eq!(drawn(3, 0.6), [0, 63, 0, 37], "top-p is of what top-k left");
        assert_eq!(pick(&[1.0, 1.0, 1.0], 1.0, 1, 1.0, 0.99).id, 0, "of equal ones the lower ids are candidates");
    }

    #[test]
    fn few_sorted_first_are_as_good_as_all() {
        // So even that top-p ends far beyond the first few.
        let logits: Vec<f32> = (0..2000).map(|i| (i * 7919 % 2000) as f32 * 1e-4).collect();
        for top_p in [0.001, 0.3, 0.9, 0.999] {
            let mut found = Candidates::default();
            found.find(&logits, &Pick { temperature: 0.8, top_k: 0, top_p, draw: 0.0 });
            let mut order: Vec<usize> = (0..2000).collect();
            order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
            let weight = |id: &usize| f64::from(((logits[*id] - logits[order[0]]) / 0.8).exp());
            let reached = f64::from(top_p) * order.iter().map(weight).sum::<f64>();
            let mut sum = 0.0;
            let n = order.iter().position(|id| {
                sum += weight(id);
                sum >= reached
            });
            let mut want: Vec<u32> = order[..=n.unwrap()].iter().map(|id| *id as u32).collect();
            want.sort_unstable();
            assert_eq!(found.weights.iter().map(|(id, _)| *id).collect::<Vec<_>>(), want, "top-p {top_p}");
        }
    }
}
