//! A runner a golden folder, and what they share: reading a case, running a layer pass, comparing.

mod flex_prefill;
mod h2o;
mod kvpress;
mod layers;
mod look_m;
mod metrics;
mod on;
mod picture;
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
pub use on::On;

use attnscope::{
    method::{Edit, LayerCx, Positions, Retain, Site},
    methods::Value,
    ops::{Mass, Scores},
};
use safetensors::SafeTensors;
use std::{collections::HashMap, path::Path, pin::Pin};

/// Runs one case; panics with the difference.
pub type Run = for<'a> fn(&'a Case<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A folder's runner.
#[derive(Clone, Copy)]
pub enum Runner {
    /// It runs operations of a back end.
    Operations(Run),
    /// It runs none: pure arithmetic of the library.
    Arithmetic(fn(&Case)),
    /// It runs the real model's file.
    Model(fn(&Case)),
}

/// Operations of a back end.
macro_rules! on_backend {
    (|$case:ident| $run:expr) => {
        Runner::Operations(|$case| Box::pin($run))
    };
}

/// The runner of a folder.
pub fn find(folder: &str) -> Option<Runner> {
    Some(match folder {
        "round_attention" => on_backend!(|case| round_attention::run(case)),
        "star_attention" => on_backend!(|case| star_attention::run(case)),
        "tidaldecode" => on_backend!(|case| tidal_decode::run(case)),
        "streamingllm_decode" => on_backend!(|case| streaming_llm::decode(case)),
        "streamingllm_space" => on_backend!(|case| streaming_llm::space(case)),
        "h2o_decode_drop" => on_backend!(|case| h2o::run(case)),
        "h2o_decode_masked" => on_backend!(|case| h2o::masked(case)),
        "h2o_prefill_kvfactory" => on_backend!(|case| prompt::h2o(case, "none")),
        "h2o_prefill_scope" => on_backend!(|case| prompt::h2o(case, "scope")),
        "snapkv_prefill" | "snapkv_kvhead_prefill" => on_backend!(|case| prompt::snap_kv(case)),
        "pyramidkv_prefill_kvfactory" | "pyramidkv_prefill_scope" => on_backend!(|case| prompt::pyramid_kv(case)),
        "adakv_prefill" => on_backend!(|case| prompt::ada_kv(case)),
        "l2norm_prefill" => on_backend!(|case| prompt::l2_norm(case)),
        "streamingllm_prefill" => on_backend!(|case| prompt::streaming_llm(case)),
        "kvpress_pyramid_budget" => on_backend!(|case| kvpress::pyramid_budget(case)),
        "scope_slide" | "scope_adaptive" | "scope_discontinuous" | "scope_base_h2o" | "scope_base_slm" => {
            on_backend!(|case| scope::run(case))
        }
        "lookm" => on_backend!(|case| look_m::published(case)),
        "lookm_paper_gqa" => on_backend!(|case| look_m::paper(case)),
        "kvpress_scores" => on_backend!(|case| kvpress::scores(case)),
        "policy_fifo" | "policy_lru" | "policy_lfu" | "policy_importance" => on_backend!(|case| policy::run(case)),
        "quantspec_cache" => on_backend!(|case| quant_spec::cache(case)),
        "quantspec_attn" => on_backend!(|case| quant_spec::attend(case)),
        "quantspec_spec" => on_backend!(|case| speculation::run(case)),
        "flexprefill" => on_backend!(|case| flex_prefill::run(case)),
        "quest_pages" => on_backend!(|case| quest::run(case)),
        "quantspec_quant" => Runner::Arithmetic(quant_spec::quant),
        "quantspec_accept" => Runner::Arithmetic(quant_spec::accept),
        "metrics" => Runner::Arithmetic(metrics::run),
        "picture" => Runner::Arithmetic(picture::run),
        "real_model" => Runner::Model(real_model::run),
        _ => return None,
    })
}

/// One file of golden tensors.
pub struct Case<'a> {
    /// For messages.
    pub name: String,
    /// File name without its ending.
    pub stem: String,
    /// What it runs on.
    pub on: On,
    tensors: SafeTensors<'a>,
    meta: HashMap<String, String>,
}

impl<'a> Case<'a> {
    pub fn read(path: &Path, bytes: &'a [u8], on: &On) -> Case<'a> {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        Case {
            name: path.display().to_string(),
            stem: path.file_stem().unwrap().to_string_lossy().into_owned(),
            on: on.clone(),
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
