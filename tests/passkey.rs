//! The real model finds a number hidden in a long text, with full attention every time; other methods are reported.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{cache::Store, engine::Options, loader::Loaded, methods::Value};

const TASK: &str = "There is important info hidden inside a lot of irrelevant text. Find it and memorize it.";
const FILLER: &str =
    "The river runs past the mill. A cart waits by the gate. The bell rings at noon. Nobody is in a hurry today. ";
/// Repetitions of the filler for about 600, 1150 and 2300 tokens, and those before the number.
const TEXTS: [(usize, [(usize, &str); 3]); 3] = [
    (20, [(2, "39482"), (10, "51760"), (18, "84205")]),
    (40, [(4, "39482"), (20, "51760"), (36, "84205")]),
    (83, [(8, "39482"), (41, "51760"), (74, "84205")]),
];

fn prompt(lines: usize, before: usize, key: &str) -> String {
    let (head, tail) = (FILLER.repeat(before), FILLER.repeat(lines - before));
    let needle = format!("The pass key is {key}. Remember it. {key} is the pass key.");
    format!("{TASK}\n{head}\n{needle}\n{tail}\nQuestion: What is the pass key?\nAnswer: The pass key is number")
}

/// Whether the answer, written freely, holds the key; and the prompt's length in tokens.
fn finds(
    loaded: &Loaded,
    method: &str,
    params: &[(String, Value)],
    lines: usize,
    before: usize,
    key: &str,
) -> (bool, usize) {
    let ids = loaded.tokenizer.encode_prompt(&prompt(lines, before, key)).unwrap();
    let mut engine = loaded.engine(method, params, None, Store::F16).unwrap();
    engine.start(&ids, Options { max_tokens: 8, ..Options::default() }).unwrap();
    while engine.next_step().unwrap().is_some() {}
    let answer = loaded.tokenizer.decode(&engine.ids()[ids.len()..], true);
    (answer.contains(key), ids.len())
}

#[test]
fn full_attention_finds_every_key() {
    let loaded = &common::load_model();
    let tidal = [
        ("top_k".to_owned(), Value::Number(128.0)),
        ("share".to_owned(), Value::Word("all_heads".to_owned())),
        ("reselect_layers".to_owned(), Value::List(vec![17.0])),
    ];
    let methods: [(&str, &[(String, Value)]); 3] = [("full", &[]), ("tidal_decode", &[]), ("tidal_decode", &tidal)];
    // The two methods read a prompt alike, so the longest texts are shared out over the cores.
    let rows = std::thread::scope(|scope| {
        let run = |(method, params): (&'static str, &[(String, Value)])| {
            let params = params.to_vec();
            scope.spawn(move || {
                TEXTS.map(|(lines, keys)| keys.map(|(before, key)| finds(loaded, method, &params, lines, before, key)))
            })
        };
        methods.map(run).map(|thread| thread.join().unwrap())
    });
    for ((method, params), texts) in methods.iter().zip(&rows) {
        let params: Vec<String> = params.iter().map(|(k, v)| format!("{k} = {v}")).collect();
        for keys in texts {
            let found = keys.iter().filter(|k| k.0).count();
            let name =
                if params.is_empty() { (*method).to_owned() } else { format!("{method} ({})", params.join(", ")) };
            common::report(&format!("passkey at {} tokens, {name}: {found} of {}", keys[0].1, keys.len()));
        }
    }
    for keys in &rows[0] {
        assert!(keys.iter().all(|k| k.0), "full attention lost a key at {} tokens", keys[0].1);
    }
}
