//! Tokens that are found in the text as a whole, before any splitting.

use std::{cmp::Reverse, collections::HashMap};

/// Kinds of `tokenizer.ggml.token_type`.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// Most control and user-defined tokens of a file: all that begin with the same byte are compared at every such byte
/// of a text. Models in use have up to some 2,000.
pub(super) const MOST: usize = 1 << 13;

struct Special {
    text: String,
    id: u32,
    control: bool,
}

/// Control and user-defined tokens.
#[derive(Default)]
pub(super) struct Specials {
    /// By first byte; in each, longest first, so that the longest match wins.
    by_first: HashMap<u8, Vec<Special>>,
    /// Ids of control tokens, ascending.
    control: Vec<u32>,
}

impl Specials {
    /// From the tokens of a file as `(id, text, kind)`, in ascending order of `id`. Ordinary and empty tokens are left
    /// out. Fails with how many there are when that is more than [`MOST`].
    pub fn new<'a>(tokens: impl Iterator<Item = (u32, &'a str, i64)>) -> Result<Specials, usize> {
        let (mut specials, mut count) = (Specials::default(), 0);
        for (id, text, kind) in tokens {
            let control = kind == CONTROL;
            if control {
                specials.control.push(id);
            }
            let Some(&first) = text.as_bytes().first() else { continue };
            if !control && kind != USER_DEFINED {
                continue;
            }
            count += 1;
            if count <= MOST {
                let text = text.to_owned();
                specials.by_first.entry(first).or_default().push(Special { text, id, control });
            }
        }
        // Stable: of equal texts the first id comes first.
        for same in specials.by_first.values_mut() {
            same.sort_by_key(|special| Reverse(special.text.len()));
        }
        if count <= MOST { Ok(specials) } else { Err(count) }
    }

    pub fn is_control(&self, id: u32) -> bool {
        self.control.binary_search(&id).is_ok()
    }

    /// The control token written `text`.
    pub fn control_id(&self, text: &str) -> Option<u32> {
        let same = self.by_first.get(text.as_bytes().first()?)?;
        same.iter().find(|special| special.control && special.text == text).map(|special| special.id)
    }

    /// Cuts `text` into plain parts, each with the special that follows it (none after the last). Control tokens count
    /// only if `control`.
    pub fn split<'a>(&self, text: &'a str, control: bool) -> Vec<(&'a str, Option<u32>)> {
        let mut parts = Vec::new();
        let (mut plain, mut at) = (0, 0);
        while let Some(byte) = text.as_bytes().get(at) {
            let found = self.by_first.get(byte).and_then(|same| {
                same.iter().find(|special| {
                    (control || !special.control) && text.as_bytes()[at..].starts_with(special.text.as_bytes())
                })
            });
            match found {
                Some(special) => {
                    parts.push((&text[plain..at], Some(special.id)));
                    at += special.text.len();
                    plain = at;
                }
                None => at += 1,
            }
        }
        parts.push((&text[plain..], None));
        parts
    }
}
