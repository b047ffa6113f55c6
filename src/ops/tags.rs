//! Tags of a text's tokens.

use super::Tag;

/// Tags by original position. A token that was never tagged is text of the same round as the one before.
#[derive(Clone, Debug, Default)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// Tags the tokens from position `first` on.
    pub fn put(&mut self, first: u32, tags: &[Tag]) {
        let (first, end) = (first as usize, first as usize + tags.len());
        let before = Tag { picture: 0, ..self.0.last().copied().unwrap_or_default() };
        self.0.resize(end.max(self.0.len()), before);
        self.0[first..end].copy_from_slice(tags);
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Those that are known.
    #[must_use]
    pub fn known(&self) -> &[Tag] {
        &self.0
    }

    /// Round of a position.
    #[must_use]
    pub fn round(&self, position: u32) -> u16 {
        self.0.get(position as usize).or(self.0.last()).map_or(0, |tag| tag.round)
    }

    /// Whether the token at a position belongs to a picture.
    #[must_use]
    pub fn is_picture(&self, position: u32) -> bool {
        self.0.get(position as usize).is_some_and(|tag| tag.picture > 0)
    }

    /// Tokens from position `from` on that belong to pictures.
    #[must_use]
    pub fn pictures(&self, from: u32) -> u32 {
        self.0.iter().skip(from as usize).filter(|tag| tag.picture > 0).count() as u32
    }
}
