//! In a browser: the kernels as simd128 against plain loops, the engine on a tiny model, and the JavaScript border.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    kernels::{
        Activations, AttendScratch, GemmScratch, Keys, Layout, MassOut, Matrix, Queries, Span, attend_listed,
        attend_span, encode, matmul, rms_norm, swiglu, top_k,
    },
    methods::REGISTRY,
    tokenizer::Detokenizer,
    web::{Loader, Session},
};
use common::{recorded, tiny};
use half::f16;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| 2.0 * random.f32() - 1.0).collect()
}

fn close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance, "{what}[{i}]: {g}, want {w}");
    }
}

#[wasm_bindgen_test]
fn this_build_has_simd128() {
    assert!(cfg!(target_feature = "simd128"));
}

#[wasm_bindgen_test]
fn products_are_those_of_the_unpacked_rows() {
    let mut random = fastrand::Rng::with_seed(1);
    for layout in [Layout::Half, Layout::Q8, Layout::Q4] {
        for (rows, cols, n) in [(1, 32, 1), (7, 64, 1), (24, 96, 3), (33, 160, 4), (64, 576, 13), (40, 64, 128)] {
            let mut w = Matrix::new(layout, rows, cols).unwrap();
            for row in 0..rows {
                if layout == Layout::Half {
                    w.set_half(row, &numbers(cols, row as u64));
                    continue;
                }
                for block in 0..cols / 32 {
                    let (scale, min) = (f16::from_f32(0.01 + 0.01 * random.f32()), f16::from_f32(-0.1));
                    match layout {
                        Layout::Q8 => w.set_q8(row, block, scale, &std::array::from_fn(|_| random.i8(-127..=127))),
                        _ => w.set_q4(row, block, scale, min, &std::array::from_fn(|_| random.u8(0..16))),
                    }
                }
            }
            let x = numbers(n * cols, 77);
            let (mut activations, mut out) = (Activations::default(), vec![0.0; n * rows]);
            activations.load(&x, n, cols);
            matmul(&w, &activations, &mut out, &mut GemmScratch::default());
            let mut row = vec![0.0; cols];
            let mut want = vec![0.0; n * rows];
            for r in 0..rows {
                w.row(r, &mut row);
                for i in 0..n {
                    want[i * rows + r] = x[i * cols..][..cols].iter().zip(&row).map(|(a, b)| a * b).sum();
                }
            }
            // 8-bit activations: half a step of 1/127 a number, random signs.
            let tolerance = 0.006 * (cols as f32).sqrt() * row.iter().fold(0f32, |m, x| m.max(x.abs()));
            close(&out, &want, tolerance, &format!("{layout:?} {rows} x {cols}, {n} rows"));
        }
    }
}

#[wasm_bindgen_test]
fn attention_is_that_of_the_definition() {
    let (dim, group) = (16, 3);
    for (live, rows) in [(1, 1), (5, 5), (70, 1), (200, 1), (150, 33)] {
        let (q, k, v) = (numbers(rows * group * dim, 1), numbers(live * dim, 2), numbers(live * dim, 3));
        let queries = Queries { q: &q, stride: group * dim, rows, group, head_dim: dim, scale: 0.25 };
        for window in [usize::MAX, 7] {
            let mut out = vec![0.0; rows * group * dim];
            let mut columns = vec![0.0; group * live];
            let span = Span { sees: live - rows + 1, window };
            let mass = MassOut { columns: &mut columns, stride: live, first_row: 0 };
            let keys = Keys { k: &k, v: &v, rotate: None };
            attend_span(&queries, &keys, span, &mut out, group * dim, Some(mass), &mut AttendScratch::default());
            let (want, mass) = naive(&queries, &k, &v, |row| (span.of(row)).collect());
            close(&out, &want, 1e-5, "span");
            close(&columns, &mass, 1e-4, "mass");
            // f16 rows, without mass: the other path.
            let half = |x: &[f32]| {
                let mut bits = vec![0; x.len()];
                encode(x, &mut bits);
                bits
            };
            let (hk, hv) = (half(&k), half(&v));
            let keys = Keys { k: &hk, v: &hv, rotate: None };
            attend_span(&queries, &keys, span, &mut out, group * dim, None, &mut AttendScratch::default());
            close(&out, &want, 2e-3, "span of f16");
        }
        if rows == 1 {
            let lists: Vec<Vec<u32>> =
                (0..group).map(|g| (0..live as u32).filter(|s| s % (g as u32 + 2) == 0).collect()).collect();
            let lists: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
            let mut out = vec![0.0; group * dim];
            let keys = Keys { k: &k, v: &v, rotate: None };
            attend_listed(&queries, &keys, &lists, &mut out, None, &mut AttendScratch::default());
            for (g, list) in lists.iter().enumerate() {
                let (want, _) = naive(&queries, &k, &v, |_| list.iter().map(|&s| s as usize).collect());
                close(&out[g * dim..][..dim], &want[g * dim..][..dim], 1e-5, "lists");
            }
        }
    }
}

