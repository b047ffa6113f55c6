//! The JavaScript border: sessions, conversations, hosts and errors, on a tiny model.

use crate::common::{recorded, tiny};
use attnscope::{
    cache::Store,
    chat::ChatMessage,
    engine::{Engine, Options},
    loader::Loaded,
    methods::{REGISTRY, Value},
    tokenizer::Detokenizer,
    web::{Loader, Model, Projector, Session},
};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

pub fn model() -> Model {
    load(&tiny::file())
}

fn load(file: &[u8]) -> Model {
    let mut loader = Loader::new(Some(file.len() as f64));
    file.chunks(4099).for_each(|portion| loader.push(portion).unwrap());
    loader.finish().unwrap()
}

pub fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = js_sys::Object::new();
    for (key, value) in fields {
        js_sys::Reflect::set(&object, &JsValue::from_str(key), value).unwrap();
    }
    object.into()
}

pub fn field(of: &JsValue, key: &str) -> JsValue {
    js_sys::Reflect::get(of, &JsValue::from_str(key)).unwrap()
}

fn code<T>(result: Result<T, JsValue>) -> String {
    let error = result.err().expect("an error");
    assert!(field(&error, "message").as_string().unwrap().len() > 10);
    field(&error, "code").as_string().unwrap()
}

/// Ids and trace bytes of a run.
fn run(session: &mut Session) -> (Vec<u32>, u32) {
    session.start(&tiny::prompt(140), &[], &[], &[], 12, "sets").unwrap();
    rest(session)
}

/// Ids and trace bytes of what is left.
fn rest(session: &mut Session) -> (Vec<u32>, u32) {
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
        assert!(first.1 > 0 && first.1.is_multiple_of(16));
        assert_eq!(run(&mut session), first, "{}", row.name);
    }
    console_log!("{} methods ran", REGISTRY.len());
}

/// A model file with a chat template, and the end of a text where one is wanted.
fn chatting() -> Vec<u8> {
    let template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|end|>\n{% endfor %}{{ '[assistant] ' if add_generation_prompt }}";
    tiny::writer().meta("tokenizer.chat_template", template).finish()
}

/// Some rounds of talk, for the border and for the crate.
fn talk(rounds: usize) -> (JsValue, Vec<ChatMessage>) {
    let said = (0..2 * rounds - 1).map(|at| {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        ChatMessage::new(role, format!("number {at} is {}", at * at))
    });
    let said: Vec<ChatMessage> = said.collect();
    let list = said.iter().map(|m| object(&[("role", m.role.as_str().into()), ("content", m.content.as_str().into())]));
    (list.collect::<js_sys::Array>().into(), said)
}

fn positions(of: &JsValue, key: &str) -> Vec<u32> {
    js_sys::Array::from(&field(of, key)).iter().map(|n| n.as_f64().unwrap() as u32).collect()
}

fn rest_of(engine: &mut Engine) -> Vec<u32> {
    std::iter::from_fn(|| engine.next_step().unwrap()).map(|step| step.id).collect()
}

#[wasm_bindgen_test]
fn messages_bring_their_rounds_to_the_engine_and_a_turn_goes_on_from_them() {
    let (file, params) = (chatting(), [("watershed_layer", 1), ("k_max", 1)]);
    let (border, native): (_, Loaded) = (load(&file), crate::common::load(&file, 4099, None).unwrap());
    let given = params.map(|(name, n)| (name.to_owned(), Value::Number(n.into())));
    let mut engine = native.engine("round_attention", &given, None, Store::F16).unwrap();
    let params = object(&params.map(|(name, n)| (name, JsValue::from(n))));
    let mut session = border.session(object(&[("method", "round_attention".into()), ("params", params)])).unwrap();
    let options = |max_tokens| Options { max_tokens, eos: vec![256], ..Options::default() };

    let (list, said) = talk(4);
    let (tokens, prompt) = (border.encode_chat(list, &[]).unwrap(), native.chat_prompt(&said, &[]).unwrap());
    let (ids, rounds) = (positions(&tokens, "ids"), positions(&tokens, "rounds"));
    assert_eq!((&ids[..], rounds.clone()), (prompt.ids(), prompt.rounds()));
    assert_eq!(rounds.len(), 4);
    engine.start(prompt, options(8)).unwrap();
    session.start(&ids, &rounds, &[], &[], 8, "sets").unwrap();
    let (answer, trace) = rest(&mut session);
    assert_eq!(answer, rest_of(&mut engine));
    session.start(&ids, &[], &[], &[], 8, "sets").unwrap();
    assert_ne!(rest(&mut session).1, trace, "one round is read otherwise than four");

    session.start(&ids, &rounds, &[], &[], 8, "sets").unwrap();
    rest(&mut session);
    let (list, said) = talk(1);
    let (turn, native) = (border_turn(&session, &list), native.chat_turn(&said, None, &[]).unwrap());
    assert_eq!((&turn.0[..], turn.1.clone()), (native.ids(), native.rounds()));
    assert_eq!(&turn.0[..2], &[256, 10], "the answer is ended as the template does");
    engine.extend(native, options(8)).unwrap();
    session.extend(&turn.0, &turn.1, &[], &[], 8, "sets").unwrap();
    assert_eq!(rest(&mut session).0, rest_of(&mut engine));
    // An answer that the model has ended is not ended twice.
    session.extend(&turn.0, &turn.1, &[], &[], 8, "sets").unwrap();
    while session.advance().unwrap() != 1 {}
    session.step().unwrap();
    session.choose(256).unwrap();
    assert_eq!(border_turn(&session, &list).0, turn.0[1..]);
}

