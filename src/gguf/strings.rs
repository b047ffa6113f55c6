//! A list of strings in one allocation: vocabularies have 10^5 short strings, and 10^5 `String`s cost ten times that.

use std::ops::Range;

/// Strings, one after the other in one buffer.
///
/// ```
/// use attnscope::gguf::Strings;
/// let strings: Strings = ["the", "", "end"].into_iter().collect();
/// assert_eq!((strings.len(), strings.get(2), strings.get(3)), (3, Some("end"), None));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    /// End of each string in `text`; 32 bits hold, the header is capped far below.
    ends: Vec<u32>,
}

impl Strings {
    /// Adds a string.
    pub fn push(&mut self, string: &str) {
        self.text.push_str(string);
        self.ends.push(self.text.len() as u32);
    }

    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// No strings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// String `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.text.get(self.range(index)?)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    fn range(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(index)? as usize;
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1] as usize,
        };
        Some(start..end)
    }
}

impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(iter: I) -> Strings {
        let mut strings = Strings::default();
        iter.into_iter().for_each(|string| strings.push(string.as_ref()));
        strings
    }
}
