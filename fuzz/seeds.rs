//! Writes the small sound files that fuzzing starts from: the tests' tiny model, and a file for every block format and
//! every pre-tokeniser.

#[path = "../tests/common/mod.rs"]
mod common;

use attnscope::gguf::{GgmlType, write::Writer};
use attnscope::tokenizer::bytes::letters;

fn main() -> std::io::Result<()> {
    std::fs::create_dir_all("fuzz/corpus/gguf")?;
    let write = |name: &str, writer: Writer| {
        // The first byte tells the target how to cut.
        let file = [vec![0], writer.finish()].concat();
        std::fs::write(format!("fuzz/corpus/gguf/{name}"), file)
    };
    let template = "{% for m in messages %}<|s|>{{ m.role | upper }} {{ m['content'].strip() }}{% endfor %}";
    write("model", common::tiny::writer().meta("tokenizer.chat_template", template))?;
    for kind in GgmlType::all() {
        let cols = kind.block_elements().max(4);
        let bytes = vec![0x11; kind.row_bytes(cols as u64).unwrap_or(0) as usize * 2];
        let writer = Writer::new()
            .meta("general.architecture", "llama")
            .meta("llama.rope.freq_base", 1e5)
            .tensor("a", &[cols as u64, 2], kind, &bytes)
            .tensor("b", &[2], GgmlType::F32, &[0; 8]);
        write(kind.name(), writer)?;
    }
    for pre in ["smollm", "gpt-2", "default", "llama-bpe", "qwen2"] {
        let mut tokens: Vec<String> = letters()[33..127].iter().map(char::to_string).collect();
        tokens.extend(["ab", "<|s|>", "<u>"].map(str::to_owned));
        let mut types = vec![1; tokens.len() - 2];
        types.extend([3, 4]);
        let writer = Writer::new()
            .meta("tokenizer.ggml.model", "gpt2")
            .meta("tokenizer.ggml.pre", pre)
            .meta("tokenizer.ggml.tokens", tokens)
            .meta("tokenizer.ggml.token_type", types)
            .meta("tokenizer.ggml.merges", vec!["a b".to_owned()])
            .meta("tokenizer.ggml.bos_token_id", 95)
            .meta("tokenizer.ggml.add_bos_token", true)
            .meta("tokenizer.chat_template", template);
        write(pre, writer)?;
    }
    Ok(())
}
