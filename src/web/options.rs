//! How a session runs: read from a plain object, key by key.

use super::{JsResult, from_js, throw, to_js};
use crate::{
    Error, advisor, engine,
    guard::Limits,
    loader::Loaded,
    methods::{Part, Spec, Value},
    model::Config,
    sampler::Sampling,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tsify::Tsify;
use wasm_bindgen::prelude::*;

/// What a [`Spec`] is in TypeScript; a name alone stands for a part with defaults.
#[wasm_bindgen(typescript_custom_section)]
const SPEC: &str = r#"
/** A method of the registry and its parameters; those not given take their default. */
export interface MethodPart {
    name: string;
    params?: Record<string, Value>;
}

/** A method for every role that does not keep its default: what is read of a prompt, and else; what is kept; what is run. */
export interface MethodRoles {
    prefill?: string | MethodPart;
    select?: string | MethodPart;
    retain?: string | MethodPart;
    schedule?: string | MethodPart;
}
"#;

/// Limits, or whether to have the usual ones.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(untagged)]
enum Guarded {
    Usual(bool),
    Limits(Limits),
}

/// Bytes, as a number or with a unit.
#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Memory {
    Bytes(f64),
    Text(String),
}

impl Memory {
    /// # Errors
    /// `param`.
    pub fn bytes(&self) -> JsResult<u64> {
        match self {
            Memory::Bytes(n) if *n >= 0.0 => Ok(*n as u64),
            Memory::Bytes(n) => advisor::bytes(&n.to_string()).map_err(throw),
            Memory::Text(text) => advisor::bytes(text).map_err(throw),
        }
    }
}

/// How a session runs.
#[derive(Clone, Default, Deserialize, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionOptions {
    /// Name of a method, or a part for each role.
    #[tsify(type = "string | MethodPart | MethodRoles")]
    method: Spec,
    /// Parameters of the method that `method` names; those not given take their default.
    #[tsify(optional, type = "Record<string, Value>")]
    params: Option<BTreeMap<String, Value>>,
    /// Most tokens of prompt and answer together; default: the model's context.
    #[tsify(optional)]
    pub context: Option<u32>,
    /// Memory for keys and values, as bytes or as "64MB": budgets that are not given become the largest that fit it when
    /// the text fills `context`.
    #[tsify(optional, type = "number | string")]
    memory: Option<Memory>,
    /// 0 (default): always the most probable token.
    #[tsify(optional)]
    temperature: Option<f32>,
    /// Candidates by rank; 0 (default): all.
    #[tsify(optional)]
    top_k: Option<u32>,
    /// Candidates by probability; 1 (default): all.
    #[tsify(optional)]
    top_p: Option<f32>,
    /// Seed for a temperature above 0.
    #[tsify(optional)]
    seed: Option<u32>,
    /// Every so many tokens, what is read sparsely is compared with dense attention, as records of the trace; 0 (default):
    /// never.
    #[tsify(optional)]
    shadow: Option<u32>,
    /// Limits past which a run goes on along the safe path; `true`: the usual ones. Default: none.
    #[tsify(optional, type = "boolean | Partial<Limits>")]
    guard: Option<Guarded>,
    /// Go on after the model has ended its text.
    #[tsify(optional)]
    ignore_eos: Option<bool>,
    /// What such sessions of the model compute of a prompt that they read side by side is computed once, as far as their
    /// methods read all of it; on the CPU. Their tokens are the same, their speed is no longer their own.
    #[tsify(optional)]
    pub share_prompt: Option<bool>,
    /// What computes; default: the CPU.
    #[tsify(optional)]
    backend: Option<Backend>,
}

/// What computes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) enum Backend {
    /// WebAssembly on the CPU.
    #[default]
    Cpu,
    /// WebGPU.
    Gpu,
}

impl SessionOptions {
    /// From what JavaScript gave.
    ///
    /// # Errors
    /// `param` for an unknown key or a value of the wrong type.
    pub fn read(given: JsValue) -> JsResult<SessionOptions> {
        refuse_unknown_keys(&given, &to_js(&SessionOptions::default()))?;
        from_js("options", given)
    }

