//! Guesses change no token: whatever the draft, the text is the target's own, greedy or in distribution.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;
#[allow(dead_code, reason = "golden.rs uses the rest")]
mod runners;

use attnscope::{
    backend::WeightData,
    cache::Store,
    engine::{Options, Progress},
    kernels::{Layout, Matrix},
    loader::Loaded,
    methods::Value,
    ops::Weight,
    sampler::judge,
    trace::{Detail, Kind, records},
};
use common::tiny;
use std::fs;

const TOKENS: u32 = 60;

/// What guesses are computed with instead of the model's own weights.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Draft {
    Same,
    /// 4-bit copies of the feed-forward matrices.
    Narrow,
    /// Random feed-forward matrices.
    Random,
    /// The output matrix turned around: the worst token is guessed.
    Wrong,
}

fn load(draft: Draft) -> Loaded {
    let loaded = tiny::load();
    let mut random = fastrand::Rng::with_seed(3);
    let changed = |weight: Weight, change: &mut dyn FnMut(f32) -> f32| {
        let WeightData::Matrix(of) = &loaded.weights.list[weight.0 as usize] else { panic!("{weight:?}") };
        let mut matrix = Matrix::new(Layout::Half, of.rows(), of.cols()).unwrap();
        let mut values = vec![0.0; of.cols()];
        for row in 0..of.rows() {
            of.row(row, &mut values);
            values.iter_mut().for_each(|x| *x = change(*x));
            matrix.set_half(row, &values);
        }
        (weight.0 as usize, matrix)
    };
    let changes: Vec<(usize, Matrix)> = match draft {
        Draft::Same | Draft::Narrow => return loaded,
        Draft::Random => {
            let ffn = loaded.model.layers.iter().flat_map(|layer| [layer.gate, layer.up, layer.down]);
            ffn.map(|weight| changed(weight, &mut |_| random.f32() - 0.5)).collect()
        }
        Draft::Wrong => vec![changed(loaded.model.head, &mut |x| -x)],
    };
    let mut copies: Vec<Option<Matrix>> = loaded.weights.list.iter().map(|_| None).collect();
    changes.into_iter().for_each(|(at, matrix)| copies[at] = Some(matrix));
    assert!(loaded.weights.narrow.set(copies).is_ok());
    loaded
}

/// The ids, every token's logits, and how many guesses were made and held.
fn text(loaded: &Loaded, draft: Draft, gamma: u32, prompt: usize) -> (Vec<u32>, Vec<Vec<f32>>, [u32; 2]) {
    let mut given =
        vec![("group_tokens".to_owned(), Value::Number(8.0)), ("gamma".to_owned(), Value::Number(gamma.into()))];
    if draft != Draft::Same {
        given.push(("draft_weights".to_owned(), Value::Word("int4_ffn".to_owned())));
    }
    let mut engine = loaded.engine("quant_spec", &given, None, Store::F16).unwrap();
    let options = Options { max_tokens: TOKENS, trace: Detail::Totals, ..Options::default() };
    engine.start(&tiny::prompt(prompt), options).unwrap();
    let (mut ids, mut logits, mut guesses, mut checks) = (Vec::new(), Vec::new(), 0, 0);
    while let Some(step) = engine.next_step().unwrap() {
        ids.push(step.id);
        logits.push(engine.logits().unwrap().to_vec());
        engine.tracer().take(|block| {
            let passes = |aux: &[u8]| {
                records(block).filter(|r| r.kind == Kind::Pass as u8 && aux.contains(&r.aux)).count() as u32
            };
            guesses += passes(&[2]);
            checks += passes(&[1, 3]);
        });
    }
    // One token is the prompt's, and every check makes one besides the guesses that held.
    let held = ids.len() as u32 - 1 - checks;
    (ids, logits, [guesses, held])
}

