//! Model files through the whole loader: memory grows with bytes received, not with what they announce.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use allocation_counter::measure;
use attnscope::gguf::{
    GgmlType,
    write::{Meta, Writer},
};
use attnscope::{
    cache::Store,
    engine::{Options, Progress},
    model::{Config, MAX_GROUP},
};
use common::{load, tiny};
use proptest::prelude::*;

const MB: u64 = 1 << 20;

/// Most heap that `work` held at once, bytes.
fn peak(work: impl FnOnce()) -> u64 {
    measure(work).bytes_max
}

/// The tiny model's file with a vocabulary of `rows` announced and no tensor data at all.
fn announced(rows: u64) -> Vec<u8> {
    let mut file = tiny::file();
    // dims of token_embd.weight: the tensor list begins with it.
    let name = b"token_embd.weight";
    let at = file.windows(name.len()).position(|part| part == name).unwrap() + name.len() + 4 + 8;
    file[at..at + 8].copy_from_slice(&rows.to_le_bytes());
    // The tensors after it move, so that they lie apart.
    let old = (257u64 * 64 / 32 * 34).next_multiple_of(32);
    let (moved, mut first) = ((rows * 64 / 32 * 34).next_multiple_of(32) - old, true);
    let mut from = at - 12 - name.len();
    for _ in 0..2 + 9 * tiny::LAYERS {
        let length = u64::from_le_bytes(file[from - 8..from].try_into().unwrap()) as usize;
        let dims = u32::from_le_bytes(file[from + length..from + length + 4].try_into().unwrap()) as usize;
        let offset = from + length + 4 + dims * 8 + 4;
        if !first {
            let now = u64::from_le_bytes(file[offset..offset + 8].try_into().unwrap()) + moved;
            file[offset..offset + 8].copy_from_slice(&now.to_le_bytes());
        }
        (first, from) = (false, offset + 16);
    }
    file.truncate(from - 8);
    file
}

#[test]
fn memory_grows_with_bytes_received() {
    // 16 million rows of 64 weights, over 1 GB: the header is accepted, so only the end of the file is missing.
    let file = announced(1 << 24);
    let truncated = |file: &[u8], size| assert_eq!(load(file, 1000, size).err().unwrap().code(), "truncated");
    let empty = peak(|| truncated(&file, None));
    assert!(empty < MB, "{empty} bytes for a header of {}", file.len());
    // Some rows of them: matrices grow by doubling, and the old part is there while it is copied.
    let file = [file, vec![0; 2_000_000]].concat();
    let some = peak(|| truncated(&file, None));
    assert!(some < MB + 3 * 2_000_000, "{some} bytes for 2 MB of rows, {empty} without");
    // Where the size is known, the header is refused.
    let known = peak(|| truncated(&file, Some(file.len() as u64)));
    assert!(known < MB, "{known}");
}

#[test]
fn a_missing_tensor_is_found_before_memory_is_taken() {
    let rows = 200_000;
    let file = Writer::new().meta("general.architecture", "llama");
    let counts = [("block_count", 1), ("embedding_length", 4096), ("feed_forward_length", 64), ("context_length", 64)];
    let file = counts.iter().fold(file, |file, (key, n)| file.meta(&format!("llama.{key}"), *n));
    let tokens: Vec<String> = (0..4).map(|i| format!("t{i}")).collect();
    let file = file
        .meta("llama.attention.head_count", 32)
        .meta("llama.attention.layer_norm_rms_epsilon", 1e-5f32)
        .meta("tokenizer.ggml.model", "gpt2")
        .meta("tokenizer.ggml.tokens", tokens)
        .meta("tokenizer.ggml.merges", Vec::<String>::new())
        .info("token_embd.weight", &[4096, rows], GgmlType::Q8_0.id(), 0)
        .finish();
    let used = peak(|| {
        let error = load(&file, usize::MAX, None).err().unwrap().to_string();
        assert!(error.contains("output_norm.weight: the tensor is missing"), "{error}");
    });
    assert!(used < MB, "{used} bytes for a file of {}", file.len());
}

