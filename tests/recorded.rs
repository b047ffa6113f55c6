//! Every method gives the recorded logits; `tests/web` compares the wasm build with the same ones.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::methods::REGISTRY;
use common::{recorded, tiny};

#[test]
fn every_method_gives_what_is_recorded() {
    let differ = recorded::differ(&tiny::load(), REGISTRY);
    assert!(differ.is_empty(), "to record:\n{}", differ.join("\n"));
}
