//! A llama model: its shape, where its weights are, and one layer, readable top to bottom.
//!
//! ```text
//! x = embed(ids)
//! per layer:  q, k, v = norm(x) · Wq, Wk, Wv ; rotate ; append k, v
//!             x += attend(q, cache) · Wo
//!             x += (silu(norm(x) · Wgate) * (norm(x) · Wup)) · Wdown
//! logits = norm(x) · Whead
//! ```
//! Attention itself is the engine's, since there a method decides what is read.

use crate::{
    Error, Result,
    gguf::{Header, Metadata},
    kernels::RopeStyle,
    ops::{AHEAD, Dense, Kv, Weight},
};
use std::ops::Range;

/// The shape of a llama model and how it rotates.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub width: u32,
    /// Query heads.
    pub query_heads: u32,
    /// KV heads.
    pub kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Width of the MLP's hidden rows.
    pub hidden: u32,
    /// Token ids.
    pub vocabulary: u32,
    /// Tokens it was trained for.
    pub context: u32,
    /// RMS norm epsilon.
    pub eps: f32,
    /// How positions enter.
    pub rope: RopeConfig,
}

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Leading numbers of a head that are rotated.
    pub dim: u32,
    /// Base of the geometric series of frequencies.
    pub base: f32,
    /// Positions are divided by this (linear scaling; 1: none).
    pub linear: f32,
    /// Per-frequency divisors (`rope_freqs.weight`, llama 3 scaling), `[dim / 2]`; empty: none.
    pub divisors: Vec<f32>,
    /// Which numbers form a pair.
    pub style: RopeStyle,
}

impl RopeConfig {
    /// Inverse frequencies, `[dim / 2]`, radians a token.
    #[must_use]
    pub fn frequencies(&self) -> Vec<f32> {
        let pairs = self.dim / 2;
        let of = |i: u32| f64::from(self.base).powf(-f64::from(2 * i) / f64::from(self.dim)) / f64::from(self.linear);
        (0..pairs).map(|i| (of(i) / f64::from(self.divisors.get(i as usize).copied().unwrap_or(1.0))) as f32).collect()
    }
}

/// Largest value accepted for any single count in a model's shape; larger ones are damage, not models.
const MAX_COUNT: u32 = 1 << 20;
/// Most query heads that may share a KV head.
pub const MAX_GROUP: u32 = 32;

impl Config {
    /// Reads the shape from a file's metadata and tensor list.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another architecture, experts, a sliding window, more than [`MAX_GROUP`] query heads a
    /// KV head or a RoPE scaling that is not `none` or `linear`; [`Error::File`] for a missing or impossible value.
    pub fn from_header(header: &Header) -> Result<Config> {
        let m = &header.metadata;
        let architecture = m.string("general.architecture")?;
        if architecture != "llama" {
            return unsupported("architecture", architecture, "llama");
        }
        for key in ["llama.expert_count", "llama.attention.sliding_window"] {
            let n = m.u32_or(key, 0)?;
            if n != 0 {
                return unsupported("key", &format!("{key} = {n}"), "0");
            }
        }
        let count = |key: &str, or: Option<u32>| -> Result<u32> {
            let n = or.map_or_else(|| m.u32(key), |or| m.u32_or(key, or))?;
            if (1..=MAX_COUNT).contains(&n) { Ok(n) } else { file(key, format!("{n}; allowed: 1 to {MAX_COUNT}")) }
        };
        let (width, query_heads) = (count("llama.embedding_length", None)?, count("llama.attention.head_count", None)?);
        let kv_heads = count("llama.attention.head_count_kv", Some(query_heads))?;
        let head_dim = count("llama.attention.key_length", Some((width / query_heads).max(1)))?;
        let value_length = count("llama.attention.value_length", Some(head_dim))?;
        let layers = count("llama.block_count", None)?;
        // A trace record has 8 bits for a layer and for a head; 255 means all.
        for (key, n) in [("llama.block_count", layers), ("llama.attention.head_count", query_heads)] {
            if n > 254 {
                return unsupported("key", &format!("{key} = {n}"), "at most 254");
            }
        }
        if query_heads % kv_heads != 0 || value_length != head_dim || head_dim % 2 != 0 {
            let got =
                format!("{query_heads} query heads, {kv_heads} KV heads, keys of {head_dim}, values of {value_length}");
            return file(
                "llama.attention",
                format!("{got}; KV heads must divide query heads, keys and values have the same even length"),
            );
        }
        if query_heads / kv_heads > MAX_GROUP {
            let got = (query_heads / kv_heads).to_string();
            return unsupported("query heads a KV head:", &got, &format!("at most {MAX_GROUP}"));
        }
        let vocabulary = header
            .tensors
            .iter()
            .find(|t| t.name == "token_embd.weight")
            .map_or(0, |t| t.dims.get(1).copied().unwrap_or(0));
        let vocabulary = u32::try_from(vocabulary).unwrap_or(0);
        if !(1..=1 << 24).contains(&vocabulary) {
            return file("token_embd.weight", format!("{vocabulary} rows; allowed: 1 to {}", 1 << 24));
        }
        Ok(Config {
            layers,
            width,
            query_heads,
            kv_heads,
            head_dim,
            hidden: count("llama.feed_forward_length", None)?,
            vocabulary,
            context: count("llama.context_length", None)?,
            eps: positive(m, "llama.attention.layer_norm_rms_epsilon", None)?,
            rope: RopeConfig::from_metadata(m, head_dim)?,
        })
    }