fn border_turn(session: &Session, list: &JsValue) -> (Vec<u32>, Vec<u32>) {
    let turn = session.encode_turn(list.clone(), &[]).unwrap();
    (positions(&turn, "ids"), positions(&turn, "rounds"))
}

#[wasm_bindgen_test]
fn hosts_that_exchange_parts_give_the_text_of_one_cache() {
    let model = model();
    let options = |method: &str, block: u32| {
        let params = object(&[("block_size", block.into()), ("anchor_size", 8.into())]);
        object(&[("method", method.into()), ("params", params)])
    };
    let mut one = model.session(options("star_attention", 20)).unwrap();
    let (ids, rounds) = (tiny::prompt(150), [0, 140]);
    one.start(&ids, &rounds, &[], &[], 12, "totals").unwrap();
    let mut want = rest(&mut one).0;
    one.extend(&[5, 6, 7], &[], &[], &[], 6, "totals").unwrap();
    want.extend(rest(&mut one).0);
    for hosts in 1..=3 {
        let host = |number| model.host(options("star_attention", 20), number, hosts).unwrap();
        let mut sessions: Vec<Session> = (0..hosts).map(host).collect();
        let mut got = Vec::new();
        sessions.iter_mut().for_each(|s| s.start(&ids, &rounds, &[], &[], 12, "totals").unwrap());
        got.extend(together(&mut sessions));
        sessions.iter_mut().for_each(|s| s.extend(&[5, 6, 7], &[], &[], &[], 6, "totals").unwrap());
        got.extend(together(&mut sessions));
        assert_eq!(got, want, "{hosts} hosts");
    }
    let refused = |method, block| code(model.host(options(method, block), 0, 2));
    assert_eq!(refused("tova", 20), "unsupported");
    assert_eq!(code(model.host(options("star_attention", 20), 2, 2)), "param");
    let mut many = model.host(options("star_attention", 80), 0, 3).unwrap();
    assert_eq!(code(many.start(&ids, &rounds, &[], &[], 12, "totals")), "param");
    assert_eq!(code(many.start(&[], &[], &[], &[], 12, "totals")), "empty_prompt");
    assert_eq!(code(many.extend(&ids, &[], &[], &[], 12, "totals")), "state");
}

