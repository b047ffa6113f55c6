//! From logits to a token: greedy, or by temperature with top-k and top-p.

use crate::{
    Error, Result,
    kernels::{argmax, top_k},
};

/// How tokens are chosen. Temperature 0 is greedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0: always the best token; 1: the model's own distribution.
    pub temperature: f32,
    /// Only so many best tokens are candidates; 0: all.
    pub top_k: u32,
    /// Only the fewest best tokens whose probability reaches this share are candidates; 1: all.
    pub top_p: f32,
    /// Seed of the generator; the same seed gives the same text.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Whether every value is in its range.
    ///
    /// # Errors
    /// [`Error::Param`] for a temperature outside 0 to 100 or a top-p outside 0 (excluded) to 1.
    pub fn check(&self) -> Result<()> {
        let refuse = |name: &str, got: f32, allowed: &str| {
            Err(Error::Param { name: name.into(), got: got.to_string(), allowed: allowed.into() })
        };
        if !(0.0..=100.0).contains(&self.temperature) {
            return refuse("temperature", self.temperature, "0 to 100");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", self.top_p, "above 0, at most 1");
        }
        Ok(())
    }
}

/// A [`Sampling`] with its generator and room to work in.
#[derive(Debug)]
pub struct Sampler {
    how: Sampling,
    random: fastrand::Rng,
    best: Vec<u32>,
    work: Vec<u32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler at the start of its sequence.
    #[must_use]
    pub fn new(how: Sampling) -> Sampler {
        Sampler {
            how,
            random: fastrand::Rng::with_seed(how.seed),
            best: Vec::new(),
            work: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// The next token id for `logits`, `[vocabulary]`.
    pub fn sample(&mut self, logits: &[f32]) -> u32 {
        let best = argmax(logits).unwrap_or(0) as u32;
        if self.how.temperature <= 0.0 {
            return best;
        }
        let max = logits[best as usize];
        let weight = |id: u32| (id, ((logits[id as usize] - max) / self.how.temperature).exp());
        self.candidates.clear();
        if self.how.top_k > 0 {
            top_k(logits, self.how.top_k as usize, &mut self.best, &mut self.work);
            self.candidates.extend(self.best.iter().map(|&id| weight(id)));
        } else {
            self.candidates.extend((0..logits.len() as u32).map(weight));
        }
        // Equal weights in id order, so a seed means the same text everywhere.
        self.candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f32 = self.candidates.iter().map(|c| c.1).sum();
        let mut kept = 0.0;
        let reach = |c: &(u32, f32)| {
            kept += c.1;
            kept >= self.how.top_p * total
        };
        let n = self.candidates.iter().position(reach).map_or(self.candidates.len(), |i| i + 1);
        let candidates = &self.candidates[..n];
        let mut at = self.random.f32() * candidates.iter().map(|c| c.1).sum::<f32>();
        candidates
            .iter()
            .find(|c| {
                at -= c.1;
                at < 0.0
            })
            .or(candidates.last())
            .map_or(best, |c| c.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_the_best() {
        assert_eq!(Sampler::new(Sampling::default()).sample(&[0.0, 3.0, 3.0, -1.0]), 1);
    }

    #[test]
    fn frequencies_follow_the_distribution_within_top_k_and_top_p() {
        let logits: Vec<f32> = [0.5f32, 0.3, 0.15, 0.05].iter().map(|p| p.ln()).collect();
        let count = |top_k, top_p| {
            let mut sampler = Sampler::new(Sampling { temperature: 1.0, top_k, top_p, seed: 9 });
            let mut n = [0u32; 4];
            (0..20_000).for_each(|_| n[sampler.sample(&logits) as usize] += 1);
            n.map(|n| f64::from(n) / 20_000.0)
        };
        let close = |got: [f64; 4], want: [f64; 4]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.015);
        assert!(close(count(0, 1.0), [0.5, 0.3, 0.15, 0.05]));
        assert!(close(count(2, 1.0), [0.625, 0.375, 0.0, 0.0]));
        assert!(close(count(0, 0.79), [0.625, 0.375, 0.0, 0.0]));
    }
}