#[test]
fn the_text_is_the_targets_whatever_the_draft() {
    let target = load(Draft::Same);
    for draft in [Draft::Same, Draft::Narrow, Draft::Random, Draft::Wrong] {
        let loaded = load(draft);
        for prompt in [3, 40] {
            let (ids, logits, _) = text(&target, Draft::Same, 0, prompt);
            let (mut guesses, mut held) = (0, 0);
            // Without guesses there is nothing to compute them with.
            for gamma in u32::from(draft != Draft::Same)..=7 {
                let got = text(&loaded, draft, gamma, prompt);
                assert_eq!(got.0, ids, "{draft:?}, gamma {gamma}, prompt {prompt}");
                assert!(got.1 == logits, "{draft:?}, gamma {gamma}, prompt {prompt}: logits");
                guesses += got.2[0];
                held += got.2[1];
            }
            println!("{draft:?}, prompt {prompt}: {held} of {guesses} guesses held");
            assert!(guesses > 100, "{draft:?}");
            match draft {
                Draft::Same | Draft::Narrow => assert!(2 * held > guesses, "{draft:?}: {held} of {guesses}"),
                Draft::Random => assert!(held < guesses, "{draft:?}: {held} of {guesses}"),
                Draft::Wrong => assert_eq!(held, 0, "of {guesses}"),
            }
        }
    }
}

#[test]
fn guesses_with_narrower_copies_need_a_wider_file() {
    use attnscope::gguf::{GgmlType, encode, write::Writer};
    let given = [("draft_weights".to_owned(), Value::Word("int4_ffn".to_owned()))];
    let shape = [("llama.block_count", 1), ("llama.embedding_length", 32), ("llama.feed_forward_length", 32)];
    let mut w = Writer::new().meta("general.architecture", "llama");
    for (key, n) in shape.into_iter().chain([("llama.attention.head_count", 2), ("llama.context_length", 64)]) {
        w = w.meta(key, n as u32);
    }
    let tokens: Vec<String> = attnscope::tokenizer::bytes::letters().iter().map(char::to_string).collect();
    w = w
        .meta("llama.attention.layer_norm_rms_epsilon", 1e-5f32)
        .meta("tokenizer.ggml.model", "gpt2")
        .meta("tokenizer.ggml.pre", "smollm")
        .meta("tokenizer.ggml.token_type", vec![1i32; tokens.len()])
        .meta("tokenizer.ggml.tokens", tokens)
        .meta("tokenizer.ggml.merges", Vec::<String>::new())
        .meta("tokenizer.ggml.eos_token_id", 0u32);
    let matrix = |w: Writer, name: &str, kind: GgmlType, rows: u64| {
        let values: Vec<f32> = (0..32 * rows).map(|i| (i as f32).sin()).collect();
        w.tensor(name, &[32, rows], kind, &encode(kind, &values).unwrap())
    };
    w = matrix(w, "token_embd.weight", GgmlType::Q8_0, 256);
    for norm in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
        w = w.tensor(&format!("{norm}.weight"), &[32], GgmlType::F32, &encode(GgmlType::F32, &[1.0; 32]).unwrap());
    }
    for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
        w = matrix(w, &format!("blk.0.{part}.weight"), GgmlType::Q8_0, 32);
    }
    for part in ["ffn_gate", "ffn_up", "ffn_down"] {
        w = matrix(w, &format!("blk.0.{part}.weight"), GgmlType::Q4_0, 32);
    }
    let file = w.finish();
    let loaded = common::load(&file, 4096, Some(file.len() as u64)).unwrap();
    let error = loaded.engine("quant_spec", &given, None, Store::F16).err().unwrap();
    assert!(error.code() == "param" && error.to_string().contains("4 bits already"), "{error}");
    tiny::load().engine("quant_spec", &given, None, Store::F16).map(|_| ()).unwrap();
}

