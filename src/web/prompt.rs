//! A prompt as it crosses the border: token ids, and the positions where rounds and pictures begin.

use crate::{
    Error, Result,
    engine::Prompt,
    ops::{ROW, Tag},
};
use serde::Serialize;
use tsify::Tsify;

/// A prompt in tokens.
#[derive(Serialize, Tsify)]
pub(super) struct PromptTokens {
    /// Ids; 4294967295 where a row of a picture stands.
    ids: Vec<u32>,
    /// Positions at which a round begins, the first 0.
    rounds: Vec<u32>,
    /// Positions at which a picture begins.
    pictures: Vec<u32>,
}

impl From<Prompt> for PromptTokens {
    fn from(prompt: Prompt) -> PromptTokens {
        PromptTokens { ids: prompt.ids().to_vec(), rounds: prompt.rounds(), pictures: prompt.picture_starts() }
    }
}

/// The prompt of `ids` whose rounds begin at `rounds`, none given: one round; with pictures from `pictures` on, for as long
/// as an id says that a row stands there. `rows` are those, one after the other.
///
/// # Errors
/// [`Error::Param`] for rounds that do not ascend from 0 or begin beyond the ids, and pictures that do not ascend or have no
/// row.
pub(super) fn prompt(ids: &[u32], rounds: &[u32], pictures: &[u32], rows: &[f32]) -> Result<Prompt> {
    let (first, last) = (rounds.first().unwrap_or(&0), rounds.last().unwrap_or(&0));
    if *first != 0 || !rounds.is_sorted_by(|a, b| a < b) || (*last as usize >= ids.len() && !rounds.is_empty()) {
        let allowed = format!("positions that ascend from 0, below the {} ids", ids.len());
        return Err(Error::Param { name: "rounds".into(), got: format!("{rounds:?}"), allowed });
    }
    let stands = |at: &u32| ids.get(*at as usize) == Some(&ROW);
    if !pictures.is_sorted_by(|a, b| a < b) || !pictures.iter().all(stands) {
        let allowed = "positions of rows that ascend".to_owned();
        return Err(Error::Param { name: "pictures".into(), got: format!("{pictures:?}"), allowed });
    }
    let count = ids.iter().filter(|&&id| id == ROW).count();
    let width = rows.len().checked_div(count).unwrap_or(0);
    if rows.len() != count * width {
        let want = format!("numbers for {count} rows");
        return Err(Error::Shape { op: "prompt", want, got: rows.len().to_string() });
    }
    let (mut prompt, mut rows) = (Prompt::default(), rows);
    let begins = |at: usize| [rounds, pictures].iter().any(|list| list.binary_search(&(at as u32)).is_ok());
    let is_edge = |at: usize| at == 0 || begins(at) || (ids[at - 1] == ROW) != (ids[at] == ROW);
    let cuts: Vec<usize> = (0..ids.len()).filter(|at| is_edge(*at)).chain([ids.len()]).collect();
    for cut in cuts.windows(2) {
        let newest = |of: &[u32]| of.partition_point(|&first| first as usize <= cut[0]).min(u16::MAX.into()) as u16;
        let (round, own) = (newest(rounds).saturating_sub(1), &ids[cut[0]..cut[1]]);
        if own.first() == Some(&ROW) {
            let (these, rest) = rows.split_at(own.len() * width);
            prompt.append_embeddings(these, width as u32, Tag { round, picture: newest(pictures) });
            rows = rest;
        } else {
            prompt.append_ids(own, Tag { round, picture: 0 });
        }
    }
    Ok(prompt)
}
