//! A runner a golden folder, and what they share: reading a case, running a layer pass, comparing.

mod h2o;
mod layers;
mod policy;
mod quant_spec;
mod real_model;
mod streaming_llm;
mod tidal_decode;

pub use layers::Layers;

use safetensors::SafeTensors;
use std::{collections::HashMap, path::Path};

/// Runs one case; panics with the difference.
pub type Runner = fn(&Case);

/// The runner of a folder.
pub fn find(folder: &str) -> Option<Runner> {
    Some(match folder {
        "tidaldecode" => tidal_decode::run,
        "streamingllm_decode" => streaming_llm::decode,
        "streamingllm_space" => streaming_llm::space,
        "h2o_decode_drop" => h2o::run,
        "policy_fifo" | "policy_lru" | "policy_lfu" | "policy_importance" => policy::run,
        "quantspec_quant" => quant_spec::quant,
        "quantspec_cache" => quant_spec::cache,
        "quantspec_attn" => quant_spec::attend,
        "quantspec_accept" => quant_spec::accept,
        "real_model" => real_model::run,
        _ => return None,
    })
}

/// One file of golden tensors.
pub struct Case<'a> {
    /// For messages.
    pub name: String,
    tensors: SafeTensors<'a>,
    meta: HashMap<String, String>,
}

impl<'a> Case<'a> {
    pub fn read(path: &Path, bytes: &'a [u8]) -> Case<'a> {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        Case {
            name: path.display().to_string(),
            tensors: SafeTensors::deserialize(bytes).unwrap(),
            meta: header.metadata().clone().unwrap_or_default(),
        }
    }
    pub fn has(&self, tensor: &str) -> bool {
        self.tensors.tensor(tensor).is_ok()
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
    pub fn bytes(&self, tensor: &str) -> Vec<u8> {
        self.tensors.tensor(tensor).unwrap().data().to_vec()
    }
    /// A parameter of the file's metadata; JSON text.
    pub fn param<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        let text = self.meta.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name));
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::from_str(&format!("{text:?}")).unwrap())
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

/// `y = W x` for every row; `w` is `[out, in]`.
pub fn times(w: &[f32], x: &[f32], inputs: usize) -> Vec<f32> {
    x.chunks_exact(inputs)
        .flat_map(|x| w.chunks_exact(inputs).map(move |w| w.iter().zip(x).map(|(a, b)| a * b).sum()))
        .collect()
}