    /// Query heads that share a KV head.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.query_heads / self.kv_heads
    }
}

impl RopeConfig {
    fn from_metadata(m: &Metadata, head_dim: u32) -> Result<RopeConfig> {
        let dim = m.u32_or("llama.rope.dimension_count", head_dim)?;
        if dim == 0 || dim % 2 != 0 || dim > head_dim {
            return file("llama.rope.dimension_count", format!("{dim}; allowed: even, from 2 to {head_dim}"));
        }
        let linear = match m.string_opt("llama.rope.scaling.type")?.unwrap_or("none") {
            "none" => 1.0,
            "linear" => positive(m, "llama.rope.scaling.factor", Some(1.0))?,
            other => {
                return unsupported(
                    "llama.rope.scaling.type",
                    other,
                    "none, linear (and llama 3 scaling by rope_freqs.weight)",
                );
            }
        };
        let linear = if linear == 1.0 { positive(m, "llama.rope.scale_linear", Some(1.0))? } else { linear };
        let base = positive(m, "llama.rope.freq_base", Some(10_000.0))?;
        Ok(RopeConfig { dim, base, linear, divisors: Vec::new(), style: RopeStyle::Interleaved })
    }
}

fn unsupported<T>(what: &'static str, got: &str, supported: &str) -> Result<T> {
    Err(Error::Unsupported { what, got: got.to_owned(), supported: supported.to_owned() })
}

fn file<T>(what: &str, why: String) -> Result<T> {
    Err(Error::File { what: what.to_owned(), why })
}

fn positive(m: &Metadata, key: &str, or: Option<f32>) -> Result<f32> {
    let x = or.map_or_else(|| m.f32(key), |or| m.f32_or(key, or))?;
    if x.is_finite() && x > 0.0 { Ok(x) } else { file(key, format!("{x}; allowed: a positive number")) }
}

/// Where the weights of one layer are.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// Norm before attention, `[width]`.
    pub attention_norm: Weight,
    /// Queries, keys, values: `[heads * head_dim, width]` each.
    pub qkv: [Weight; 3],
    /// Attention output, `[width, query_heads * head_dim]`.
    pub output: Weight,
    /// Norm before the MLP, `[width]`.
    pub mlp_norm: Weight,
    /// Gate, `[hidden, width]`.
    pub gate: Weight,
    /// Up, `[hidden, width]`.
    pub up: Weight,
    /// Down, `[width, hidden]`.
    pub down: Weight,
}

/// A model: shape and places of weights. The numbers are in the back end's list, in the same order.
#[derive(Clone, Debug)]
pub struct Model {
    /// Shape.
    pub config: Config,
    /// Embedding table, `[vocabulary, width]`.
    pub embedding: Weight,
    /// Layers.
    pub layers: Vec<Layer>,
    /// Last norm, `[width]`.
    pub norm: Weight,
    /// Output matrix, `[vocabulary, width]`; the embedding table when tied.
    pub head: Weight,
}

impl Model {
    /// Begins a pass: x = embed(ids), 0 for [`ROW`](crate::ops::ROW); ids from [`AHEAD`] on are of tokens that only the
    /// device knows.
    ///
    /// # Errors
    /// [`Error::TokenId`] for an id outside the vocabulary, [`Error::State`] for a token that was not picked.
    pub fn embed(&self, ids: &[u32], first: u32, on: &mut dyn Dense) -> Result<()> {
        if let Some(&got) = ids.iter().find(|&&id| id >= self.config.vocabulary && id < AHEAD) {
            return Err(Error::TokenId { got, vocabulary: self.config.vocabulary });
        }
        on.embed(self.embedding, ids, first)
    }

    /// First half of a layer for some rows of the pass, up to their keys and values in the cache, if it stores them.
    ///
    /// # Errors
    /// From the back end.
    pub fn project(&self, layer: u32, rows: Range<u32>, stores: bool, on: &mut dyn Dense) -> Result<()> {
        let l = &self.layers[layer as usize];
        on.project(Kv(layer), l.attention_norm, l.qkv, rows, stores)
    }

    /// Second half, after attention.
    ///
    /// # Errors
    /// From the back end.
    pub fn absorb(&self, layer: u32, rows: Range<u32>, on: &mut dyn Dense) -> Result<()> {
        let l = &self.layers[layer as usize];
        on.add_output(l.output, rows.clone())?;
        on.gate_up(l.mlp_norm, l.gate, l.up, rows.clone())?;
        on.add_down(l.down, rows)
    }

    /// Asks for the scores of every next token after some rows of the pass, `[rows, vocabulary]`; `back` if the host is to
    /// have them.
    ///
    /// # Errors
    /// From the back end.
    pub fn logits(&self, rows: Range<u32>, back: bool, on: &mut dyn Dense) -> Result<()> {
        on.logits(self.norm, self.head, rows, back)
    }
}
