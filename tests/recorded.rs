//! Every method generates what is recorded; `tests/web.rs` compares the wasm build with the same ids.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::methods::REGISTRY;
use common::{recorded, tiny};

#[test]
fn every_method_generates_what_is_recorded() {
    let loaded = tiny::load();
    // All at once: each says the line to record.
    let failed = REGISTRY.iter().filter(|row| std::panic::catch_unwind(|| recorded::check(&loaded, row)).is_err());
    assert_eq!(failed.map(|row| row.name).collect::<Vec<_>>(), [""; 0]);
}
