//! What a text begins with, or goes on with in a further turn: token ids and rows that another model made.

use crate::{
    Error, Result,
    ops::{ROW, Tag},
};

/// Token ids and embedding rows in order, each position with its [`Tag`]. Rounds are counted from 0 within the prompt, and
/// pictures from 1; the engine counts on from those that the text already has. Plain ids are one round of text:
///
/// ```
/// use attnscope::{engine::Prompt, ops::Tag};
/// let mut prompt = Prompt::from(&[1, 2, 3]);
/// prompt.append_embeddings(&[0.5; 8], 4, Tag { round: 0, picture: 1 });
/// assert_eq!(prompt.len(), 5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    pub(super) ids: Vec<u32>,
    pub(super) tags: Vec<Tag>,
    /// The embedding rows one after the other, and the width each was said to have.
    pub(super) rows: Vec<f32>,
    width: Option<u32>,
}

impl Prompt {
    /// Appends token ids that share a tag.
    pub fn append_ids(&mut self, ids: &[u32], tag: Tag) {
        self.ids.extend_from_slice(ids);
        self.tags.resize(self.ids.len(), tag);
    }

    /// Appends rows `[count, width]` that stand where embeddings of tokens do, as a vision tower makes them. An
    /// incomplete last row is refused when the prompt is used, as is any other width than the model's.
    pub fn append_embeddings(&mut self, rows: &[f32], width: u32, tag: Tag) {
        let count = rows.len().div_ceil(width.max(1) as usize);
        self.width = Some(self.width.map_or(width, |before| if before == width { width } else { 0 }));
        self.rows.extend_from_slice(rows);
        self.ids.resize(self.ids.len() + count, ROW);
        self.tags.resize(self.ids.len(), tag);
    }

    /// Positions.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Token ids; [`ROW`] where an embedding row stands.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Positions at which a round begins, the first 0.
    #[must_use]
    pub fn rounds(&self) -> Vec<u32> {
        let begins = |at: &usize| *at == 0 || self.tags[*at].round != self.tags[*at - 1].round;
        (0..self.tags.len()).filter(begins).map(|at| at as u32).collect()
    }

    /// Positions at which a picture begins.
    #[must_use]
    pub fn picture_starts(&self) -> Vec<u32> {
        let before = |at: usize| at.checked_sub(1).map_or(0, |before| self.tags[before].picture);
        let begins = |at: &usize| self.tags[*at].picture > 0 && self.tags[*at].picture != before(*at);
        (0..self.tags.len()).filter(begins).map(|at| at as u32).collect()
    }

    /// Positions that belong to a picture.
    #[must_use]
    pub fn pictures(&self) -> u32 {
        self.tags.iter().filter(|tag| tag.picture > 0).count() as u32
    }

    /// What is before a position, and what is from there on. A position inside a run of embedding rows cuts the run.
    #[must_use]
    pub fn split(mut self, at: u32) -> (Prompt, Prompt) {
        let at = at.min(self.len()) as usize;
        let rows = self.ids[..at].iter().filter(|&&id| id == ROW).count() * self.width.unwrap_or(0) as usize;
        let after = Prompt {
            ids: self.ids.split_off(at),
            tags: self.tags.split_off(at),
            rows: self.rows.split_off(rows.min(self.rows.len())),
            width: self.width,
        };
        (self, after)
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Refuses what a model with `vocabulary` tokens and rows of `width` cannot read.
    pub(super) fn check(&self, vocabulary: u32, width: u32) -> Result<()> {
        if self.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let rows = self.ids.iter().filter(|&&id| id == ROW).count();
        if self.width.is_some_and(|own| own != width) || self.rows.len() != rows * width as usize {
            let (want, got) = (format!("embedding rows of width {width}"), format!("{} numbers", self.rows.len()));
            return Err(Error::Shape { op: "prompt", want, got });
        }
        if self.rows.iter().any(|x| !x.is_finite()) {
            let (want, got) = ("finite numbers".to_owned(), "an infinity or no number".to_owned());
            return Err(Error::Shape { op: "prompt", want, got });
        }
        match self.ids.iter().find(|&&id| id >= vocabulary && id != ROW) {
            Some(&got) => Err(Error::TokenId { got, vocabulary }),
            None => Ok(()),
        }
    }
}

impl From<&[u32]> for Prompt {
    fn from(ids: &[u32]) -> Prompt {
        let mut prompt = Prompt::default();
        prompt.append_ids(ids, Tag::default());
        prompt
    }
}

impl From<&Vec<u32>> for Prompt {
    fn from(ids: &Vec<u32>) -> Prompt {
        ids.as_slice().into()
    }
}

impl<const N: usize> From<&[u32; N]> for Prompt {
    fn from(ids: &[u32; N]) -> Prompt {
        ids.as_slice().into()
    }
}