#[test]
fn quantising_tells_its_noise() {
    let given = [("group_tokens".to_owned(), Value::Number(8.0))];
    let mut engine = tiny::load().engine("quant_spec", &given, None, Store::F16).unwrap();
    engine.start(&tiny::prompt(40), Options { max_tokens: 30, trace: Detail::Sets, ..Options::default() }).unwrap();
    let mut counts = [0, 0, 0];
    while engine.advance().unwrap() != Progress::Done {
        engine.tracer().take(|block| {
            for r in records(block) {
                counts[0] += usize::from(r.kind == Kind::Quantise as u8);
                if r.kind == Kind::PlaneNoise as u8 {
                    let [decibels, worst] = [r.a, r.b].map(f32::from_bits);
                    counts[1 + usize::from(r.aux)] += 1;
                    // 8 bits of a range; f16 of the grid adds to the bound of 1.
                    assert!((35.0..80.0).contains(&decibels), "{decibels} dB");
                    assert!(worst > 0.1 && worst < 1.6, "{worst} of a sixteenth");
                }
            }
        });
    }
    assert!(counts[0] > 0 && counts == [counts[0]; 3], "{counts:?}");
}

/// Sum of squared differences over the expected counts, and one less than there are terms. Tokens that are expected
/// fewer than ten times are one term.
fn chi_square(counts: &[u32], p: &[f32]) -> (f64, f64) {
    let (trials, total) = (f64::from(counts.iter().sum::<u32>()), p.iter().map(|x| f64::from(*x)).sum::<f64>());
    let pairs = counts.iter().zip(p).map(|(n, p)| (f64::from(*n), trials * f64::from(*p) / total));
    let (often, seldom): (Vec<_>, Vec<_>) = pairs.partition(|(_, want)| *want >= 10.0);
    let rest = seldom.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let terms = often.len() + usize::from(rest.1 > 0.0);
    let chi: f64 = often.iter().chain([&rest]).map(|(n, want)| (n - want).powi(2) / want.max(1e-9)).sum();
    (chi, (terms - 1) as f64)
}

#[test]
fn accepted_and_drawn_tokens_are_distributed_as_the_targets() {
    const TRIALS: u32 = 20_000;
    let mut told_apart = 0;
    for path in ["c1", "c2", "c3"].map(|case| format!("tests/golden/quantspec_accept/{case}.safetensors")) {
        let bytes = fs::read(&path).unwrap();
        let case = runners::Case::read(path.as_ref(), &bytes, &runners::On::Cpu);
        let [rounds, guesses, vocabulary] = case.shape("q")[..] else { panic!("{path}: q") };
        let (q, p) = (case.floats("q"), case.floats("p"));
        let mut random = fastrand::Rng::with_seed(17);
        for round in 0..rounds.min(4) {
            let q = &q[round * guesses * vocabulary..][..guesses * vocabulary];
            let p = &p[round * (guesses + 1) * vocabulary..][..(guesses + 1) * vocabulary];
            let [mut first, mut drafted] = [vec![0; vocabulary], vec![0; vocabulary]];
            for _ in 0..TRIALS {
                let draft: Vec<u32> = q
                    .chunks_exact(vocabulary)
                    .map(|q| {
                        let mut left = random.f32() * q.iter().sum::<f32>();
                        let hit = q.iter().position(|q| {
                            left -= q;
                            left < 0.0
                        });
                        hit.unwrap_or(0) as u32
                    })
                    .collect();
                let verdict = judge(&draft, q, p, || random.f32());
                first[if verdict.held > 0 { draft[0] } else { verdict.token } as usize] += 1;
                drafted[draft[0] as usize] += 1;
            }
            let p = &p[..vocabulary];
            let (got, freedom) = chi_square(&first, p);
            // Five standard deviations.
            let most = freedom + 5.0 * (2.0 * freedom).sqrt();
            assert!(got < most, "{path} round {round}: chi-square {got} of at most {most}");
            told_apart += u32::from(chi_square(&drafted, p).0 > most);
        }
    }
    // The test can tell: the drafts' own tokens are not so distributed.
    assert!(told_apart > 3, "{told_apart} rounds whose draft is another distribution");
}
