//! A method at work on one text, in pieces that JavaScript asks for.

use super::{
    JsResult, from_js,
    host::Place,
    options::SessionOptions,
    prompt::{PromptTokens, prompt},
    throw, to_js,
};
use crate::{
    Error,
    cache::Store,
    chat::ChatMessage,
    engine::{self, End, Engine, Progress},
    kernels::Precision,
    loader::Loaded,
    metrics,
    ops::{Kept, Partial},
    tokenizer::{Detokenizer, Tokenizer},
    trace::Detail,
};
use serde::Serialize;
use std::sync::Arc;
use tsify::Tsify;
use wasm_bindgen::prelude::*;

/// Work of a call of `advance`: it goes on.
const WORKING: u8 = 0;
/// A step is ready.
const STEP: u8 = 1;
/// Nothing is left to do.
const DONE: u8 = 2;
/// What other hosts found is wanted.
const EXCHANGE: u8 = 3;
/// What the GPU was asked for is on its way: the event loop must have its turn.
const WAITING: u8 = 4;

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
    /// All but the length of the text and the trace.
    options: engine::Options,
    /// What it was made by, with every parameter that is not the registry's.
    settings: SessionOptions,
    /// Where it is one host of several.
    place: Option<Place>,
    /// Holds the bytes that wait in the text before its newest token, which may still be replaced.
    text: Detokenizer,
    newest: Option<u32>,
    step: Option<engine::Step>,
}

impl Session {
    /// What a piece of work came to, as a number for JavaScript.
    fn note(&mut self, progress: Progress) -> u8 {
        match progress {
            Progress::Working => WORKING,
            Progress::Waiting => WAITING,
            Progress::Done => DONE,
            Progress::Exchange => EXCHANGE,
            Progress::Step(step) => {
                if let Some(id) = self.newest.replace(step.id) {
                    push(&self.loaded.tokenizer, id, &mut self.text);
                }
                self.step = Some(step);
                STEP
            }
        }
    }

    /// A session without a text.
    pub(super) fn new(loaded: Arc<Loaded>, engine: Engine, given: &SessionOptions) -> JsResult<Session> {
        let (options, settings) = (given.engine(&loaded)?, given.settled(&loaded)?);
        let text = Detokenizer::default();
        Ok(Session { loaded, engine, options, settings, place: None, text, newest: None, step: None })
    }

    /// Goes on with a text that was saved.
    pub(super) fn restore(&mut self, saved: &[u8]) -> crate::Result<()> {
        self.engine.restore(saved, self.options.clone())?;
        self.begin();
        // Bytes of a character may wait before the newest token.
        if let Some((newest, before)) = self.engine.generated().split_last() {
            before.iter().for_each(|id| _ = push(&self.loaded.tokenizer, *id, &mut self.text));
            self.newest = Some(*newest);
        }
        Ok(())
    }

    /// The same as one host of several.
    pub(super) fn at(self, place: Place) -> Session {
        Session { place: Some(place), ..self }
    }

    fn options(&self, max_tokens: u32, trace: &str) -> JsResult<engine::Options> {
        let trace = match trace {
            "totals" => Detail::Totals,
            "sets" => Detail::Sets,
            "weights" => Detail::Weights,
            other => {
                let (got, allowed) = (other.to_owned(), "totals, sets, weights".to_owned());
                return Err(throw(Error::Param { name: "trace".to_owned(), got, allowed }));
            }
        };
        Ok(engine::Options { max_tokens, trace, ..self.options.clone() })
    }

    fn begin(&mut self) {
        self.text = Detokenizer::default();
        (self.newest, self.step) = (None, None);
    }
}

#[wasm_bindgen]
impl Session {
    /// Begins a text. `rounds`: positions where a round begins; none: one round. `pictures`: positions where one begins, whose
    /// `rows` stand where an id is 4294967295. `trace`: `"totals"`, `"sets"` or `"weights"`.
    ///
    /// # Errors
    /// `empty_prompt`, `token_id`, `context`, `param`, `memory`.
    pub fn start(
        &mut self,
        ids: &[u32],
        rounds: &[u32],
        pictures: &[u32],
        rows: &[f32],
        max_tokens: u32,
        #[wasm_bindgen(unchecked_param_type = "\"totals\" | \"sets\" | \"weights\"")] trace: &str,
    ) -> JsResult<()> {
        let prompt = prompt(ids, rounds, pictures, rows).map_err(throw)?;
        let options = self.options(max_tokens, trace)?;
        if let Some(place) = &self.place {
            self.engine = place.engine(&self.loaded, &prompt).map_err(throw)?;
        }
        self.engine.start(prompt, options).map_err(throw)?;
        self.begin();
        Ok(())
    }

