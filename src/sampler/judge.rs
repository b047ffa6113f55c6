//! Speculative sampling: which guesses of a draft hold, so that the text is distributed as the target's own.
//!
//! The standard rule (arXiv 2211.17192, 2302.01318): a guess holds with probability min(1, p / q); after the first that
//! does not, a token is drawn from what the target has more of than the draft.

/// What became of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Guesses that hold, the first so many.
    pub held: u32,
    /// The token after them.
    pub token: u32,
    /// What it was drawn from, `[vocabulary]`, not normalised.
    pub from: Vec<f32>,
}

/// Judges `guesses` drawn from `draft` `[guesses, vocabulary]` by `target` `[guesses + 1, vocabulary]`. `random` gives
/// numbers in 0..1: one a guess until one fails, then one for the token.
pub fn judge(guesses: &[u32], draft: &[f32], target: &[f32], mut random: impl FnMut() -> f32) -> Verdict {
    let vocabulary = target.len() / (guesses.len() + 1);
    let row = |of: &[f32], i: usize| of[i * vocabulary..][..vocabulary].to_vec();
    let mut holds = |(i, guess): (usize, &u32)| {
        let at = i * vocabulary + *guess as usize;
        random() < (target[at] / draft[at]).min(1.0)
    };
    let held = guesses.iter().enumerate().position(|guess| !holds(guess)).unwrap_or(guesses.len());
    let mut from = row(target, held);
    if held < guesses.len() {
        from.iter_mut().zip(row(draft, held)).for_each(|(p, q)| *p = (*p - q).max(0.0));
        if from.iter().all(|p| *p == 0.0) {
            // The two agree to the last bit, and the guess failed by rounding alone.
            from = row(target, held);
        }
    }
    let total: f64 = from.iter().map(|p| f64::from(*p)).sum();
    let mut left = f64::from(random()) * total;
    let hit = from.iter().position(|p| {
        left -= f64::from(*p);
        left < 0.0
    });
    let last = from.iter().rposition(|p| *p > 0.0).unwrap_or(0);
    Verdict { held: held as u32, token: hit.unwrap_or(last) as u32, from }
}
