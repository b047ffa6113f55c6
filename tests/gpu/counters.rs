//! What a token costs, in counts: dispatches, submissions, waits and bytes read.

use attnscope::{
    engine::Options,
    loader::OnDevice,
    method::PassKind,
    methods::{REGISTRY, Spec},
    trace::{Kind, Record, records},
};

use super::{
    common::{
        rows::{Variant, budgets},
        tiny,
    },
    gpu,
};

/// Tokens that are counted.
const TOKENS: u32 = 8;
const PROMPT: usize = 150;

#[test]
fn a_token_is_one_submission_and_one_wait_of_few_dispatches() {
    let Some(device) = gpu("counters") else { return };
    let loaded = tiny::load_alike();
    let on = OnDevice::new(&device, &loaded).unwrap();
    let mut full = 0.0;
    for row in REGISTRY {
        let budgets = budgets(&Variant { row, given: Vec::new() }, 24);
        let mut engine = loaded.compose_on(&on, &Spec::method(row.name, &budgets), None).unwrap();
        let options = Options { max_tokens: TOKENS + 1, logits: false, ..Options::default() };
        engine.start(&tiny::prompt(PROMPT), options).unwrap();
        engine.next_step().unwrap().unwrap();
        engine.tracer().take(|_| ());
        let (before, mut tokens, mut read, mut guesses) = (device.counters(), 0, 0, 0);
        while let Some(step) = engine.next_step().unwrap() {
            tokens += 1;
            read += step.kept.bytes_read;
            guesses += engine.tracer().take(|block| {
                let drafts = |r: &Record| r.kind == Kind::Pass as u8 && r.aux == PassKind::Draft as u8;
                records(block).filter(drafts).count() as u64
            });
        }
        let after = device.counters();
        let (passes, waits) = (after.submits - before.submits, after.readbacks - before.readbacks);
        // Besides the layers a pass has the product with the output matrix, and picks a token.
        let dispatches = after.dispatches - before.dispatches - 2 * passes;
        let a_layer = dispatches as f64 / f64::from(tiny::LAYERS) / passes as f64;
        eprintln!(
            "{:<20} {a_layer:>5.2} dispatches a layer, {passes} passes, {waits} waits, {read} bytes read",
            row.name
        );
        assert_eq!(tokens, TOKENS, "{}: tokens", row.name);
        assert_eq!(waits, passes - guesses, "{}: one wait a pass, and none for one that guesses", row.name);
        assert_eq!(guesses > 0, row.name == "quant_spec", "{}: guesses", row.name);
        if row.name == "full" {
            full = a_layer;
            assert!(a_layer <= 8.0, "{a_layer} dispatches a layer");
            let rows: u64 = (0..u64::from(TOKENS)).map(|i| PROMPT as u64 + 1 + i).sum();
            assert_eq!(read, rows * u64::from(tiny::LAYERS * tiny::KV_HEADS * tiny::HEAD_DIM) * 4, "bytes read");
        }
        assert!(a_layer <= full + 2.0, "{}: {a_layer} dispatches a layer, full {full}", row.name);
    }
}