    /// Goes on with the same text and its cache: as [`start`](Session::start), after what is already there. Without ids the
    /// answer goes on where it ended or was left.
    ///
    /// # Errors
    /// As [`start`](Session::start); `state` when there is no text, or in the middle of a pass.
    pub fn extend(
        &mut self,
        ids: &[u32],
        rounds: &[u32],
        pictures: &[u32],
        rows: &[f32],
        max_tokens: u32,
        #[wasm_bindgen(unchecked_param_type = "\"totals\" | \"sets\" | \"weights\"")] trace: &str,
    ) -> JsResult<()> {
        if self.engine.ids().is_empty() {
            return Err(throw(Error::State("there is no text to go on with")));
        }
        let options = self.options(max_tokens, trace)?;
        if ids.is_empty() {
            return self.engine.resume(options).map_err(throw);
        }
        let prompt = prompt(ids, rounds, pictures, rows).map_err(throw)?;
        self.engine.extend(prompt, options).map_err(throw)?;
        self.begin();
        Ok(())
    }

    /// What `messages` add to the text when its newest token belongs to an answer: the answer's end, unless it is
    /// there, and the messages, up to where the next answer begins.
    ///
    /// # Errors
    /// `template`, `tokenizer`.
    #[wasm_bindgen(js_name = encodeTurn, unchecked_return_type = "PromptTokens")]
    pub fn encode_turn(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        rows: &[f32],
    ) -> JsResult<JsValue> {
        let messages: Vec<ChatMessage> = from_js("messages", messages)?;
        let turn = self.loaded.chat_turn(&messages, self.newest, rows).map_err(throw)?;
        Ok(to_js(&PromptTokens::from(turn)))
    }

    /// Does a bounded piece of work: 0 it goes on, 1 a step is ready, 2 nothing is left to do, 3 [`partial`](Session::partial)
    /// has what the other hosts want and [`merge`](Session::merge) goes on,
    /// 4 the GPU is at work: ask again when the event loop has had its turn.
    ///
    /// # Errors
    /// From the method or for want of memory.
    pub fn advance(&mut self) -> JsResult<u8> {
        let progress = self.engine.advance().map_err(throw)?;
        Ok(self.note(progress))
    }

    /// What this host's attention found: outputs, then log-sum-exps, in a buffer of their own that can be transferred.
    ///
    /// # Errors
    /// `state` when no exchange is due.
    pub fn partial(&self) -> JsResult<js_sys::Float32Array> {
        let Partial { output, lse } = self.engine.partial().map_err(throw)?;
        let all = js_sys::Float32Array::new_with_length((output.len() + lse.len()) as u32);
        all.subarray(0, output.len() as u32).copy_from(&output);
        all.subarray(output.len() as u32, all.length()).copy_from(&lse);
        Ok(all)
    }

    /// Goes on with the partials of all hosts, this one's included, in their order; answers as [`advance`](Session::advance).
    ///
    /// # Errors
    /// `state` when no exchange is due, `shape` for partials that do not fit.
    pub fn merge(&mut self, partials: Vec<js_sys::Float32Array>) -> JsResult<u8> {
        let c = &self.loaded.model.config;
        let apart = |partial: js_sys::Float32Array| {
            let mut output = partial.to_vec();
            let lse = output.split_off(output.len() / (c.head_dim as usize + 1) * c.head_dim as usize);
            Partial { output, lse }
        };
        let partials: Vec<Partial> = partials.into_iter().map(apart).collect();
        let progress = self.engine.merge(&partials).map_err(throw)?;
        Ok(self.note(progress))
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

    /// Kullback-Leibler divergence of the distributions of the next token, `from` to this one, in nats, right after a step
    /// of each: 0 where both are the same.
    ///
    /// # Errors
    /// `state` when either has no step, or computes on a GPU.
    pub fn divergence(&self, from: &Session) -> JsResult<f64> {
        let [from, own] = [from, self].map(|session| session.engine.logits().map_err(throw));
        Ok(metrics::kl(from?, own?))
    }

    /// Leaves a GPU that failed and goes on on the CPU; what the text has so far is run again there, no token is lost.
    ///
    /// # Errors
    /// `memory`.
    #[wasm_bindgen(js_name = moveToCpu)]
    pub fn move_to_cpu(&mut self) -> JsResult<()> {
        let cpu = self.loaded.cpu(self.engine.positions(), Store::F16, Precision::Fast).map_err(throw)?;
        self.engine.move_to(Box::new(cpu)).map_err(throw)
    }

    /// The text and its cache between two tokens, for [`restore`](Model::restore): bytes of their own.
    ///
    /// # Errors
    /// `state` before the first token and in the middle of a pass; `unsupported` on a GPU, and on one host of several.
    pub fn save(&mut self) -> JsResult<js_sys::Uint8Array> {
        if self.place.is_some() {
            let (got, supported) = ("one host of several".to_owned(), "one without hosts".to_owned());
            return Err(throw(Error::Unsupported { what: "saving a session on", got, supported }));
        }
        let settings = String::from(js_sys::JSON::stringify(&to_js(&self.settings))?);
        let bytes = self.loaded.save(&mut self.engine, &settings).map_err(throw)?;
        Ok(js_sys::Uint8Array::from(&bytes[..]))
    }

    /// What it was made by, with every parameter that is not the registry's.
    #[wasm_bindgen(unchecked_return_type = "SessionOptions")]
    #[must_use]
    pub fn settings(&self) -> JsValue {
        to_js(&self.settings)
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
