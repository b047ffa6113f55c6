//! The JavaScript border: a handful of classes and functions. Options and results are plain objects whose TypeScript
//! types are generated from the structs here; errors are `{code, message}`.

use crate::{
    Error,
    cache::Store,
    chat::Message,
    engine::{self, End, Engine, Progress},
    loader::{self, Loaded},
    methods::{self, Value},
    ops::Kept,
    sampler::Sampling,
    tokenizer::{Detokenizer, Tokenizer},
    trace::Detail,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
use tsify::Tsify;
use wasm_bindgen::prelude::*;

type JsResult<T> = Result<T, JsValue>;

/// What every call throws.
#[derive(Serialize, Tsify)]
struct Thrown {
    code: &'static str,
    message: String,
}

fn throw(error: Error) -> JsValue {
    to_js(&Thrown { code: error.code(), message: error.to_string() })
}

/// Plain objects; maps as objects too.
fn to_js<T: Serialize>(value: &T) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).unwrap_or_else(|e| JsValue::from_str(&e.to_string()))
}

fn from_js<T: for<'de> Deserialize<'de>>(what: &str, value: JsValue) -> JsResult<T> {
    serde_wasm_bindgen::from_value(value).map_err(|e| {
        let allowed = "the fields and types of its TypeScript declaration".to_owned();
        throw(Error::Param { name: what.to_owned(), got: e.to_string(), allowed })
    })
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

/// Runs once, when the module is made: a panic, which is a mistake of ours, is then at least readable.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Every method of the registry.
#[wasm_bindgen(unchecked_return_type = "MethodInfo[]")]
#[must_use]
pub fn methods() -> JsValue {
    to_js(&methods::listing())
}

/// Bytes of this module's memory. It never shrinks, so this is the peak.
#[wasm_bindgen(js_name = memoryBytes)]
#[must_use]
pub fn memory_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65536.0
}

/// Takes a model file in portions.
#[wasm_bindgen]
pub struct Loader(loader::Loader);

#[wasm_bindgen]
impl Loader {
    /// `total_bytes`, when known, lets a file that is too short be refused at once.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(total_bytes: Option<f64>) -> Loader {
        Loader(loader::Loader::new(total_bytes.filter(|n| *n >= 0.0).map(|n| n as u64)))
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// `{code, message}` at the first byte that is wrong.
    pub fn push(&mut self, chunk: &[u8]) -> JsResult<()> {
        self.0.push(chunk).map_err(throw)
    }

    /// The model, when all bytes are in.
    ///
    /// # Errors
    /// `truncated`.
    pub fn finish(self) -> JsResult<Model> {
        Ok(Model(Arc::new(self.0.finish().map_err(throw)?)))
    }
}

/// What a model is.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
struct ModelInfo<'a> {
    name: &'a str,
    architecture: &'static str,
    layers: u32,
    query_heads: u32,
    kv_heads: u32,
    head_dim: u32,
    width: u32,
    vocabulary: u32,
    /// Tokens it was trained for.
    context: u32,
    /// Bytes of the weights in memory.
    weight_bytes: f64,
    /// Bytes of keys and values a token, all layers, as f16.
    kv_bytes_per_token: u32,
    /// True when `chat` works.
    chat_template: bool,
    /// Ids that end a text.
    eos: &'a [u32],
}

/// How a session runs.
#[derive(Default, Deserialize, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
struct SessionOptions {
    /// Name of a method.
    method: String,
    /// Its parameters; those not given take their default.
    #[serde(default)]
    #[tsify(optional, type = "Record<string, Value>")]
    params: BTreeMap<String, Value>,
    /// Most tokens of prompt and answer together; default: the model's context.
    #[tsify(optional)]
    context: Option<u32>,
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

/// A loaded model; sessions share its weights.
#[wasm_bindgen]
pub struct Model(Arc<Loaded>);

#[wasm_bindgen]
impl Model {
    /// What it is.
    #[wasm_bindgen(unchecked_return_type = "ModelInfo")]
    #[must_use]
    pub fn info(&self) -> JsValue {
        let (c, loaded) = (&self.0.model.config, &self.0);
        to_js(&ModelInfo {
            name: &loaded.name,
            architecture: "llama",
            layers: c.layers,
            query_heads: c.query_heads,
            kv_heads: c.kv_heads,
            head_dim: c.head_dim,
            width: c.width,
            vocabulary: c.vocabulary,
            context: c.context,
            weight_bytes: loaded.weights.bytes() as f64,
            kv_bytes_per_token: 4 * c.layers * c.kv_heads * c.head_dim,
            chat_template: loaded.chat().is_ok(),
            eos: loaded.tokenizer.eos(),
        })
    }

