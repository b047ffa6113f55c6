//! The real model's tokenizer and chat template against reference ids, and hostile vocabularies.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use attnscope::chat::{ChatMessage, ChatTemplate};
use attnscope::gguf::Metadata;
use attnscope::gguf::write::{Meta, Writer};
use attnscope::tokenizer::bytes::letters;
use attnscope::tokenizer::{Detokenizer, Tokenizer};
use common::{collect, model_metadata};
use proptest::prelude::*;
use std::sync::LazyLock;

static REAL: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::from_metadata(&model_metadata()).unwrap());

fn golden(name: &str) -> Vec<u8> {
    let root = std::env::var("ATTNSCOPE_GOLDEN").unwrap_or_else(|_| "tests/golden".into());
    std::fs::read(format!("{root}/real_model/{name}")).unwrap()
}

/// `prompt_utf8` and `prompt_ids` of a golden run.
fn golden_prompt(name: &str) -> (String, Vec<u32>) {
    let file = golden(name);
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let text = tensors.tensor("prompt_utf8").unwrap().data().to_vec();
    let ids = tensors.tensor("prompt_ids").unwrap();
    let ids = ids.data().chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
    (String::from_utf8(text).unwrap(), ids.collect())
}

#[test]
fn texts_have_the_reference_ids() {
    let json: serde_json::Value = serde_json::from_slice(&golden("tokenizer.json")).unwrap();
    let texts = json["texts"].as_array().unwrap();
    assert!(texts.len() >= 16);
    for case in texts {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(REAL.encode(text, true).unwrap(), ids, "{text:?}");
        assert_eq!(REAL.decode(&ids, false), text);
    }
}

#[test]
fn prompts_have_the_reference_ids() {
    for name in ["chat.safetensors", "text.safetensors", "code.safetensors", "passkey.safetensors"] {
        let (text, ids) = golden_prompt(name);
        assert_eq!(REAL.encode_prompt(&text).unwrap(), ids, "{name}");
        assert_eq!(REAL.decode(&ids, false), text, "{name}");
    }
}

#[test]
fn the_template_makes_the_reference_prompt() {
    let template = ChatTemplate::from_metadata(&model_metadata()).unwrap().unwrap();
    let (prompt, _) = golden_prompt("chat.safetensors");
    let question = ChatMessage::new("user", "Name three rivers in Europe and say one sentence about each.");
    assert_eq!(template.render(std::slice::from_ref(&question), true).unwrap(), prompt);
    assert!(prompt.contains("You are a helpful AI assistant named SmolLM"));
    let own = template.render(&[ChatMessage::new("system", "Be brief."), question], false).unwrap();
    assert!(own.starts_with("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"), "{own}");
    assert!(own.ends_with("<|im_end|>\n"), "{own}");
}

#[test]
fn a_conversation_is_cut_into_its_rounds() {
    let template = ChatTemplate::from_metadata(&model_metadata()).unwrap().unwrap();
    let said = |role: &str, text: &str| ChatMessage::new(role, text);
    let turns =
        [("user", "Hi."), ("assistant", "Hello!"), ("user", "And now?"), ("assistant", "Now,"), ("user", "Yes?")];
    let mut messages: Vec<_> = turns.iter().map(|(role, text)| said(role, text)).collect();
    let cut = |messages: &[ChatMessage]| {
        let parts = template.render_rounds(messages, true).unwrap();
        let whole = template.render(messages, true).unwrap();
        assert_eq!(parts.concat(), whole);
        let ids: Vec<u32> = parts.iter().flat_map(|part| REAL.encode(part, true).unwrap()).collect();
        assert_eq!(ids, REAL.encode_prompt(&whole).unwrap(), "cuts are between tokens");
        parts
    };
    let parts = cut(&messages);
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[1], "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\nNow,<|im_end|>\n");
    messages.insert(0, said("system", "Be brief."));
    let parts = cut(&messages);
    assert_eq!((parts.len(), parts[0].as_str()), (4, "<|im_start|>system\nBe brief.<|im_end|>\n"));
    // A template that says something else of a shorter conversation.
    let counting =
        ChatTemplate::new("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}").unwrap();
    assert_eq!(counting.render_rounds(&messages[1..], true).unwrap(), ["5Hi.Hello!And now?Now,Yes?"]);
}

