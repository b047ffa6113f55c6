//! A prompt as it crosses the border: token ids, and the positions where rounds begin.

use crate::{Error, Result, engine::Prompt, ops::Tag};
use serde::Serialize;
use tsify::Tsify;

/// A prompt in tokens.
#[derive(Serialize, Tsify)]
pub(super) struct PromptTokens {
    ids: Vec<u32>,
    /// Positions at which a round begins, the first 0.
    rounds: Vec<u32>,
}

impl From<Prompt> for PromptTokens {
    fn from(prompt: Prompt) -> PromptTokens {
        PromptTokens { ids: prompt.ids().to_vec(), rounds: prompt.rounds() }
    }
}

/// The prompt of `ids` whose rounds begin at `rounds`; none given: one round.
///
/// # Errors
/// [`Error::Param`] for rounds that do not ascend from 0 or begin beyond the ids.
pub(super) fn prompt(ids: &[u32], rounds: &[u32]) -> Result<Prompt> {
    let (first, last) = (rounds.first().unwrap_or(&0), rounds.last().unwrap_or(&0));
    if *first != 0 || !rounds.is_sorted_by(|a, b| a < b) || (*last as usize >= ids.len() && !rounds.is_empty()) {
        let allowed = format!("positions that ascend from 0, below the {} ids", ids.len());
        return Err(Error::Param { name: "rounds".into(), got: format!("{rounds:?}"), allowed });
    }
    let mut prompt = Prompt::default();
    let ends = rounds.iter().skip(1).map(|&end| end as usize).chain([ids.len()]);
    let mut begin = 0;
    for (end, round) in ends.zip((0..u16::MAX).chain(std::iter::repeat(u16::MAX))) {
        prompt.append_ids(&ids[begin..end], Tag { round, picture: 0 });
        begin = end;
    }
    Ok(prompt)
}