    /// Ids of a text. With `parse_special`, control tokens written in the text become their ids; with `begin`, the
    /// begin-of-text token is put in front if the model wants it, as before any prompt.
    ///
    /// # Errors
    /// `tokenizer`.
    pub fn encode(&self, text: &str, parse_special: bool, begin: bool) -> JsResult<Vec<u32>> {
        let tokenizer = &self.0.tokenizer;
        let ids = tokenizer.encode(text, parse_special).map_err(throw)?;
        Ok(if begin { tokenizer.begin(ids) } else { ids })
    }

    /// Text of ids, control tokens included.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.0.tokenizer.decode(ids, false)
    }

    /// The prompt of a conversation, up to where the answer begins.
    ///
    /// # Errors
    /// `template`.
    pub fn chat(&self, #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue) -> JsResult<String> {
        let messages: Vec<Message> = from_js("messages", messages)?;
        self.0.chat().and_then(|template| template.render(&messages, true)).map_err(throw)
    }

    /// A session with a method of the registry.
    ///
    /// # Errors
    /// `unknown_method`, `unknown_param`, `param`.
    pub fn session(
        &self,
        #[wasm_bindgen(unchecked_param_type = "SessionOptions")] options: JsValue,
    ) -> JsResult<Session> {
        refuse_unknown_keys(&options, &to_js(&SessionOptions::default()))?;
        let options: SessionOptions = from_js("options", options)?;
        let sampling = options.sampling()?;
        let eos = if options.ignore_eos.unwrap_or(false) { Vec::new() } else { self.0.tokenizer.eos().to_vec() };
        let params: Vec<(String, Value)> = options.params.into_iter().collect();
        let engine = self.0.engine(&options.method, &params, options.context, Store::F16).map_err(throw)?;
        Ok(Session {
            loaded: self.0.clone(),
            engine,
            sampling,
            eos,
            text: Detokenizer::default(),
            newest: None,
            step: None,
        })
    }
}

/// Work of a call of `advance`: it goes on.
const WORKING: u8 = 0;
/// A step is ready.
const STEP: u8 = 1;
/// Nothing is left to do.
const DONE: u8 = 2;

/// A step of a session.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
struct StepInfo {
    /// Tokens generated before this one.
    index: u32,
    /// The proposed token.
    id: u32,
    /// Text it completes; a character may take several tokens.
    text: String,
    /// Its position.
    position: u32,
    /// Cached rows read by the newest query, mean over layers and query heads.
    read: f64,
    /// Rows stored, mean over layers and KV heads.
    kept: f64,
    /// Bytes of keys and values stored.
    kv_bytes: f64,
    /// Bytes of keys and values read in the pass, each row once.
    read_bytes: f64,
    /// Why nothing follows: `"eos"`, `"length"`, or null.
    #[tsify(type = "\"eos\" | \"length\" | null")]
    end: Option<&'static str>,
}

#[derive(Serialize, Tsify)]
struct PrefillProgress {
    done: u32,
    total: u32,
}

/// Memory of a session.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
struct SessionStats {
    /// Bytes of keys and values stored.
    kv_bytes: f64,
    /// Bytes reserved for them.
    allocated_bytes: f64,
}

/// A method at work on one text.
#[wasm_bindgen]
pub struct Session {
    loaded: Arc<Loaded>,
    engine: Engine,
    sampling: Sampling,
    eos: Vec<u32>,
    /// Holds the bytes that wait in the text before its newest token, which may still be replaced.
    text: Detokenizer,
    newest: Option<u32>,
    step: Option<engine::Step>,
}

