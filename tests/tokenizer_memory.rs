//! What building the real tokenizer costs. Alone in its binary: the allocator counts the whole process.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use attnscope::tokenizer::Tokenizer;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

#[test]
fn building_costs_less_than_20_mb() {
    let before = HEAP.current_usage();
    let metadata = common::model_metadata();
    let with_metadata = HEAP.current_usage() - before;
    HEAP.reset_peak_usage();
    let started = std::time::Instant::now();
    let tokenizer = Tokenizer::from_metadata(&metadata).unwrap();
    let took = started.elapsed();
    let peak = HEAP.peak_usage() - before - with_metadata;
    let built = HEAP.current_usage() - before - with_metadata;
    tokenizer.encode("Hello 1234, world!\n", true).unwrap();
    let used = HEAP.current_usage() - before - with_metadata;
    println!("metadata {with_metadata}, tokenizer {built} (peak {peak}, once used {used}) bytes, {took:.0?}");
    assert!(with_metadata < 3 << 20, "metadata: {with_metadata} bytes");
    assert!(peak < 20 << 20, "peak: {peak} bytes");
}
