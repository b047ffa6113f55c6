//! Conversations: rounds that are chosen and parked, prompts made of parts, and keys computed anew.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    backend::WeightData,
    cache::Store,
    engine::{Engine, Options, Prompt},
    kernels::Precision,
    method::{LayerCx, Method, Select},
    methods::{Correction, Value},
    ops::{Read, Tag},
    trace::{Detail, Kind, records},
};
use common::tiny;
use std::collections::BTreeSet;

fn options(max_tokens: u32) -> Options {
    Options { max_tokens, trace: Detail::Sets, ..Options::default() }
}

/// Ids and trace of a run to its end.
fn run(engine: &mut Engine) -> (Vec<u32>, Vec<u8>) {
    let (mut ids, mut block) = (Vec::new(), Vec::new());
    while let Some(step) = engine.next_step().unwrap() {
        ids.push(step.id);
        engine.tracer().take(|records| block.extend_from_slice(records));
    }
    (ids, block)
}

fn rounds(given: &[(&str, Value)]) -> Engine {
    let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    tiny::load().engine("round_attention", &given, None, Store::F16).unwrap()
}

fn turn(at: usize) -> Vec<u32> {
    tiny::prompt(12 + 5 * at)
}

#[test]
fn above_the_watershed_a_turn_reads_the_chosen_rounds_and_parks_the_others() {
    let one = [("watershed_layer", Value::Number(1.0)), ("k_max", Value::Number(1.0))];
    let mut engine = rounds(&one);
    // Positions at which rounds begin, and what is parked by layer and KV head.
    let (mut starts, mut far) = (Vec::new(), vec![BTreeSet::new(); (tiny::LAYERS * tiny::KV_HEADS) as usize]);
    for at in 0..4 {
        starts.push(engine.ids().len() as u32);
        match at {
            0 => engine.start(&turn(at), options(6)).unwrap(),
            _ => engine.extend(&turn(at), options(6)).unwrap(),
        }
        let (_, block) = run(&mut engine);
        let (mut seen, mut first) = (BTreeSet::new(), 0);
        for r in records(&block) {
            let heads = |h: u8| usize::from(r.layer) * tiny::KV_HEADS as usize + usize::from(h);
            match r.kind {
                kind if kind == Kind::Park as u8 => far[heads(r.head)].extend(r.a..r.a + r.b),
                kind if kind == Kind::Fetch as u8 => {
                    (r.a..r.a + r.b).for_each(|p| assert!(far[heads(r.head)].remove(&p), "{p} was not parked"));
                }
                kind if kind == Kind::Pass as u8 => first = r.a,
                kind if kind == Kind::ReadAll as u8 => {
                    // The first round reads everything, up to its last token, which is fed with the second.
                    assert!(r.layer <= 1 || first < *starts.get(1).unwrap_or(&u32::MAX), "turn {at} layer {}", r.layer);
                }
                kind if [Kind::ReadRun as u8, Kind::ReadBits as u8].contains(&kind) => {
                    assert_eq!(r.layer, 2);
                    let head = r.head / (tiny::QUERY_HEADS / tiny::KV_HEADS) as u8;
                    let read = r.positions().inspect(|p| assert!(!far[heads(head)].contains(p), "{p} is parked"));
                    let read: Vec<u32> = read.collect();
                    seen.extend(if first < starts[at] { Vec::new() } else { read });
                }
                _ => {}
            }
        }
        if at > 0 {
            let round = |p: u32| starts.partition_point(|&first| first <= p) - 1;
            let read: BTreeSet<usize> = seen.iter().map(|&p| round(p)).collect();
            assert_eq!(read.len(), 2, "turn {at} reads one earlier round and its own: {read:?}");
            assert!(read.contains(&at));
            let stored: u64 = far.iter().map(|far| far.len() as u64).sum();
            let row = 4 * u64::from(tiny::HEAD_DIM);
            assert_eq!(engine.kept().far, stored * row, "bytes parked");
            assert_eq!(stored > 0, at > 1, "turn {at}: the only earlier round is always chosen");
        }
    }
    assert!(far.iter().take(2 * tiny::KV_HEADS as usize).all(BTreeSet::is_empty), "nothing is parked below");
}

#[test]
fn a_conversation_of_one_round_is_full_attention_to_the_bit() {
    let logits = |method: &str| {
        let mut engine = tiny::load().engine(method, &[], None, Store::F16).unwrap();
        engine.start(&tiny::prompt(140), options(9)).unwrap();
        let ids = run(&mut engine).0;
        (ids, engine.logits().unwrap().to_vec())
    };
    assert_eq!(logits("round_attention"), logits("full"));
}

#[test]
fn choosing_all_rounds_or_none_above_is_full_attention() {
    let full = |at: usize| -> Vec<u32> {
        let mut engine = tiny::load().engine("full", &[], None, Store::F32).unwrap();
        engine.start(&turn(0), options(8)).unwrap();
        let mut ids = run(&mut engine).0;
        (1..at).for_each(|at| {
            engine.extend(&turn(at), options(8)).unwrap();
            ids.extend(run(&mut engine).0);
        });
        ids
    };
    let last = f64::from(tiny::LAYERS - 1);
    for given in [("mass_threshold", Value::Number(1.0)), ("watershed_layer", Value::Number(last))] {
        let given = [(given.0.to_owned(), given.1)];
        let mut engine = tiny::load().engine("round_attention", &given, None, Store::F32).unwrap();
        engine.start(&turn(0), options(8)).unwrap();
        let mut ids = run(&mut engine).0;
        for at in 1..4 {
            engine.extend(&turn(at), options(8)).unwrap();
            ids.extend(run(&mut engine).0);
        }
        assert_eq!(ids, full(4), "{given:?}");
    }
}

