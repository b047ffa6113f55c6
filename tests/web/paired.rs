//! Both back ends in lock-step in a browser: operations with random shapes, golden folders, and a difference that is found
//! when its numbers arrive.

use std::rc::Rc;

use attnscope::{
    Error,
    backend::gpu::Device,
    cache::Store,
    ops::{Kv, Ops},
};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

use crate::{
    common::{every_op, pair},
    runners::{self, Case, On, Runner},
};

/// Seeds of the operations, few, for a processor draws here.
const SEEDS: u64 = 3;

/// A case of each golden folder that runs operations, the smallest: what a processor draws in some seconds. Of
/// `star_attention` one that has hosts. `tests/golden.rs` checks that no folder is missing, and runs all cases.
macro_rules! cases {
    ($($folder:literal / $file:literal),* $(,)?) => {
        &[$(($folder, $file, include_bytes!(concat!("../golden/", $folder, "/", $file, ".safetensors")))),*]
    };
}

const CASES: &[(&str, &str, &[u8])] = cases![
    "adakv_prefill" / "case1",
    "flexprefill" / "case1",
    "h2o_decode_drop" / "case2",
    "h2o_decode_masked" / "case3",
    "h2o_prefill_kvfactory" / "case2",
    "h2o_prefill_scope" / "case2",
    "kvpress_pyramid_budget" / "case3",
    "kvpress_scores" / "case3",
    "l2norm_prefill" / "case3",
    "lookm" / "h2o_c3",
    "lookm_paper_gqa" / "c3",
    "policy_fifo" / "case3",
    "policy_importance" / "case3",
    "policy_lfu" / "case3",
    "policy_lru" / "case3",
    "pyramidkv_prefill_kvfactory" / "case3",
    "pyramidkv_prefill_scope" / "case3",
    "quantspec_attn" / "c3",
    "quantspec_cache" / "c2",
    "quantspec_spec" / "c3",
    "quest_pages" / "case3",
    "round_attention" / "case3",
    "scope_adaptive" / "case1",
    "scope_base_h2o" / "case3",
    "scope_base_slm" / "case3",
    "scope_discontinuous" / "case1",
    "scope_slide" / "case3",
    "snapkv_kvhead_prefill" / "case2",
    "snapkv_prefill" / "case2",
    "star_attention" / "phase_case3",
    "streamingllm_decode" / "case2",
    "streamingllm_prefill" / "case3",
    "streamingllm_space" / "case2",
    "tidaldecode" / "case3",
];

async fn device() -> Rc<Device> {
    Rc::new(Device::open().await.unwrap())
}

fn now() -> f64 {
    js_sys::Date::now()
}

#[wasm_bindgen_test]
async fn operations_agree() {
    let (device, begun, mut calls) = (device().await, now(), 0);
    for seed in 0..SEEDS {
        let store = if seed % 2 == 0 { Store::F16 } else { Store::F32 };
        calls += every_op::run(&device, seed, store).await.agreed().calls();
    }
    console_log!("{calls} operations agreed, {:.1} s", (now() - begun) / 1e3);
}

#[wasm_bindgen_test]
async fn golden_folders() {
    let on = On::Paired(device().await);
    let all = now();
    for (folder, file, bytes) in CASES {
        let begun = now();
        let Some(Runner::Operations(run)) = runners::find(folder) else { panic!("{folder} runs no operation") };
        run(&Case::read(format!("{folder}/{file}.safetensors").as_ref(), bytes, &on)).await;
        console_log!("golden {folder}, {file} alone: {:.1} s", (now() - begun) / 1e3);
    }
    console_log!("{} golden folders, CPU and GPU: {:.1} s", CASES.len(), (now() - all) / 1e3);
}

#[wasm_bindgen_test]
async fn a_difference_is_found_when_it_arrives() {
    let mut paired = pair::unlike(&device().await);
    // Nothing is back yet: both calls go through, and the first of them is named.
    let norms = paired.key_norms(Kv(0)).unwrap();
    paired.halve(norms).unwrap();
    let why = paired.settle().await.unwrap_err();
    assert!(matches!(&why, Error::Differ { op: "key_norms", call: 1, layer: Some(0), .. }), "{why:?}");
    assert_eq!(paired.halve(norms).unwrap_err(), why);
}
