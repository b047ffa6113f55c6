//! How tokens are chosen: greedy, or by temperature with top-k and top-p. A back end picks them ([`Pick`]); only drawn
//! guesses need whole distributions here, to be judged.

mod judge;

pub use judge::{Verdict, judge};

use crate::{
    Error, Result,
    kernels::{Candidates, Pick, Picked},
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
    /// The number that draws the next token, until it did: a pass that is run again on another back end draws the same.
    draw: Option<f32>,
    candidates: Candidates,
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
            draw: None,
            candidates: Candidates::default(),
            guessed: Vec::new(),
        }
    }

    /// Where its sequence is, between two tokens.
    #[must_use]
    pub fn state(&self) -> u64 {
        self.random.get_seed()
    }

    /// A sampler that goes on from a [`state`](Sampler::state).
    #[must_use]
    pub fn resumed(how: Sampling, state: u64) -> Sampler {
        Sampler { random: fastrand::Rng::with_seed(state), ..Sampler::new(how) }
    }

    /// What is below the least normal number a device may take for 0.
    fn is_greedy(&self) -> bool {
        self.how.temperature < f32::MIN_POSITIVE
    }

    /// What the back end is to pick after a pass; nothing if the logits are needed here, as by a pass that guesses or
    /// checks guesses that are drawn.
    pub fn ask(&mut self, speculative: bool) -> Option<Pick> {
        if self.is_greedy() {
            return Some(Pick { temperature: 0.0, ..self.by(0.0) });
        }
        let random = &mut self.random;
        (!speculative).then(|| *self.draw.get_or_insert_with(|| random.f32())).map(|draw| self.by(draw))
    }

    fn by(&self, draw: f32) -> Pick {
        let Sampling { temperature, top_k, top_p, .. } = self.how;
        Pick { temperature, top_k, top_p, draw }
    }

    /// The next token: what was picked.
    pub fn sample(&mut self, picked: &[Picked]) -> u32 {
        self.draw = None;
        picked.first().map_or(0, |picked| picked.id)
    }

    /// Adds the distribution that tokens are drawn from after `logits` to `out`.
    fn distribution(&mut self, logits: &[f32], out: &mut Vec<f32>) {
        let how = self.by(0.0);
        self.candidates.find(logits, &how);
        let (first, total) = (out.len(), self.candidates.total());
        out.resize(first + logits.len(), 0.0);
        for (id, weight) in &self.candidates.weights {
            out[first + *id as usize] = (f64::from(*weight) / total) as f32;
        }
    }

    /// Forgets the guesses of a round.
    pub fn begin_round(&mut self) {
        self.guessed.clear();
    }

    /// A guess for the next token: what was picked, or drawn from `logits`, the draft's opinion.
    pub fn guess(&mut self, picked: &[Picked], logits: &[f32]) -> u32 {
        if !self.is_greedy() {
            let mut guessed = std::mem::take(&mut self.guessed);
            self.distribution(logits, &mut guessed);
            self.guessed = guessed;
            return self.candidates.draw(self.random.f32());
        }
        self.sample(picked)
    }

    /// Checks the guesses of this round against what the target picked, `[guesses + 1]`, or its `logits`, `[guesses + 1,
    /// vocabulary]`: how many hold, and the target's own token after them. The text is distributed as if the target alone
    /// had made it.
    pub fn verify(&mut self, guesses: &[u32], picked: &[Picked], logits: &[f32]) -> (u32, u32) {
        if self.is_greedy() {
            let held = guesses.iter().zip(picked).take_while(|(guess, own)| **guess == own.id).count();
            return (held as u32, picked.get(held).map_or(0, |own| own.id));
        }
        let mut target = Vec::new();
        logits.chunks_exact(logits.len() / (guesses.len() + 1)).for_each(|row| self.distribution(row, &mut target));
        let Verdict { held, token, .. } = judge(guesses, &self.guessed, &target, || self.random.f32());
        (held, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_distribution_within_top_k_and_top_p() {
        let logits: Vec<f32> = [0.5f32, 0.3, 0.15, 0.05].iter().map(|p| p.ln()).collect();
        let count = |top_k, top_p| {
            let mut sampler = Sampler::new(Sampling { temperature: 1.0, top_k, top_p, seed: 9 });
            let mut n = [0u32; 4];
            for _ in 0..20_000 {
                let how = sampler.ask(false).unwrap();
                let picked = Candidates::default().pick(&logits, &how);
                n[sampler.sample(&[picked]) as usize] += 1;
            }
            n.map(|n| f64::from(n) / 20_000.0)
        };
        let close = |got: [f64; 4], want: [f64; 4]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.015);
        assert!(close(count(0, 1.0), [0.5, 0.3, 0.15, 0.05]));
        assert!(close(count(2, 1.0), [0.625, 0.375, 0.0, 0.0]));
        assert!(close(count(0, 0.79), [0.625, 0.375, 0.0, 0.0]));
    }

    #[test]
    fn a_pass_that_is_run_again_draws_the_same() {
        let mut sampler = Sampler::new(Sampling { temperature: 1.0, seed: 3, ..Sampling::default() });
        let first = sampler.ask(false);
        assert_eq!(sampler.ask(false), first);
        sampler.sample(&[Picked::default()]);
        assert_ne!(sampler.ask(false), first);
        assert_eq!(sampler.ask(true), None, "drawn guesses are judged by whole distributions");
    }
}