#[test]
fn a_prompt_of_several_rounds_is_read_round_by_round() {
    let mut engine = rounds(&[("watershed_layer", Value::Number(0.0)), ("k_max", Value::Number(1.0))]);
    let mut prompt = Prompt::default();
    for round in 0..3 {
        prompt.append_ids(&turn(round), Tag { round: round as u16, picture: 0 });
    }
    engine.start(prompt, options(3)).unwrap();
    let (ids, block) = run(&mut engine);
    assert_eq!(ids.len(), 3);
    let passes: Vec<_> = records(&block).filter(|r| r.kind == Kind::Pass as u8).map(|r| (r.aux, r.a, r.b)).collect();
    assert_eq!(passes, [(0, 0, 12), (0, 12, 17), (0, 29, 22), (1, 51, 1), (1, 52, 1)]);
    let chose = |r: &attnscope::trace::Record| r.kind == Kind::Note as u8;
    // The second round sees one earlier round, the third two.
    assert_eq!(records(&block).filter(chose).map(|r| (r.layer, r.a)).collect::<Vec<_>>(), [(0, 0), (0, 0), (0, 1)]);
}

#[test]
fn a_question_of_one_token_chooses_too() {
    let mut engine = rounds(&[("watershed_layer", Value::Number(0.0)), ("k_max", Value::Number(1.0))]);
    engine.start(&turn(0), options(4)).unwrap();
    run(&mut engine);
    for round in 1..3 {
        engine.extend(&[7], options(2)).unwrap();
        let (_, block) = run(&mut engine);
        let notes = records(&block).filter(|r| r.kind == Kind::Note as u8).count();
        assert_eq!(notes, round, "one figure an earlier round");
    }
}

#[test]
fn embedding_rows_stand_where_their_tokens_would() {
    let loaded = tiny::load();
    let ids = tiny::prompt(40);
    let WeightData::Matrix(table) = &loaded.weights.list[loaded.model.embedding.0 as usize] else { panic!("a matrix") };
    let width = loaded.model.config.width;
    let mut rows = vec![0.0; 7 * width as usize];
    rows.chunks_exact_mut(width as usize).zip(&ids[20..27]).for_each(|(row, &id)| table.row(id as usize, row));
    let mut prompt = Prompt::from(&ids[..20]);
    prompt.append_embeddings(&rows, width, Tag { round: 0, picture: 1 });
    prompt.append_ids(&ids[27..], Tag::default());
    let mut engine = loaded.engine("full", &[], None, Store::F16).unwrap();
    engine.start(&ids, options(10)).unwrap();
    let want = run(&mut engine).0;
    engine.start(prompt.clone(), options(10)).unwrap();
    assert_eq!(run(&mut engine).0, want);

    // LOOK-M drops rows of the picture only.
    let given = [("important", 30.0), ("recent", 4.0)].map(|(name, n)| (name.to_owned(), Value::Number(n)));
    let mut engine = loaded.engine("look_m", &given, None, Store::F16).unwrap();
    engine.start(prompt, options(2)).unwrap();
    let (_, block) = run(&mut engine);
    let gone = |r: &attnscope::trace::Record| [Kind::EvictRun as u8, Kind::EvictBits as u8].contains(&r.kind);
    let gone: Vec<u32> = records(&block).filter(gone).flat_map(|r| r.positions().collect::<Vec<_>>()).collect();
    assert_eq!(gone.len() as u32, 6 * tiny::LAYERS * tiny::KV_HEADS);
    assert!(gone.iter().all(|p| (20..27).contains(p)), "{gone:?}");

    let bad = |rows: &[f32], width: u32| {
        let mut prompt = Prompt::from(&[1]);
        prompt.append_embeddings(rows, width, Tag::default());
        loaded.engine("full", &[], None, Store::F16).unwrap().start(prompt, options(1)).unwrap_err().to_string()
    };
    assert_eq!(bad(&[0.0; 8], 4), format!("prompt: wants embedding rows of width {width}, got 8 numbers"));
    assert!(bad(&rows[1..], width).contains("numbers"), "an incomplete row");
    assert!(bad(&vec![f32::NAN; width as usize], width).contains("finite"));
    assert!(bad(&[], 0).contains("width"), "no width");
}

/// Reads little until a position, then everything.
struct Near(u32);

impl Select for Near {
    fn read(&mut self, cx: &mut LayerCx) -> attnscope::Result<Read> {
        let decodes = cx.site.kind == attnscope::method::PassKind::Decode;
        Ok(if decodes && cx.site.position < self.0 { Read::Window(3) } else { Read::All })
    }
}

#[test]
fn computed_anew_after_every_token_keys_and_values_are_those_of_full_attention() {
    let loaded = tiny::load();
    let ids = tiny::prompt(60);
    let last = |method: Method| {
        let mut engine = loaded.engine_for(method, None, Store::F16, Precision::Fast).unwrap();
        engine.start(&ids[..40], options(20)).unwrap();
        let mut logits = Vec::new();
        for &id in &ids[40..] {
            engine.next_step().unwrap();
            logits = engine.logits().unwrap().to_vec();
            engine.choose(id).unwrap();
        }
        logits
    };
    // The last token reads everything: what it finds depends on the rows before it alone.
    let sparse = || Method { select: Box::new(Near(58)), ..Method::full() };
    let full = last(Method::full());
    assert!(last(sparse()) != full, "sparse decoding changes nothing here");
    for every in [1, 3, 6] {
        // 18 tokens are decoded sparsely before it, a multiple of each.
        let corrected = Method { schedule: Box::new(Correction { every, clean: 0 }), ..sparse() };
        // Up to eight rows of a pass are computed each as it would be alone.
        assert!(last(corrected) == full, "every {every}");
    }
}