fn naive(q: &Queries, k: &[f32], v: &[f32], slots: impl Fn(usize) -> Vec<usize>) -> (Vec<f32>, Vec<f32>) {
    let (dim, live) = (q.head_dim, k.len() / q.head_dim);
    let (mut out, mut mass) = (vec![0.0; q.rows * q.group * dim], vec![0.0; q.group * live]);
    for row in 0..q.rows {
        for head in 0..q.group {
            let query = &q.q[row * q.stride + head * dim..][..dim];
            let slots = slots(row);
            let p: Vec<f32> = slots
                .iter()
                .map(|s| (q.scale * query.iter().zip(&k[s * dim..]).map(|(a, b)| a * b).sum::<f32>()).exp())
                .collect();
            let total: f32 = p.iter().sum();
            for (s, p) in slots.iter().zip(p) {
                mass[head * live + s] += p / total;
                for d in 0..dim {
                    out[(row * q.group + head) * dim + d] += p / total * v[s * dim + d];
                }
            }
        }
    }
    (out, mass)
}

#[wasm_bindgen_test]
fn small_kernels_are_those_of_their_definition() {
    for n in [1, 4, 31, 64, 577] {
        let (x, w) = (numbers(n, 4), numbers(n, 5));
        let mut out = vec![0.0; n];
        rms_norm(&x, &w, 1e-5, &mut out);
        let rms = (x.iter().map(|x| x * x).sum::<f32>() / n as f32 + 1e-5).sqrt();
        close(&out, &x.iter().zip(&w).map(|(x, w)| x / rms * w).collect::<Vec<_>>(), 1e-5, "norm");
        let mut gate: Vec<f32> = x.iter().map(|x| 8.0 * x).collect();
        let want: Vec<f32> = gate.iter().zip(&w).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
        swiglu(&mut gate, &w);
        close(&gate, &want, 1e-5, "swiglu");
        let (mut best, mut work) = (Vec::new(), Vec::new());
        top_k(&x, n / 3, &mut best, &mut work);
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by(|&a, &b| x[b as usize].total_cmp(&x[a as usize]).then(a.cmp(&b)));
        let mut want = order[..n / 3].to_vec();
        want.sort_unstable();
        assert_eq!(best, want);
    }
}

fn model() -> attnscope::web::Model {
    load(&tiny::file())
}

fn load(file: &[u8]) -> attnscope::web::Model {
    let mut loader = Loader::new(Some(file.len() as f64));
    file.chunks(4099).for_each(|portion| loader.push(portion).unwrap());
    loader.finish().unwrap()
}

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = js_sys::Object::new();
    for (key, value) in fields {
        js_sys::Reflect::set(&object, &JsValue::from_str(key), value).unwrap();
    }
    object.into()
}

fn field(of: &JsValue, key: &str) -> JsValue {
    js_sys::Reflect::get(of, &JsValue::from_str(key)).unwrap()
}

fn code<T>(result: Result<T, JsValue>) -> String {
    let error = result.err().expect("an error");
    assert!(field(&error, "message").as_string().unwrap().len() > 10);
    field(&error, "code").as_string().unwrap()
}

/// Ids and trace bytes of a run.
fn run(session: &mut Session) -> (Vec<u32>, u32) {
    session.start(&tiny::prompt(140), 12, "sets").unwrap();
    let (mut ids, mut trace) = (Vec::new(), 0);
    loop {
        match session.advance().unwrap() {
            0 => {}
            1 => {
                let step = session.step().unwrap();
                ids.push(field(&step, "id").as_f64().unwrap() as u32);
                trace += session.take_trace().length();
            }
            _ => return (ids, trace),
        }
    }
}

#[wasm_bindgen_test]
fn every_method_runs_and_repeats_itself() {
    let model = model();
    for row in REGISTRY {
        let params: Vec<_> = row.params.iter().filter(|p| p.is_budget).map(|p| (p.name, JsValue::from(16))).collect();
        let options = object(&[("method", row.name.into()), ("params", object(&params))]);
        let mut session = model.session(options).unwrap();
        let first = run(&mut session);
        assert_eq!(first.0.len(), 12, "{}", row.name);
        assert!(first.1 > 0 && first.1 % 16 == 0);
        assert_eq!(run(&mut session), first, "{}", row.name);
    }
    console_log!("{} methods ran", REGISTRY.len());
}

