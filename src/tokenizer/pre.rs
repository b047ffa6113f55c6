//! How text is cut into words before merging: the pre-tokenisers by the names GGUF files use.
//!
//! Patterns and names are those of llama.cpp eb6a99c (`src/llama-vocab.cpp`, MIT), which took them from the models' own
//! tokenizer files; `default` is its own, for files that name none.

use super::tokenizer_error;
use crate::{Error, Result};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizedString, PreTokenizer, SplitDelimiterBehavior};

/// A pre-tokeniser.
struct Row {
    /// As in `tokenizer.ggml.pre`.
    name: &'static str,
    /// Other names that mean the same.
    aliases: &'static [&'static str],
    /// Applied one after the other; matches and what lies between them are the pieces for the next.
    patterns: &'static [&'static str],
    /// A word that is a token is not merged.
    ignore_merges: bool,
    /// Whether a prompt begins with the begin-of-text token where the file does not say.
    add_bos: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

const TABLE: [Row; 5] = [
    Row { name: "smollm", aliases: &[], patterns: &[r"\p{N}", GPT2], ignore_merges: false, add_bos: false },
    Row { name: "gpt-2", aliases: &[], patterns: &[GPT2], ignore_merges: false, add_bos: false },
    Row {
        name: "default",
        aliases: &[],
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
        ignore_merges: false,
        add_bos: false,
    },
    Row {
        name: "llama-bpe",
        aliases: &["llama3", "llama-v3"],
        patterns: &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        ignore_merges: true,
        add_bos: true,
    },
    Row {
        name: "qwen2",
        aliases: &[],
        patterns: &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        ignore_merges: false,
        add_bos: false,
    },
];

/// Cuts text into words written in byte letters.
pub(super) struct Pre {
    row: &'static Row,
    patterns: Vec<Split>,
}

impl Pre {
    /// The pre-tokeniser called `name`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the known names.
    pub fn named(name: &str) -> Result<Pre> {
        let Some(row) = TABLE.iter().find(|row| row.name == name || row.aliases.contains(&name)) else {
            return Err(Error::Unsupported {
                what: "pre-tokeniser",
                got: name.to_owned(),
                supported: TABLE.each_ref().map(|row| row.name).join(", "),
            });
        };
        let compile = |pattern: &&str| {
            let pattern = SplitPattern::Regex((*pattern).to_owned());
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(tokenizer_error)
        };
        let patterns = row.patterns.iter().map(compile).collect::<Result<_>>()?;
        Ok(Pre { row, patterns })
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// A word that is a token is not merged.
    pub fn ignore_merges(&self) -> bool {
        self.row.ignore_merges
    }

    /// Whether a prompt begins with the begin-of-text token where the file does not say.
    pub fn add_bos(&self) -> bool {
        self.row.add_bos
    }

    /// Cuts `words` and writes them in byte letters. Where a pattern exceeds the crate's limit of backtracking, its
    /// matches end and the rest of the word stays in one piece.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] with what the `tokenizers` crate says; none is known.
    pub fn split(&self, words: &mut PreTokenizedString) -> Result<()> {
        for pattern in &self.patterns {
            pattern.pre_tokenize(words).map_err(tokenizer_error)?;
        }
        // No space in front, no offsets, no pattern of its own: only the letters.
        ByteLevel::new(false, false, false).pre_tokenize(words).map_err(tokenizer_error)
    }
}