/// The ids that hosts agree on.
fn together(hosts: &mut [Session]) -> Vec<u32> {
    let mut ids = Vec::new();
    let mut answers = vec![0; hosts.len()];
    loop {
        for (host, answer) in hosts.iter_mut().zip(&mut answers) {
            while *answer == 0 {
                *answer = host.advance().unwrap();
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        match answers[0] {
            2 => return ids,
            3 => {
                let partials: Vec<_> = hosts.iter().map(|host| host.partial().unwrap()).collect();
                answers = hosts.iter_mut().map(|host| host.merge(partials.clone()).unwrap()).collect();
            }
            _ => {
                let steps = hosts.iter_mut().map(|host| field(&host.step().unwrap(), "id").as_f64().unwrap() as u32);
                let steps: Vec<u32> = steps.collect();
                assert!(steps.iter().all(|id| *id == steps[0]), "{steps:?}");
                ids.push(steps[0]);
                answers.fill(0);
            }
        }
    }
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
    // As JavaScript passes on what it was not given.
    model.session(object(&[("method", "full".into()), ("params", JsValue::UNDEFINED)])).unwrap();
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
    let ids = |bos: &Model, special, begin| positions(&bos.encode(text, special, begin, &[]).unwrap(), "ids");
    for (begin, front) in [(true, &[256][..]), (false, &[])] {
        assert_eq!(ids(&bos(true), false, begin), [front, &plain].concat());
        assert_eq!(ids(&bos(true), true, begin), [front, &parsed].concat());
        assert_eq!(ids(&bos(false), false, begin), plain);
    }
}

#[wasm_bindgen_test]
fn pictures_stand_where_the_text_marks_them() {
    let file = tiny::file();
    let (border, native) = (load(&file), tiny::load());
    let width = native.model.config.width as usize;
    let rows: Vec<f32> = (0..2 * 16 * width).map(|i| (i % 23) as f32 / 23.0 - 0.5).collect();
    let text = "one \u{fffc}\u{fffc} and more";
    let tokens = border.encode(text, false, true, &rows).unwrap();
    let (ids, pictures) = (positions(&tokens, "ids"), positions(&tokens, "pictures"));
    let prompt = native.prompt(text, false, true, &rows).unwrap();
    assert_eq!((&ids[..], &pictures[..]), (prompt.ids(), &prompt.picture_starts()[..]));
    assert_eq!(pictures, [4, 20]);
    assert_eq!(prompt.pictures(), 32);

    let kept = [("important".to_owned(), Value::Number(16.0)), ("recent".to_owned(), Value::Number(4.0))];
    let mut engine = native.engine("look_m", &kept, None, Store::F16).unwrap();
    engine.start(prompt, Options { max_tokens: 6, ..Options::default() }).unwrap();
    let params = object(&[("important", 16.into()), ("recent", 4.into())]);
    let options = [("method", "look_m".into()), ("params", params), ("ignoreEos", true.into())];
    let mut session = border.session(object(&options)).unwrap();
    session.start(&ids, &[], &pictures, &rows, 6, "sets").unwrap();
    assert_eq!(rest(&mut session).0, rest_of(&mut engine));

    let refused = |text: &str, rows: &[f32]| code(border.encode(text, false, true, rows));
    assert_eq!(refused("no place", &rows[..16 * width]), "picture");
    assert_eq!(refused("\u{fffc} \u{fffc}", &rows[..16 * width]), "picture");
    assert_eq!(refused("\u{fffc}", &rows[1..]), "shape");
    assert_eq!(code(session.start(&ids, &[], &[3], &rows, 6, "sets")), "param");
    assert_eq!(code(session.start(&ids, &[], &pictures, &rows[1..], 6, "sets")), "shape");
    assert_eq!(code(Projector::new(b"no such file")), "picture");
}

#[wasm_bindgen_test]
fn the_text_goes_on_from_chosen_tokens() {
    let model = model();
    let mut session = model.session(object(&[("method", "full".into())])).unwrap();
    session.start(&tiny::prompt(20), &[], &[], &[], 12, "totals").unwrap();
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
    assert_eq!(code(session.start(&[], &[], &[], &[], 4, "sets")), "empty_prompt");
    assert_eq!(code(session.start(&[1], &[], &[], &[], 4, "all")), "param");
    assert_eq!(code(session.start(&tiny::prompt(2000), &[], &[], &[], 4, "sets")), "context");
    for rounds in [&[1][..], &[0, 3], &[0, 2, 2], &[0, 2, 1]] {
        assert_eq!(code(session.start(&[1, 2, 3], rounds, &[], &[], 4, "sets")), "param", "{rounds:?}");
    }
    assert_eq!(code(session.extend(&[1], &[], &[], &[], 4, "sets")), "state");
    assert_eq!(code(session.step()), "state");
    assert_eq!(code(session.choose(1)), "state");
    let mut loader = Loader::new(None);
    assert_eq!(code(loader.push(b"PK\x03\x04 not a model at all")), "file");
    let mut loader = Loader::new(None);
    loader.push(&tiny::file()[..3000]).unwrap();
    assert_eq!(code(loader.finish()), "truncated");
}