    /// The same with every parameter that does not come from the registry: fitted to memory, and the model's own.
    ///
    /// # Errors
    /// As [`spec`](SessionOptions::spec).
    pub fn settled(&self, loaded: &Loaded) -> JsResult<SessionOptions> {
        let method = loaded.profile.fill(&self.spec(&loaded.model.config)?);
        Ok(SessionOptions { method, params: None, memory: None, backend: None, ..self.clone() })
    }

    /// What computes.
    pub fn backend(&self) -> Backend {
        self.backend.unwrap_or_default()
    }

    /// How the engine runs, all but the length of a text and the trace.
    ///
    /// # Errors
    /// `param`.
    pub fn engine(&self, loaded: &Loaded) -> JsResult<engine::Options> {
        let eos = if self.ignore_eos.unwrap_or(false) { Vec::new() } else { loaded.tokenizer.eos().to_vec() };
        let (sampling, shadow, guard) = (self.sampling()?, self.shadow.unwrap_or(0), self.guard());
        // On a GPU they would have to come back, token by token.
        let logits = self.backend() == Backend::Cpu;
        Ok(engine::Options { sampling, logits, eos, shadow, guard, ..engine::Options::default() })
    }

    /// The method, fitted to memory when that is given.
    ///
    /// # Errors
    /// `param` for parameters beside a method that is no name, or too little memory.
    pub fn spec(&self, model: &Config) -> JsResult<Spec> {
        let spec = self.named()?;
        let Some(memory) = &self.memory else { return Ok(spec) };
        let fit = |memory| {
            let text = advisor::Text::of(self.context.unwrap_or(model.context), None, 0)?;
            advisor::fit(&spec, model, &text, memory)
        };
        fit(memory.bytes()?).map_err(throw)
    }

    /// Limits of the monitors.
    fn guard(&self) -> Option<Limits> {
        self.guard.and_then(|guard| match guard {
            Guarded::Usual(usual) => usual.then(Limits::default),
            Guarded::Limits(limits) => Some(limits),
        })
    }

    fn named(&self) -> JsResult<Spec> {
        let beside = self.params.as_ref().filter(|params| !params.is_empty());
        match (&self.method, beside) {
            (spec, None) => Ok(spec.clone()),
            (Spec::Method(part), Some(params)) if part.params.is_empty() => {
                Ok(Spec::Method(Part { name: part.name.clone(), params: params.clone() }))
            }
            (_, Some(params)) => {
                let got = params.keys().cloned().collect::<Vec<_>>().join(", ");
                let allowed = "params beside a method's name; a part has its own".to_owned();
                Err(throw(Error::Param { name: "options.params".to_owned(), got, allowed }))
            }
        }
    }

    /// How tokens are chosen.
    ///
    /// # Errors
    /// `param`.
    fn sampling(&self) -> JsResult<Sampling> {
        let all = Sampling::default();
        let how = Sampling {
            temperature: self.temperature.unwrap_or(all.temperature),
            top_k: self.top_k.unwrap_or(all.top_k),
            top_p: self.top_p.unwrap_or(all.top_p),
            seed: self.seed.map_or(all.seed, u64::from),
        };
        how.check().map_err(throw)?;
        Ok(how)
    }
}

/// Options are read by name, so a misspelt one would be ignored in silence. `known` is an object with every key.
pub(super) fn refuse_unknown_keys(options: &JsValue, known: &JsValue) -> JsResult<()> {
    let keys = |of: &JsValue| of.dyn_ref().map(|o: &js_sys::Object| js_sys::Object::keys(o)).unwrap_or_default();
    let known = keys(known);
    match keys(options).iter().find(|key| !known.includes(key, 0)) {
        None => Ok(()),
        Some(key) => Err(throw(Error::Param {
            name: "options".to_owned(),
            got: key.as_string().unwrap_or_default(),
            allowed: known.join(", ").into(),
        })),
    }
}