#[test]
fn specials_are_parsed_when_asked() {
    assert_eq!(REAL.encode("<|im_start|><|im_end|>", true).unwrap(), [1, 2]);
    let letters = REAL.encode("<|im_start|>", false).unwrap();
    assert!(letters.len() > 1 && !letters.iter().any(|&id| REAL.is_control(id)));
    assert_eq!(REAL.decode(&[1, 19556, 2], true), "Hello");
    assert_eq!(REAL.decode(&[1, 19556, 2], false), "<|im_start|>Hello<|im_end|>");
    assert_eq!(REAL.decode(&[u32::MAX, 49152, 19556], false), "Hello");
    assert_eq!(REAL.eos(), [0, 2]);
    assert_eq!((REAL.bos(), REAL.add_bos(), REAL.vocabulary()), (Some(1), false, 49152));
}

/// Bytes of the ASCII range and lead bytes that this vocabulary has no token for; the references drop them too.
const MISSING: [u8; 8] = [0x04, 0x06, 0x13, 0x14, 0x16, 0x1d, 0xf1, 0xf2];

#[test]
fn every_character_of_one_and_two_bytes_comes_back() {
    for char in (0..0x800).filter_map(char::from_u32) {
        let text = char.to_string();
        let expected = if MISSING.contains(&text.as_bytes()[0]) { "" } else { &text };
        assert_eq!(REAL.decode(&REAL.encode(&text, false).unwrap(), false), expected, "{char:?}");
    }
}

#[test]
fn long_texts_are_encoded_in_reasonable_time() {
    for text in [" ".repeat(300_000), "a".repeat(300_000), "\n \n".repeat(100_000), "né日 7<|".repeat(40_000)] {
        let started = std::time::Instant::now();
        let ids = REAL.encode(&text, true).unwrap();
        assert_eq!(REAL.decode(&ids, false), text);
        println!("{} kB in {:.0?}", text.len() / 1000, started.elapsed());
        assert!(started.elapsed().as_secs() < 10, "{:?}…", &text[..8]);
    }
}

#[test]
fn every_pre_tokeniser_takes_long_texts() {
    for pre in ["smollm", "gpt-2", "default", "llama-bpe", "qwen2"] {
        let tokenizer = built(tiny(pre, &["ĠĠ"], &["Ġ Ġ"])).unwrap();
        for text in [" ".repeat(200_000) + "x", " \n\t".repeat(60_000) + "x", "1a!".repeat(60_000), "'".repeat(200_000)]
        {
            let started = std::time::Instant::now();
            let ids = tokenizer.encode(&text, true).unwrap();
            assert_eq!(tokenizer.decode(&ids, false), text);
            assert!(started.elapsed().as_secs() < 10, "{pre}: {:?}…", &text[..3]);
        }
    }
}

/// A vocabulary of the 256 bytes and a few more tokens.
fn tiny(pre: &str, more: &[&str], merges: &[&str]) -> Writer {
    let mut tokens: Vec<String> = letters().iter().map(char::to_string).collect();
    tokens.extend(more.iter().map(|&token| token.to_owned()));
    let types = tokens.iter().map(|token| match token.as_str() {
        text if text.starts_with("<|") => 3,
        text if text.starts_with("<user") => 4,
        _ => 1,
    });
    Writer::new()
        .meta("tokenizer.ggml.model", "gpt2")
        .meta("tokenizer.ggml.pre", pre)
        .meta("tokenizer.ggml.token_type", types.collect::<Vec<i32>>())
        .meta("tokenizer.ggml.tokens", tokens)
        .meta("tokenizer.ggml.merges", merges.iter().map(|&m| m.to_owned()).collect::<Vec<_>>())
}

fn metadata(writer: Writer) -> Metadata {
    collect(&writer.finish(), &[usize::MAX], None).unwrap().header.unwrap().metadata
}

fn built(writer: Writer) -> attnscope::Result<Tokenizer> {
    Tokenizer::from_metadata(&metadata(writer))
}

/// The words a pre-tokeniser cuts: with tokens for all words of two letters, every letter that was not cut off merges.
fn words(pre: &str, text: &str) -> Vec<String> {
    let more = ["aa", "Ġa", "11", "111", "!!", "'s", "'S", "ĠĠ"];
    let merges = ["a a", "Ġ a", "1 1", "11 1", "! !", "' s", "' S", "Ġ Ġ"];
    let tokenizer = built(tiny(pre, &more, &merges)).unwrap();
    let ids = tokenizer.encode(text, false).unwrap();
    ids.iter().map(|&id| tokenizer.decode(&[id], false)).collect()
}

