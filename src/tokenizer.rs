//! Text to token ids and back: the byte-level BPE that a model file describes.
//!
//! Merging and splitting are the `tokenizers` crate's; this module builds its parts from the metadata of a file, keeps
//! them lean (no encodings, offsets or second copies of the vocabulary) and checks everything the crate takes on trust.
//!
//! ```text
//! text ─> specials cut out ─> pre (words) ─> bytes as letters ─> BPE ─> ids
//! ids ─> pieces (bytes) ─> Detokenizer (whole characters)
//! ```

mod build;
pub mod bytes;
mod detokenizer;
mod pre;
mod specials;

pub use detokenizer::Detokenizer;

use crate::gguf::Metadata;
use crate::{Error, Result};
use pre::Pre;
use specials::Specials;
use tokenizers::models::bpe::BPE;
use tokenizers::{Model, OffsetReferential, OffsetType, PreTokenizedString};

/// The tokenizer of a model file.
pub struct Tokenizer {
    bpe: BPE,
    pre: Pre,
    specials: Specials,
    /// Bytes of all tokens, by id, one after the other.
    pieces: Vec<u8>,
    /// End of each token in `pieces`.
    ends: Vec<u32>,
    bos: Option<u32>,
    eos: Vec<u32>,
    add_bos: bool,
}

impl Tokenizer {
    /// Builds the tokenizer that `metadata` (keys `tokenizer.ggml.*`) describes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another model than byte-level BPE (`gpt2`) or a pre-tokeniser not known here;
    /// [`Error::File`] naming the key for a vocabulary, merge or id that does not fit the others.
    pub fn from_metadata(metadata: &Metadata) -> Result<Tokenizer> {
        build::tokenizer(metadata)
    }

    /// The ids of `text`. Nothing is added: see [`Tokenizer::begin`] for the token that begins a text.
    ///
    /// With `parse_special`, control tokens written in the text (`<|im_start|>`) become their ids; without, they are
    /// read as letters, which is right for text from strangers. Tokens the file calls user-defined are always found.
    ///
    /// Bytes for which the vocabulary has no token are dropped, as the reference tokenizers do (`SmolLM2` has none for
    /// six ASCII control characters).
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the text cannot be split.
    pub fn encode(&self, text: &str, parse_special: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        for (plain, special) in self.specials.split(text, parse_special) {
            self.encode_plain(plain, &mut ids)?;
            ids.extend(special);
        }
        Ok(ids)
    }

    /// The ids of a whole prompt: control tokens are parsed, and the text is [begun](Tokenizer::begin).
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.begin(self.encode(text, true)?))
    }

    /// Puts the begin-of-text token in front of a prompt if the model wants it and the prompt does not have it. An empty
    /// prompt stays empty, so that it can be refused.
    #[must_use]
    pub fn begin(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.bos
            && self.add_bos
            && ids.first().is_some_and(|first| *first != bos)
        {
            ids.insert(0, bos);
        }
        ids
    }

    fn encode_plain(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut words = PreTokenizedString::from(text);
        self.pre.split(&mut words)?;
        for (word, _, _) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            let tokens = self.bpe.tokenize(word).map_err(tokenizer_error)?;
            ids.extend(tokens.into_iter().map(|token| token.id));
        }
        Ok(())
    }

    /// The text of `ids`; bytes that are not UTF-8 become U+FFFD. Control tokens are left out with `skip_special`, ids
    /// outside the vocabulary always.
    #[must_use]
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            if !(skip_special && self.is_control(id)) {
                bytes.extend(self.piece(id));
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes of token `id`, not always whole characters; empty for an id outside the vocabulary.
    #[must_use]
    pub fn piece(&self, id: u32) -> &[u8] {
        let index = id as usize;
        let start = match index {
            0 => Some(0),
            _ => self.ends.get(index - 1).map(|&end| end as usize),
        };
        let range = start.zip(self.ends.get(index)).map(|(start, &end)| start..end as usize);
        range.and_then(|range| self.pieces.get(range)).unwrap_or_default()
    }

    /// Whether `id` is a control token: one that stands for structure, not text.
    #[must_use]
    pub fn is_control(&self, id: u32) -> bool {
        self.specials.is_control(id)
    }

    /// The ids that end a generation: end of text, end of turn; ascending.
    #[must_use]
    pub fn eos(&self) -> &[u32] {
        &self.eos
    }

    /// The id that begins a text, if the file names one.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Whether the model wants [`Tokenizer::bos`] in front of a prompt.
    #[must_use]
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// Number of ids.
    #[must_use]
    pub fn vocabulary(&self) -> u32 {
        self.ends.len() as u32
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocabulary", &self.vocabulary())
            .field("pre", &self.pre.name())
            .field("bos", &self.bos)
            .field("eos", &self.eos)
            .finish_non_exhaustive()
    }
}

fn tokenizer_error(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}
