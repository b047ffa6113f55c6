//! From logits to a token: greedy, or by temperature with top-k and top-p.

mod judge;

pub use judge::{Verdict, judge};

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
    /// The distributions of the guesses of this round, `[guesses, vocabulary]`.
    guessed: Vec<f32>,
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
            guessed: Vec::new(),
        }
    }

    /// The next token id for `logits`, `[vocabulary]`.
    pub fn sample(&mut self, logits: &[f32]) -> u32 {
        if self.how.temperature <= 0.0 {
            return argmax(logits).unwrap_or(0) as u32;
        }
        self.weigh(logits);
        let candidates = &self.candidates;
        let mut at = self.random.f32() * candidates.iter().map(|c| c.1).sum::<f32>();
        let hit = candidates.iter().find(|c| {
            at -= c.1;
            at < 0.0
        });
        hit.or(candidates.last()).map_or(0, |c| c.0)
    }

    /// The candidates of `logits` with their weights, best first.
    fn weigh(&mut self, logits: &[f32]) {
        let best = argmax(logits).unwrap_or(0);
        let max = logits[best];
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
        self.candidates.truncate(n);
    }

    /// Adds the distribution that [`sample`](Sampler::sample) draws from to `out`; nothing when it is greedy.
    fn distribution(&mut self, logits: &[f32], out: &mut Vec<f32>) {
        if self.how.temperature > 0.0 {
            self.weigh(logits);
            let (first, total) = (out.len(), self.candidates.iter().map(|c| c.1).sum::<f32>());
            out.resize(first + logits.len(), 0.0);
            for (id, weight) in &self.candidates {
                out[first + *id as usize] = weight / total;
            }
        }
    }

    /// Forgets the guesses of a round.
    pub fn begin_round(&mut self) {
        self.guessed.clear();
    }

    /// A guess for the next token, of which `logits` is the draft's opinion.
    pub fn guess(&mut self, logits: &[f32]) -> u32 {
        let mut guessed = std::mem::take(&mut self.guessed);
        self.distribution(logits, &mut guessed);
        self.guessed = guessed;
        self.sample(logits)
    }

    /// Checks the guesses of this round against the target's `logits`, `[guesses + 1, vocabulary]`: how many hold, and
    /// the target's own token after them. The text is distributed as if the target alone had made it.
    pub fn verify(&mut self, guesses: &[u32], logits: &[f32]) -> (u32, u32) {
        let vocabulary = logits.len() / (guesses.len() + 1);
        if self.how.temperature <= 0.0 {
            let mut own = logits.chunks_exact(vocabulary).map(|row| argmax(row).unwrap_or(0) as u32);
            let mut held = 0;
            for guess in guesses {
                let token = own.next().unwrap_or(0);
                if token != *guess {
                    return (held, token);
                }
                held += 1;
            }
            return (held, own.next().unwrap_or(0));
        }
        let mut target = Vec::new();
        logits.chunks_exact(vocabulary).for_each(|row| self.distribution(row, &mut target));
        let Verdict { held, token, .. } = judge(guesses, &self.guessed, &target, || self.random.f32());
        (held, token)
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