#[test]
fn pre_tokenisers_cut_as_documented() {
    assert_eq!(words("smollm", "111 a"), ["1", "1", "1", " a"]);
    assert_eq!(words("gpt-2", "1111 a"), ["11", "11", " a"]);
    assert_eq!(words("qwen2", "11 a"), ["1", "1", " a"]);
    assert_eq!(words("llama-bpe", "1111a"), ["111", "1", "a"]);
    assert_eq!(words("default", "1111!! a"), ["111", "1", "!!", " a"]);
    assert_eq!(words("gpt-2", "a's a'S"), ["a", "'s", " a", "'", "S"]);
    assert_eq!(words("llama-bpe", "a'S"), ["a", "'S"]);
    assert_eq!(words("smollm", "a   a"), ["a", "  ", " a"]);
    for alias in ["llama3", "llama-v3"] {
        assert_eq!(words(alias, "1111 a'S"), words("llama-bpe", "1111 a'S"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_back(text in "(\\PC|[ \\n\\t0-9a-z<|>]){0,80}", special in any::<bool>()) {
        for pre in ["smollm", "gpt-2", "default", "llama-bpe", "qwen2"] {
            let tokenizer = built(tiny(pre, &["aa", "Ġa", "<|end|>", "<user>"], &["a a", "Ġ a"])).unwrap();
            let ids = tokenizer.encode(&text, special).unwrap();
            prop_assert_eq!(&tokenizer.decode(&ids, false), &text);
            let mut streamed = Detokenizer::default();
            let mut joined: String = ids.iter().map(|&id| streamed.push(tokenizer.piece(id))).collect();
            joined += &streamed.flush();
            prop_assert_eq!(&joined, &text);
        }
    }

    #[test]
    fn streamed_bytes_are_read_as_whole_ones(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80..0xc0u8, Just(0xf0)], 0..40), portion in 1..5usize) {
        let mut streamed = Detokenizer::default();
        let mut joined: String = bytes.chunks(portion).map(|piece| streamed.push(piece)).collect();
        joined += &streamed.flush();
        prop_assert_eq!(joined, String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn user_defined_tokens_are_always_found_and_the_longest_wins() {
    let tokenizer = built(tiny("smollm", &["<user>", "<user>x", "<|a|>"], &[])).unwrap();
    assert_eq!(tokenizer.encode("<user>x<user>", false).unwrap(), [257, 256]);
    assert_eq!(tokenizer.encode("<|a|>", true).unwrap(), [258]);
    assert_eq!(tokenizer.encode("<|a|>", false).unwrap().len(), 5);
    assert_eq!(tokenizer.decode(&[256, 258], true), "<user>");
}

#[test]
fn the_begin_of_text_token_is_put_in_front_once() {
    let with = |pre: &str| tiny(pre, &["<|b|>"], &[]).meta("tokenizer.ggml.bos_token_id", 256);
    let tokenizer = built(with("llama-bpe")).unwrap();
    assert_eq!(tokenizer.encode_prompt("a").unwrap().len(), 2);
    assert_eq!(tokenizer.encode_prompt("<|b|>a").unwrap().len(), 2);
    assert_eq!(tokenizer.encode_prompt("").unwrap(), [0; 0]);
    assert_eq!(tokenizer.encode("a", true).unwrap().len(), 1);
    assert_eq!(built(with("qwen2")).unwrap().encode_prompt("a").unwrap().len(), 1);
    let forced = with("qwen2").meta("tokenizer.ggml.add_bos_token", true);
    assert_eq!(built(forced).unwrap().encode_prompt("a").unwrap()[0], 256);
}

#[test]
fn what_does_not_fit_is_refused_by_key() {
    let refused = |writer: Writer, expected: &str| {
        let message = built(writer).unwrap_err().to_string();
        assert!(message.contains(expected), "{expected:?} is not in {message:?}");
    };
    refused(tiny("tekken", &[], &[]), "pre-tokeniser tekken is not supported; supported: smollm");
    refused(Writer::new().meta("tokenizer.ggml.model", "llama"), "tokenizer model llama");
    refused(Writer::new(), "tokenizer.ggml.model: missing");
    let merges = |merge: &str| tiny("smollm", &["aa", "xyz", ""], &[merge]);
    refused(merges("aa"), "merge 0 \"aa\": needs two parts");
    refused(merges("a b"), "`ab` out of vocabulary");
    refused(merges("a bb"), "`bb` out of vocabulary");
    refused(merges("aa bb"), "must be tokens");
    refused(merges("a "), "must be tokens");
    refused(merges(" a"), "needs two parts");
    // Longer than every token: the merge that the crate would copy out of bounds.
    refused(tiny("smollm", &[], &["Ā Ā"]), "must be tokens");
    refused(tiny("smollm", &[], &[]).meta("tokenizer.ggml.eos_token_id", 256), "eos_token_id: id 256");
    refused(tiny("smollm", &[], &[]).meta("tokenizer.ggml.bos_token_id", u32::MAX), "bos_token_id");
    let base = || Writer::new().meta("tokenizer.ggml.model", "gpt2").meta("tokenizer.ggml.pre", "gpt-2");
    let none = Meta::Strs(vec![]);
    refused(base().meta("tokenizer.ggml.tokens", none.clone()), "tokens: empty");
    let one = base().meta("tokenizer.ggml.tokens", vec!["a".to_owned()]);
    refused(one.clone(), "merges: missing");
    refused(one.clone().meta("tokenizer.ggml.token_type", vec![1, 1]), "2 types for 1 tokens");
    refused(one.clone().meta("tokenizer.ggml.token_type", vec![0.5f32]), "needs integers");
    // Bytes without a token are dropped.
    let tokenizer = built(one.meta("tokenizer.ggml.merges", none)).unwrap();
    assert_eq!(tokenizer.encode("xaé", true).unwrap(), [0]);
}

#[test]
fn many_specials_are_read_at_once_and_more_are_refused() {
    let with = |count: usize| {
        let tokens: Vec<String> = (0..count).map(|i| format!("<|{}{i}|>", "x".repeat(i % 7))).collect();
        tiny("smollm", &tokens.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    };
    let tokenizer = built(with(1 << 13)).unwrap();
    assert_eq!(tokenizer.encode("<|xxx10|><|x8191|>", true).unwrap(), [256 + 10, 256 + 8191]);
    let message = built(with((1 << 13) + 1)).unwrap_err().to_string();
    assert!(message.contains("8193 control and user-defined tokens; at most 8192"), "{message}");
}

#[test]
fn equal_tokens_encode_to_the_first() {
    let tokenizer = built(tiny("smollm", &["aa", "aa"], &["a a"])).unwrap();
    assert_eq!(tokenizer.encode("aa", false).unwrap(), [256]);
    assert_eq!(tokenizer.decode(&[257], false), "aa");
}

#[test]
fn templates_may_use_what_published_ones_use() {
    let render = |source: &str| {
        let messages = [ChatMessage::new("user", " Hi\u{e9} "), ChatMessage::new("assistant", "Yo")];
        ChatTemplate::new(source).and_then(|template| template.render(&messages, true))
    };
    assert_eq!(render("{{ messages[0]['content'].strip() }}").unwrap(), "Hié");
    assert_eq!(render("{%- for m in messages %}\n    {%- if m.role == 'assistant' %}{% break %}{% endif %}\n{{ m.role }}\n{%- endfor %}").unwrap(), "user");
    assert_eq!(render("{% set ns = namespace(x=1) %}{% set ns.x = 2 %}{{ ns.x }}").unwrap(), "2");
    assert_eq!(render("{{ messages[1].content | tojson }}").unwrap(), "\"Yo\"");
    assert_eq!(render("{{ messages[1:] | length }}{{ bos_token }}").unwrap(), "1");
    assert_eq!(render("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(1) }}").unwrap(), "<1>");
    assert_eq!(render("{% if tools is defined %}x{% endif %}{{ '<b>' }}").unwrap(), "<b>");
    let error = render("{{ raise_exception('Only user and assistant roles') }}").unwrap_err();
    assert_eq!(error.code(), "template");
    assert!(error.to_string().contains("Only user and assistant roles"), "{error}");
    assert!(render("{% for %}").is_err());
}

#[test]
fn hostile_templates_end() {
    for source in [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{{ 'x' * 1000000000 }}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{{ range(100000000) | list | length }}",
        "{% include 'chat_template' %}",
    ] {
        let started = std::time::Instant::now();
        let result = ChatTemplate::new(source).and_then(|t| t.render(&[ChatMessage::new("user", "x")], true));
        assert_eq!(result.unwrap_err().code(), "template", "{source}");
        assert!(started.elapsed().as_secs() < 5, "{source}");
    }
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(ChatTemplate::new(&format!("{{{{ {deep} }}}}")).is_err());
    let nested = "{% if 1 %}".repeat(100_000);
    assert!(ChatTemplate::new(&nested).is_err());
}