#[test]
fn headers_grow_with_bytes_received() {
    // 2^22 strings or numbers announced, none there.
    for element in [8u32, 6] {
        let array = [element.to_le_bytes().to_vec(), (1u64 << 22).to_le_bytes().to_vec()].concat();
        let file = Writer::new().meta("t", Meta::Raw(9, array)).finish();
        let used = peak(|| assert_eq!(load(&file, 7, None).err().unwrap().code(), "truncated"));
        assert!(used < 64 << 10, "{used} bytes for {} announced", 1 << 22);
    }
}

#[test]
fn a_broken_chat_template_spoils_only_chats() {
    let with = |source: &str| tiny::writer().meta("tokenizer.chat_template", source).finish();
    let error = |file: &[u8]| load(file, 4099, None).unwrap().chat().err().map(|error| error.to_string());
    assert!(error(&with("{% for m in")).unwrap().starts_with("chat template: "));
    assert_eq!(error(&with("{{ messages }}")), None);
    assert_eq!(error(&tiny::file()).unwrap(), "chat template: the model file has none; give the prompt as text");
}

#[test]
fn too_many_query_heads_for_a_kv_head_are_refused_with_the_header() {
    let heads = |query: u32| {
        let file = Writer::new().meta("general.architecture", "llama").meta("llama.attention.head_count", query);
        let file = file.meta("llama.attention.head_count_kv", 2).meta("llama.embedding_length", 2 * query);
        let file = file.meta("llama.block_count", 1).meta("llama.feed_forward_length", 64);
        let file = file.meta("llama.context_length", 64).meta("llama.attention.layer_norm_rms_epsilon", 1e-5f32);
        let width = u64::from(2 * query);
        let file = file.tensor("token_embd.weight", &[width, 1], GgmlType::F32, &vec![0; 8 * query as usize]);
        let header = common::collect(&file.finish(), &[usize::MAX], None).unwrap().header.unwrap();
        Config::from_header(&header).map(|config| config.group())
    };
    assert_eq!(heads(2 * MAX_GROUP), Ok(MAX_GROUP));
    let error = heads(2 * MAX_GROUP + 2).unwrap_err();
    assert_eq!(error.code(), "unsupported");
    assert!(error.to_string().contains("query heads a KV head: 33"), "{error}");
}

/// What came of a file: the error, or the ids that a model made of it goes on with.
fn verdict(file: &[u8], portion: usize, size: Option<u64>) -> attnscope::Result<Vec<u32>> {
    let loaded = load(file, portion, size)?;
    let mut engine = loaded.engine("full", &[], None, Store::F16)?;
    engine.start(&[1, 2, 3], Options { max_tokens: 2, ..Options::default() })?;
    while engine.advance()? != Progress::Done {}
    Ok(engine.ids().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A model damaged anywhere: never a panic, the same verdict in any portions, and memory as the file has bytes.
    #[test]
    fn a_damaged_model_is_refused_or_runs(
        changes in prop::collection::vec((prop_oneof![4 => 0..6000usize, 1 => any::<usize>()], any::<u8>()), 1..5),
        portion in 1..5000usize,
        cut in prop_oneof![4 => Just(usize::MAX), 1 => any::<usize>()],
    ) {
        let mut file = tiny::file();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        file.truncate(if cut == usize::MAX { cut } else { cut % file.len() });
        let size = Some(file.len() as u64);
        let (known, unknown) = (verdict(&file, file.len().max(1), size), verdict(&file, file.len().max(1), None));
        prop_assert_eq!(&verdict(&file, portion, size), &known);
        prop_assert_eq!(&verdict(&file, portion, None), &unknown);
        // What lies beyond the end is found earlier where the size is known.
        prop_assert_eq!(known.is_ok(), unknown.is_ok());
        let used = peak(|| drop(load(&file, portion, None)));
        prop_assert!(used < 2 * MB + 4 * file.len() as u64, "{used} bytes");
    }
}
