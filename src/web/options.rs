//! How a session runs: read from a plain object, key by key.

use super::{JsResult, from_js, throw, to_js};
use crate::{Error, loader::Loaded, methods::Value, sampler::Sampling};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tsify::Tsify;
use wasm_bindgen::prelude::*;

/// How a session runs.
#[derive(Default, Deserialize, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionOptions {
    /// Name of a method.
    pub method: String,
    /// Its parameters; those not given take their default.
    #[serde(default)]
    #[tsify(optional, type = "Record<string, Value>")]
    pub params: BTreeMap<String, Value>,
    /// Most tokens of prompt and answer together; default: the model's context.
    #[tsify(optional)]
    pub context: Option<u32>,
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
    /// Go on after the model has ended its text.
    #[tsify(optional)]
    ignore_eos: Option<bool>,
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

    /// Ids that end the text.
    pub fn eos(&self, loaded: &Loaded) -> Vec<u32> {
        if self.ignore_eos.unwrap_or(false) { Vec::new() } else { loaded.tokenizer.eos().to_vec() }
    }

    /// How tokens are chosen.
    ///
    /// # Errors
    /// `param`.
    pub fn sampling(&self) -> JsResult<Sampling> {
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
fn refuse_unknown_keys(options: &JsValue, known: &JsValue) -> JsResult<()> {
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
