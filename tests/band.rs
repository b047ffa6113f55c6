//! The sketch variant of `tidal_decode` reads the band its definition names: query i the keys i - w to i.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    cache::Store,
    engine::Options,
    methods::Value,
    trace::{Detail, Kind, records},
};
use common::tiny;

#[test]
fn the_band_is_as_wide_as_its_definition_says() {
    let loaded = tiny::load();
    // Shares that binary holds exactly, as 1 / part of the text: w = floor(n / (2 * part)).
    for (sparsity, part) in [(0.0, 1), (0.5, 2), (0.75, 4), (0.875, 8)] {
        let params = [
            ("variant".to_owned(), Value::Word("sketch".to_owned())),
            ("sparsity".to_owned(), Value::Number(sparsity)),
        ];
        let mut engine = loaded.engine("tidal_decode", &params, None, Store::F16).unwrap();
        let options = Options { max_tokens: 20, trace: Detail::Sets, ..Options::default() };
        engine.start(&tiny::prompt(150), options).unwrap();
        let mut steps = 0;
        while let Some(step) = engine.next_step().unwrap() {
            let rows = step.position / (2 * part) + 1;
            engine.tracer().take(|block| {
                let windows: Vec<_> = records(block)
                    .filter(|r| r.kind == Kind::ReadWindow as u8)
                    .map(|r| (u32::from(r.layer), r.a))
                    .collect();
                let want: Vec<_> = (0..tiny::LAYERS).map(|layer| (layer, rows)).collect();
                assert_eq!(windows, want, "sparsity {sparsity}, {} tokens", step.position);
            });
            assert_eq!(step.kept.rows_read, u64::from(rows * tiny::LAYERS * tiny::QUERY_HEADS));
            steps += 1;
        }
        assert_eq!(steps, 20);
    }
}