#[wasm_bindgen_test]
fn roles_memory_and_a_guard_are_options() {
    let model = model();
    let quest = object(&[("name", "quest".into()), ("params", object(&[("budget", 16.into()), ("page", 4.into())]))]);
    let options = |memory: JsValue| {
        let method = object(&[("select", quest.clone()), ("retain", "fifo".into())]);
        object(&[
            ("method", method),
            ("memory", memory),
            ("context", 400.into()),
            ("shadow", 4.into()),
            ("guard", true.into()),
        ])
    };
    let session = |memory: JsValue| run(&mut model.session(options(memory)).unwrap());
    assert_eq!(session("90kB".into()), session(90_000.into()));
    let asked = object(&[("memory", 60_000.into()), ("context", 400.into()), ("scenario", "tight-memory".into())]);
    let list = model.advise(asked).unwrap();
    let advice = js_sys::Array::from(&field(&list, "advice"));
    let advised: Vec<_> = advice.iter().filter(|one| field(one, "advised").is_truthy()).collect();
    assert_eq!(advised.len(), 1);
    assert!(field(&field(&advised[0], "account"), "bytes").as_f64().unwrap() <= 60_000.0);
    assert_eq!(code(model.advise(object(&[("scenario", "fast".into())]))), "param");
}

#[wasm_bindgen_test]
fn every_method_gives_what_native_builds_do() {
    let differ = recorded::differ(&tiny::load(), REGISTRY);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[wasm_bindgen_test]
fn a_prompt_begins_as_the_model_wants_whether_or_not_specials_are_parsed() {
    let bos = |wanted: bool| {
        let writer = tiny::writer().meta("tokenizer.ggml.bos_token_id", 256u32);
        load(&writer.meta("tokenizer.ggml.add_bos_token", wanted).finish())
    };
    let (text, letters) = ("a<|end|>", b"<|end|>".map(u32::from));
    let (plain, parsed) = ([&[97][..], &letters].concat(), vec![97, 256]);
    for (begin, front) in [(true, &[256][..]), (false, &[])] {
        assert_eq!(bos(true).encode(text, false, begin).unwrap(), [front, &plain].concat());
        assert_eq!(bos(true).encode(text, true, begin).unwrap(), [front, &parsed].concat());
        assert_eq!(bos(false).encode(text, false, begin).unwrap(), plain);
    }
}

#[wasm_bindgen_test]
fn the_text_goes_on_from_chosen_tokens() {
    let model = model();
    let mut session = model.session(object(&[("method", "full".into())])).unwrap();
    session.start(&tiny::prompt(20), 12, "totals").unwrap();
    let mut chosen = Detokenizer::default();
    // Characters of two to four bytes, so that most steps begin in the middle of one.
    for byte in "é€𝄞é".bytes() {
        while session.advance().unwrap() == 0 {}
        let step = session.step().unwrap();
        let proposed = field(&step, "id").as_f64().unwrap() as u8;
        assert_eq!(field(&step, "text").as_string().unwrap(), chosen.clone().push(&[proposed]), "before {byte:#x}");
        session.choose(byte.into()).unwrap();
        chosen.push(&[byte]);
    }
}

#[wasm_bindgen_test]
fn what_is_wrong_has_a_code_and_a_message() {
    let model = model();
    let session = |fields: &[(&str, JsValue)]| model.session(object(fields));
    assert_eq!(code(session(&[("method", "none".into())])), "unknown_method");
    assert_eq!(code(session(&[("method", "h2o".into()), ("params", object(&[("x", 1.into())]))])), "unknown_param");
    assert_eq!(code(session(&[("method", "h2o".into()), ("params", object(&[("recent", 0.into())]))])), "param");
    assert_eq!(code(session(&[("method", object(&[("retain", "quest".into())]))])), "combination");
    assert_eq!(code(session(&[("method", object(&[("keep", "h2o".into())]))])), "param");
    assert_eq!(code(session(&[("method", "full".into()), ("memory", "1 acre".into())])), "param");
    assert_eq!(code(session(&[("method", "full".into()), ("guard", object(&[("speed", 1.into())]))])), "param");
    assert_eq!(code(session(&[("method", "full".into()), ("colour", 1.into())])), "param");
    assert_eq!(code(session(&[("method", "full".into()), ("context", 1_000_000.into())])), "param");
    let mut session = session(&[("method", "full".into())]).unwrap();
    assert_eq!(code(session.start(&[], 4, "sets")), "empty_prompt");
    assert_eq!(code(session.start(&[1], 4, "all")), "param");
    assert_eq!(code(session.start(&tiny::prompt(2000), 4, "sets")), "context");
    assert_eq!(code(session.step()), "state");
    assert_eq!(code(session.choose(1)), "state");
    let mut loader = Loader::new(None);
    assert_eq!(code(loader.push(b"PK\x03\x04 not a model at all")), "file");
    let mut loader = Loader::new(None);
    loader.push(&tiny::file()[..3000]).unwrap();
    assert_eq!(code(loader.finish()), "truncated");
}
