//! A tokenizer from metadata. Everything is checked here: the BPE of the `tokenizers` crate indexes and allocates by
//! what it is given.

use super::Tokenizer;
use super::bytes::Bytes;
use super::pre::Pre;
use super::specials::{self, Specials};
use crate::gguf::{Metadata, Strings, bad};
use crate::{Error, Result};
use tokenizers::models::bpe::{BPE, Merges, Vocab};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
/// Ids that end a text, a turn or a message.
const EOS: [&str; 3] = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
/// Control tokens that end a generation by what they are called, for files that name only one of them.
const EOS_NAMES: [&str; 8] =
    ["<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "</s>"];

/// See [`Tokenizer::from_metadata`].
pub(super) fn tokenizer(metadata: &Metadata) -> Result<Tokenizer> {
    let model = metadata.string(MODEL)?;
    if model != "gpt2" {
        return Err(Error::Unsupported {
            what: "tokenizer model",
            got: model.to_owned(),
            supported: "gpt2 (byte-level BPE)".to_owned(),
        });
    }
    let pre = Pre::named(metadata.string_opt(PRE)?.unwrap_or("default"))?;
    let tokens = metadata.strings(TOKENS)?;
    if tokens.is_empty() {
        return Err(bad(TOKENS, "empty; needs at least one token"));
    }
    let specials = specials(metadata, tokens)?;
    let (pieces, ends) = pieces(tokens);
    let id = |key: &str| -> Result<Option<u32>> {
        let id = metadata.u32_opt(key)?;
        match id {
            Some(id) if id as usize >= tokens.len() => {
                Err(bad(key, format!("id {id} is outside the vocabulary of {}", tokens.len())))
            }
            id => Ok(id),
        }
    };
    let mut eos: Vec<u32> = EOS_NAMES.iter().filter_map(|name| specials.control_id(name)).collect();
    for key in EOS {
        eos.extend(id(key)?);
    }
    eos.sort_unstable();
    eos.dedup();
    Ok(Tokenizer {
        bpe: bpe(tokens, metadata.strings(MERGES)?, pre.ignore_merges())?,
        specials,
        pieces,
        ends,
        bos: id(BOS)?,
        eos,
        add_bos: metadata.bool_or(ADD_BOS, pre.add_bos())?,
        pre,
    })
}

fn specials(metadata: &Metadata, tokens: &Strings) -> Result<Specials> {
    let Some(types) = metadata.numbers_opt(TYPES)? else {
        return Ok(Specials::default());
    };
    if types.len() != tokens.len() {
        return Err(bad(TYPES, format!("{} types for {} tokens", types.len(), tokens.len())));
    }
    let kinds = types.iter().map(|kind| kind.as_integer().ok_or_else(|| bad(TYPES, "needs integers")));
    let kinds = kinds.collect::<Result<Vec<i64>>>()?;
    let rows = (0..).zip(tokens.iter()).zip(kinds).map(|((id, token), kind)| (id, token, kind));
    Specials::new(rows).map_err(|count| {
        let most = specials::MOST;
        bad(TYPES, format!("{count} control and user-defined tokens; at most {most} are allowed"))
    })
}

/// The bytes of all tokens and where each ends.
fn pieces(tokens: &Strings) -> (Vec<u8>, Vec<u32>) {
    let bytes = Bytes::new();
    let mut pieces = Vec::new();
    let mut ends = Vec::with_capacity(tokens.len());
    for token in tokens.iter() {
        bytes.append(token, &mut pieces);
        ends.push(pieces.len() as u32);
    }
    pieces.shrink_to_fit();
    (pieces, ends)
}

fn bpe(tokens: &Strings, merges: &Strings, ignore_merges: bool) -> Result<BPE> {
    let mut vocabulary = Vocab::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        // Of equal tokens the first is the one that text becomes; the others decode only.
        vocabulary.entry(token.to_owned()).or_insert(id as u32);
    }
    // The crate refuses parts and results that are no tokens, but joins them in a buffer as long as the longest token.
    let longest = tokens.iter().map(str::len).max().unwrap_or_default();
    let mut pairs: Merges = Vec::with_capacity(merges.len());
    for (rank, merge) in merges.iter().enumerate() {
        let refused = |why: &str| bad(MERGES, format!("merge {rank} {merge:?}: {why}"));
        // From the second byte on: a token may itself begin with a space.
        let space = merge.char_indices().skip(1).find(|&(_, letter)| letter == ' ');
        let Some((left, right)) = space.map(|(at, _)| (&merge[..at], &merge[at + 1..])) else {
            return Err(refused("needs two parts with a space between"));
        };
        if right.is_empty() || left.len() + right.len() > longest {
            return Err(refused("both parts and what they make must be tokens"));
        }
        pairs.push((left.to_owned(), right.to_owned()));
    }
    // The crate's cache of words is left off: it lives in a thread-local that outlives the tokenizer.
    BPE::builder()
        .vocab_and_merges(vocabulary, pairs)
        .cache_capacity(0)
        .ignore_merges(ignore_merges)
        .build()
        .map_err(|error| bad(MERGES, error.to_string()))
}