#[wasm_bindgen]
impl Session {
    /// Begins a text. `trace`: `"totals"` or `"sets"`.
    ///
    /// # Errors
    /// `empty_prompt`, `token_id`, `context`, `param`, `memory`.
    pub fn start(
        &mut self,
        ids: &[u32],
        max_tokens: u32,
        #[wasm_bindgen(unchecked_param_type = "\"totals\" | \"sets\"")] trace: &str,
    ) -> JsResult<()> {
        let trace = match trace {
            "totals" => Detail::Totals,
            "sets" => Detail::Sets,
            other => {
                let (got, allowed) = (other.to_owned(), "totals, sets".to_owned());
                return Err(throw(Error::Param { name: "trace".to_owned(), got, allowed }));
            }
        };
        let options = engine::Options { max_tokens, trace, sampling: self.sampling, eos: self.eos.clone() };
        self.engine.start(ids, options).map_err(throw)?;
        self.text = Detokenizer::default();
        (self.newest, self.step) = (None, None);
        Ok(())
    }

    /// Does a bounded piece of work: 0 it goes on, 1 a step is ready, 2 nothing is left to do.
    ///
    /// # Errors
    /// From the method or for want of memory.
    pub fn advance(&mut self) -> JsResult<u8> {
        Ok(match self.engine.advance().map_err(throw)? {
            Progress::Working => WORKING,
            Progress::Done => DONE,
            Progress::Step(step) => {
                if let Some(id) = self.newest.replace(step.id) {
                    push(&self.loaded.tokenizer, id, &mut self.text);
                }
                self.step = Some(step);
                STEP
            }
        })
    }

    /// Row-layers of the running pass, done and in all.
    #[wasm_bindgen(unchecked_return_type = "PrefillProgress")]
    #[must_use]
    pub fn progress(&self) -> JsValue {
        let (done, total) = self.engine.progress();
        to_js(&PrefillProgress { done, total })
    }

    /// The newest step, once: the proposed token and its text, also when another was chosen in its place.
    ///
    /// # Errors
    /// `state` when no step is ready.
    #[wasm_bindgen(unchecked_return_type = "StepInfo")]
    pub fn step(&mut self) -> JsResult<JsValue> {
        let none = || throw(Error::State("no step is ready"));
        let step = self.step.take().ok_or_else(none)?;
        let mut with_it = self.text.clone();
        let mut text = push(&self.loaded.tokenizer, step.id, &mut with_it);
        if step.end.is_some() {
            text.push_str(&with_it.flush());
        }
        let (c, kept) = (&self.loaded.model.config, &step.kept);
        Ok(to_js(&StepInfo {
            index: step.index,
            id: step.id,
            text,
            position: step.position,
            read: kept.rows_read as f64 / f64::from(c.layers * c.query_heads),
            kept: kept.rows as f64 / f64::from(c.layers * c.kv_heads),
            kv_bytes: kept.bytes as f64,
            read_bytes: kept.bytes_read as f64,
            end: step.end.map(|end| match end {
                End::Eos => "eos",
                End::Length => "length",
            }),
        }))
    }

    /// Takes `id` instead of the token the newest step proposed; the text of later steps goes on from it.
    ///
    /// # Errors
    /// `token_id`; `state` when no step was just made.
    pub fn choose(&mut self, id: u32) -> JsResult<()> {
        self.engine.choose(id).map_err(throw)?;
        self.newest = Some(id);
        Ok(())
    }

    /// Trace records since the last call, in a buffer of their own that can be transferred.
    #[wasm_bindgen(js_name = takeTrace)]
    #[must_use]
    pub fn take_trace(&mut self) -> js_sys::Uint8Array {
        self.engine.tracer().take(|bytes| js_sys::Uint8Array::from(bytes))
    }

    /// Memory of its cache.
    #[wasm_bindgen(unchecked_return_type = "SessionStats")]
    #[must_use]
    pub fn stats(&self) -> JsValue {
        let Kept { bytes, allocated, .. } = self.engine.kept();
        to_js(&SessionStats { kv_bytes: bytes as f64, allocated_bytes: allocated as f64 })
    }
}

/// The text that token `id` adds.
fn push(tokenizer: &Tokenizer, id: u32, text: &mut Detokenizer) -> String {
    if tokenizer.is_control(id) { String::new() } else { text.push(tokenizer.piece(id)) }
}
