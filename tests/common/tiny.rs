//! A tiny llama with random weights, as a model file: three layers, two KV heads of two query heads each.

use attnscope::{
    gguf::{GgmlType, encode, write::Writer},
    loader::Loaded,
    tokenizer::bytes,
};

pub const LAYERS: u32 = 3;
pub const QUERY_HEADS: u32 = 4;
pub const KV_HEADS: u32 = 2;
pub const HEAD_DIM: u32 = 16;
pub const CONTEXT: u32 = 1024;

/// The file; its ids are the 256 bytes and one token that ends a text.
pub fn file() -> Vec<u8> {
    writer().finish()
}

/// The file before it is finished, to add to.
pub fn writer() -> Writer {
    made(|kind| kind)
}

/// The same with all matrices but the embeddings in one layout, as model files mostly have them.
pub fn load_alike() -> Loaded {
    let kind = |kind| if kind == GgmlType::F32 { kind } else { GgmlType::Q4_1 };
    let file = made(kind).finish();
    super::load(&file, 997, Some(file.len() as u64)).expect("a sound file")
}

/// The file with `stored` in place of the layouts it usually has.
fn made(stored: impl Fn(GgmlType) -> GgmlType) -> Writer {
    let (width, hidden) = (64u64, 96u64);
    let mut tokens: Vec<String> = bytes::letters().iter().map(char::to_string).collect();
    tokens.push("<|end|>".to_owned());
    let types: Vec<i32> = (0..tokens.len()).map(|i| if i < 256 { 1 } else { 3 }).collect();
    let vocabulary = tokens.len() as u64;
    let mut w = Writer::new()
        .meta("general.architecture", "llama")
        .meta("general.name", "tiny")
        .meta("llama.block_count", LAYERS)
        .meta("llama.embedding_length", width as u32)
        .meta("llama.feed_forward_length", hidden as u32)
        .meta("llama.attention.head_count", QUERY_HEADS)
        .meta("llama.attention.head_count_kv", KV_HEADS)
        .meta("llama.attention.layer_norm_rms_epsilon", 1e-5f32)
        .meta("llama.context_length", CONTEXT)
        .meta("llama.rope.freq_base", 10_000f32)
        .meta("tokenizer.ggml.model", "gpt2")
        .meta("tokenizer.ggml.pre", "smollm")
        .meta("tokenizer.ggml.tokens", tokens)
        .meta("tokenizer.ggml.token_type", types)
        .meta("tokenizer.ggml.merges", Vec::<String>::new())
        .meta("tokenizer.ggml.eos_token_id", 256u32);
    let mut random = fastrand::Rng::with_seed(11);
    let mut tensor = |w: Writer, name: String, dims: &[u64], kind: GgmlType, scale: f32, mean: f32| {
        let n = dims.iter().product::<u64>() as usize;
        let values: Vec<f32> = (0..n).map(|_| mean + scale * (2.0 * random.f32() - 1.0)).collect();
        let kind = stored(kind);
        w.tensor(&name, dims, kind, &encode(kind, &values).expect("whole blocks"))
    };
    w = tensor(w, "token_embd.weight".into(), &[width, vocabulary], GgmlType::Q8_0, 1.0, 0.0);
    w = tensor(w, "output_norm.weight".into(), &[width], GgmlType::F32, 0.1, 1.0);
    let kv = u64::from(KV_HEADS * HEAD_DIM);
    for l in 0..LAYERS {
        let name = |part: &str| format!("blk.{l}.{part}.weight");
        for norm in ["attn_norm", "ffn_norm"] {
            w = tensor(w, name(norm), &[width], GgmlType::F32, 0.1, 1.0);
        }
        // Scores of a few units, so that attention prefers some rows clearly.
        w = tensor(w, name("attn_q"), &[width, width], GgmlType::Q4_1, 0.15, 0.0);
        w = tensor(w, name("attn_k"), &[width, kv], GgmlType::Q8_0, 0.15, 0.0);
        w = tensor(w, name("attn_v"), &[width, kv], GgmlType::F16, 0.15, 0.0);
        w = tensor(w, name("attn_output"), &[width, width], GgmlType::Q4_0, 0.15, 0.0);
        w = tensor(w, name("ffn_gate"), &[width, hidden], GgmlType::Q4_1, 0.15, 0.0);
        w = tensor(w, name("ffn_up"), &[width, hidden], GgmlType::Q4_1, 0.15, 0.0);
        w = tensor(w, name("ffn_down"), &[hidden, width], GgmlType::Q8_0, 0.15, 0.0);
    }
    w
}

/// The file, loaded in uneven portions.
pub fn load() -> Loaded {
    let file = file();
    super::load(&file, 997, Some(file.len() as u64)).expect("a sound file")
}

/// A prompt that repeats itself in places, so that attention has something to find.
pub fn prompt(tokens: usize) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(5);
    (0..tokens).map(|i| if i % 3 == 0 { 65 + (i as u32 / 3) % 7 } else { random.u32(0..256) }).collect()
}
