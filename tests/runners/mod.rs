//! A runner a golden folder, and what they share: reading a case, running a layer pass, comparing.

mod flex_prefill;
mod h2o;
mod kvpress;
mod layers;
mod look_m;
mod metrics;
mod policy;
mod prompt;
mod quant_spec;
mod quest;
mod real_model;
mod round_attention;
mod scope;
mod speculation;
mod star_attention;
mod streaming_llm;
mod tidal_decode;

pub use layers::Layers;

use attnscope::{
    method::{Edit, LayerCx, Positions, Retain, Site},
    methods::Value,
    ops::{Mass, Scores},
};
use safetensors::SafeTensors;
use std::{collections::HashMap, path::Path};

/// Runs one case; panics with the difference.
pub type Runner = fn(&Case);

/// The runner of a folder.
pub fn find(folder: &str) -> Option<Runner> {
    Some(match folder {
        "round_attention" => round_attention::run,
        "star_attention" => star_attention::run,
        "tidaldecode" => tidal_decode::run,
        "streamingllm_decode" => streaming_llm::decode,
        "streamingllm_space" => streaming_llm::space,
        "h2o_decode_drop" => h2o::run,
        "h2o_decode_masked" => h2o::masked,
        "h2o_prefill_kvfactory" => |case| prompt::h2o(case, "none"),
        "h2o_prefill_scope" => |case| prompt::h2o(case, "scope"),
        "snapkv_prefill" | "snapkv_kvhead_prefill" => prompt::snap_kv,
        "pyramidkv_prefill_kvfactory" | "pyramidkv_prefill_scope" => prompt::pyramid_kv,
        "adakv_prefill" => prompt::ada_kv,
        "l2norm_prefill" => prompt::l2_norm,
        "streamingllm_prefill" => prompt::streaming_llm,
        "kvpress_pyramid_budget" => kvpress::pyramid_budget,
        "scope_slide" | "scope_adaptive" | "scope_discontinuous" | "scope_base_h2o" | "scope_base_slm" => scope::run,
        "lookm" => look_m::published,
        "lookm_paper_gqa" => look_m::paper,
        "kvpress_scores" => kvpress::scores,
        "policy_fifo" | "policy_lru" | "policy_lfu" | "policy_importance" => policy::run,
        "quantspec_quant" => quant_spec::quant,
        "quantspec_cache" => quant_spec::cache,
        "quantspec_attn" => quant_spec::attend,
        "quantspec_accept" => quant_spec::accept,
        "quantspec_spec" => speculation::run,
        "flexprefill" => flex_prefill::run,
        "quest_pages" => quest::run,
        "metrics" => metrics::run,
        "real_model" => real_model::run,
        _ => return None,
    })
}

/// One file of golden tensors.
pub struct Case<'a> {
    /// For messages.
    pub name: String,
    /// File name without its ending.
    pub stem: String,
    tensors: SafeTensors<'a>,
    meta: HashMap<String, String>,
}

impl<'a> Case<'a> {
    pub fn read(path: &Path, bytes: &'a [u8]) -> Case<'a> {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        Case {
            name: path.display().to_string(),
            stem: path.file_stem().unwrap().to_string_lossy().into_owned(),
            tensors: SafeTensors::deserialize(bytes).unwrap(),
            meta: header.metadata().clone().unwrap_or_default(),
        }
    }
    pub fn shape(&self, tensor: &str) -> Vec<usize> {
        self.tensors.tensor(tensor).unwrap().shape().to_vec()
    }
    fn words<const N: usize, T>(&self, tensor: &str, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        let view = self.tensors.tensor(tensor).unwrap_or_else(|e| panic!("{}: {tensor}: {e}", self.name));
        view.data().chunks_exact(N).map(|c| read(c.try_into().unwrap())).collect()
    }
    pub fn floats(&self, tensor: &str) -> Vec<f32> {
        self.words(tensor, f32::from_le_bytes)
    }
    pub fn ints(&self, tensor: &str) -> Vec<i32> {
        self.words(tensor, i32::from_le_bytes)
    }
    pub fn has(&self, tensor: &str) -> bool {
        self.tensors.tensor(tensor).is_ok()
    }
    pub fn bytes(&self, tensor: &str) -> Vec<u8> {
        self.tensors.tensor(tensor).unwrap().data().to_vec()
    }
    /// A parameter of the file's metadata; JSON text.
    pub fn param<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        let text = self.meta.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name));
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::from_str(&format!("{text:?}")).unwrap())
    }
    pub fn has_param(&self, key: &str) -> bool {
        self.meta.contains_key(key)
    }
    /// Fails where two rows differ by more than `tolerance`.
    pub fn close(&self, what: &str, got: &[f32], want: &[f32], tolerance: f32) {
        assert_eq!(got.len(), want.len(), "{} {what}", self.name);
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((g - w).abs() <= tolerance, "{} {what}[{i}]: {g}, want {w} within {tolerance}", self.name);
        }
    }
    /// Fails unless two lists are equal; the golden one is padded with -1.
    pub fn same(&self, what: &str, got: &[u32], want: &[i32]) {
        let want: Vec<u32> = want.iter().filter(|&&p| p >= 0).map(|&p| p as u32).collect();
        assert_eq!(got, want, "{} {what}", self.name);
    }
}

/// `[heads, rows, dim]` to `[rows, heads * dim]`, the engine's order.
pub fn by_row(x: &[f32], heads: usize, rows: usize, dim: usize) -> Vec<f32> {
    let part = |r: usize, h: usize| &x[(h * rows + r) * dim..][..dim];
    (0..rows).flat_map(|r| (0..heads).flat_map(move |h| part(r, h))).copied().collect()
}

/// Every head `times` times, one after the other: `[heads, n]` to `[heads * times, n]`. Published code that keeps a set
/// a query head repeats keys and values first.
pub fn repeat(x: &[f32], heads: usize, times: usize) -> Vec<f32> {
    x.chunks_exact(x.len() / heads).flat_map(|head| head.repeat(times)).collect()
}

/// Parameters for the registry.
pub fn given<const N: usize>(params: [(&str, Value); N]) -> Vec<(String, Value)> {
    params.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// A number for the registry.
pub fn number(n: usize) -> Value {
    Value::Number(n as f64)
}

/// A word for the registry.
pub fn word(w: &str) -> Value {
    Value::Word(w.to_owned())
}

/// Looks over the shoulder of a retain role: runs `look` on what it is given before it decides.
pub struct Watched<F> {
    pub retain: Box<dyn Retain>,
    pub look: F,
}

impl<F: FnMut(&mut LayerCx, Option<Scores>) + 'static> Retain for Watched<F> {
    fn positions(&self) -> Positions {
        self.retain.positions()
    }
    fn bound(&self) -> Option<u32> {
        self.retain.bound()
    }
    fn make_room(&mut self, cx: &mut LayerCx) -> attnscope::Result<Edit> {
        self.retain.make_room(cx)
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.retain.wants(at)
    }
    fn edit(&mut self, cx: &mut LayerCx, mass: Option<Scores>) -> attnscope::Result<Edit> {
        (self.look)(cx, mass);
        self.retain.edit(cx, mass)
    }
}

/// `y = W x` for every row; `w` is `[out, in]`.
pub fn times(w: &[f32], x: &[f32], inputs: usize) -> Vec<f32> {
    x.chunks_exact(inputs)
        .flat_map(|x| w.chunks_exact(inputs).map(move |w| w.iter().zip(x).map(|(a, b)| a * b).sum()))
        .collect()
}
