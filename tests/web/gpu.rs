//! Whole runs on WebGPU in a browser, beside the CPU's. A browser without an adapter fails: the one that tests run in has
//! a software one.

use super::session::{field, model, object};
use crate::common::{breathe, tiny};
use attnscope::{
    backend::gpu::{Chain, Device, SHADERS, STEPS},
    methods::REGISTRY,
    web::{Session, lose_gpu, open_gpu},
};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// Runs to the end or to a failure, along `forced` ids where there are any: what was proposed.
async fn run(session: &mut Session, forced: Option<&[u32]>) -> Result<Vec<u32>, JsValue> {
    let mut ids = Vec::new();
    loop {
        match session.advance()? {
            0 => {}
            1 => {
                if let Some(id) = forced.and_then(|forced| forced.get(ids.len())) {
                    session.choose(*id).unwrap();
                }
                ids.push(field(&session.step().unwrap(), "id").as_f64().unwrap() as u32);
            }
            4 => breathe().await,
            _ => return Ok(ids),
        }
    }
}

/// Browsers check more than naga does, above all that barriers stand in uniform control flow.
#[wasm_bindgen_test]
async fn every_shader_compiles() {
    let device = Rc::new(Device::open().await.unwrap());
    let probe = device.buffer("probe", 4).unwrap();
    // What a browser refuses it says later: when something has come back, at the latest.
    let settled = async |name: &str| {
        let mut burst = device.burst();
        burst.read(&probe, 0..4).unwrap();
        burst.finish().await.unwrap();
        breathe().await;
        device.check().unwrap_or_else(|why| panic!("{name}: {why}"));
    };
    let mut compiled = 0;
    for shader in SHADERS {
        for sample in shader.samples {
            device.kernel(shader, sample).unwrap();
            compiled += 1;
        }
        settled(shader.name).await;
    }
    for step in STEPS {
        for op in 0..step.ops {
            device.chain(&Chain(vec![(step, op); 2])).unwrap();
            compiled += 1;
        }
        settled(step.name).await;
    }
    device.chain(&Chain(STEPS.map(|step| (step, 0)).to_vec())).unwrap();
    settled("all steps").await;
    console_log!("{compiled} kernels of {} shaders", SHADERS.len());
}

/// On the CPU activations have 8 bits here, so a near-tie of a model of random weights may turn. `tests/gpu/engine.rs` asks
/// for equal ids and traces, without that.
#[wasm_bindgen_test]
async fn every_method_proposes_what_it_does_on_the_cpu() {
    let info = open_gpu().await.unwrap();
    console_log!("{}", js_sys::JSON::stringify(&info).unwrap());
    let model = model();
    for row in REGISTRY {
        let method = row.name;
        let params: Vec<_> = row.params.iter().filter(|p| p.is_budget).map(|p| (p.name, JsValue::from(16))).collect();
        let options = |backend: &str| {
            let params = object(&params);
            object(&[("method", method.into()), ("params", params), ("backend", backend.into())])
        };
        let [mut cpu, mut gpu] = ["cpu", "gpu"].map(|backend| model.session(options(backend)).unwrap());
        for session in [&mut cpu, &mut gpu] {
            session.start(&tiny::prompt(150), &[], &[], &[], 12, "totals").unwrap();
        }
        let want = run(&mut cpu, None).await.unwrap();
        let got = run(&mut gpu, Some(&want)).await.unwrap();
        assert_eq!(got.len(), want.len(), "{method}");
        let apart = want.iter().zip(&got).filter(|(a, b)| a != b).count();
        assert!(apart <= 2, "{method}: {got:?}, on the CPU {want:?}");
    }
}

/// Of near-ties there are more where a number draws among four.
#[wasm_bindgen_test]
async fn drawn_tokens_are_those_of_the_cpu() {
    open_gpu().await.unwrap();
    let model = model();
    let options = |backend: &str| {
        let sampling = [("temperature", 0.7), ("topK", 4.0), ("topP", 0.9), ("seed", 5.0)];
        let mut given: Vec<(&str, JsValue)> = sampling.map(|(name, n)| (name, n.into())).to_vec();
        given.extend([("method", "full".into()), ("backend", backend.into())]);
        object(&given)
    };
    let [mut cpu, mut gpu] = ["cpu", "gpu"].map(|backend| model.session(options(backend)).unwrap());
    for session in [&mut cpu, &mut gpu] {
        session.start(&tiny::prompt(150), &[], &[], &[], 12, "totals").unwrap();
    }
    let want = run(&mut cpu, None).await.unwrap();
    let got = run(&mut gpu, Some(&want)).await.unwrap();
    let apart = want.iter().zip(&got).filter(|(a, b)| a != b).count();
    assert!(got.len() == want.len() && apart <= 4, "{got:?}, on the CPU {want:?}");
}

#[wasm_bindgen_test]
async fn a_lost_device_loses_no_token() {
    open_gpu().await.unwrap();
    let model = model();
    let options = |backend: &str| object(&[("method", "full".into()), ("backend", backend.into())]);
    let mut whole = model.session(options("cpu")).unwrap();
    whole.start(&tiny::prompt(150), &[], &[], &[], 12, "totals").unwrap();
    let want = run(&mut whole, None).await.unwrap();
    let mut session = model.session(options("gpu")).unwrap();
    session.start(&tiny::prompt(150), &[], &[], &[], 12, "totals").unwrap();
    let mut ids = Vec::new();
    while ids.len() < 5 {
        match session.advance().unwrap() {
            1 => ids.push(field(&session.step().unwrap(), "id").as_f64().unwrap() as u32),
            _ => breathe().await,
        }
    }
    lose_gpu();
    let error = run(&mut session, None).await.unwrap_err();
    assert_eq!(field(&error, "code"), "gpu");
    session.move_to_cpu().unwrap();
    ids.extend(run(&mut session, None).await.unwrap());
    assert_eq!(ids, want);
}
