//! A model file in portions, and the loaded model.

use super::{
    JsResult, Session, from_js,
    options::{Backend, SessionOptions},
    prompt::PromptTokens,
    throw, to_js,
};
use crate::{
    Error,
    cache::Store,
    chat::ChatMessage,
    kernels::{Precision, SharedProducts},
    loader::{self, Loaded},
};
use serde::Serialize;
use std::sync::Arc;
use tsify::Tsify;
use wasm_bindgen::prelude::*;

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
        self.0.finish().map(Model::new).map_err(throw)
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

/// A loaded model; sessions share its weights.
#[wasm_bindgen]
pub struct Model {
    pub(super) loaded: Arc<Loaded>,
    shared: SharedProducts,
    /// Its weights on a GPU, from the first session there.
    #[cfg(feature = "gpu")]
    pub(super) on_device: std::cell::RefCell<Option<loader::OnDevice>>,
}

impl Model {
    fn new(loaded: Loaded) -> Model {
        Model {
            loaded: Arc::new(loaded),
            shared: SharedProducts::default(),
            #[cfg(feature = "gpu")]
            on_device: std::cell::RefCell::default(),
        }
    }
}

#[wasm_bindgen]
impl Model {
    /// What it is.
    #[wasm_bindgen(unchecked_return_type = "ModelInfo")]
    #[must_use]
    pub fn info(&self) -> JsValue {
        let (c, loaded) = (&self.loaded.model.config, &self.loaded);
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

    /// A text in tokens. With `parse_special`, control tokens written in the text become their ids; with `begin`, the
    /// begin-of-text token is put in front if the model wants it, as before any prompt. `rows` are those of the pictures that
    /// the text has places for, each marked by U+FFFC.
    ///
    /// # Errors
    /// `tokenizer`; `picture` unless there is a place for each.
    #[wasm_bindgen(unchecked_return_type = "PromptTokens")]
    pub fn encode(&self, text: &str, parse_special: bool, begin: bool, rows: &[f32]) -> JsResult<JsValue> {
        let prompt = self.loaded.prompt(text, parse_special, begin, rows).map_err(throw)?;
        Ok(to_js(&PromptTokens::from(prompt)))
    }

    /// Text of ids, control tokens included.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.loaded.tokenizer.decode(ids, false)
    }

    /// The prompt of a conversation, up to where the answer begins.
    ///
    /// # Errors
    /// `template`.
    pub fn chat(&self, #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue) -> JsResult<String> {
        let messages: Vec<ChatMessage> = from_js("messages", messages)?;
        self.loaded.chat().and_then(|template| template.render(&messages, true)).map_err(throw)
    }

    /// The same prompt in tokens, with its rounds, and pictures as in [`encode`](Model::encode).
    ///
    /// # Errors
    /// `template`, `tokenizer`, `picture`.
    #[wasm_bindgen(js_name = encodeChat, unchecked_return_type = "PromptTokens")]
    pub fn encode_chat(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        rows: &[f32],
    ) -> JsResult<JsValue> {
        let messages: Vec<ChatMessage> = from_js("messages", messages)?;
        let prompt = self.loaded.chat_prompt(&messages, rows).map_err(throw)?;
        Ok(to_js(&PromptTokens::from(prompt)))
    }

    /// What further messages add to a conversation whose newest token is `last`, in tokens with their rounds: the answer's
    /// end, unless it is there, and the messages, up to where the next answer begins.
    ///
    /// # Errors
    /// `template`, `tokenizer`.
    #[wasm_bindgen(js_name = encodeTurn, unchecked_return_type = "PromptTokens")]
    pub fn encode_turn(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        last: u32,
        rows: &[f32],
    ) -> JsResult<JsValue> {
        let messages: Vec<ChatMessage> = from_js("messages", messages)?;
        let turn = self.loaded.chat_turn(&messages, Some(last), rows).map_err(throw)?;
        Ok(to_js(&PromptTokens::from(turn)))
    }

    /// A session with a method of the registry, or one for each role.
    ///
    /// # Errors
    /// `unknown_method`, `unknown_param`, `param`, `combination`; `gpu`, `memory` on the GPU, which must be open.
    pub fn session(
        &self,
        #[wasm_bindgen(unchecked_param_type = "SessionOptions")] options: JsValue,
    ) -> JsResult<Session> {
        let options = SessionOptions::read(options)?;
        let spec = options.spec(&self.loaded.model.config)?;
        let engine = match options.backend() {
            Backend::Cpu => self.loaded.compose(&spec, options.context, Store::F16, Precision::Fast),
            #[cfg(feature = "gpu")]
            Backend::Gpu => self.on_gpu().and_then(|on| self.loaded.compose_on(&on, &spec, options.context)),
            #[cfg(not(feature = "gpu"))]
            Backend::Gpu => Err(Error::Gpu { why: "this build has no GPU back end".to_owned() }),
        };
        let mut engine = engine.map_err(throw)?;
        if options.share_prompt.unwrap_or(false) {
            engine.share(self.shared.clone());
        }
        Session::new(self.loaded.clone(), engine, &options)
    }

    /// A session from [`save`](Session::save), with the text and cache that it had then.
    ///
    /// # Errors
    /// `saved` for damaged bytes and those of another model, `memory`.
    pub fn restore(&self, bytes: &[u8]) -> JsResult<Session> {
        let (settings, saved) = self.loaded.saved(bytes).map_err(throw)?;
        let damaged = |_| throw(Error::Saved("its settings are no JSON".to_owned()));
        let options: SessionOptions = from_js("settings", js_sys::JSON::parse(&settings).map_err(damaged)?)?;
        let spec = options.spec(&self.loaded.model.config)?;
        let engine = self.loaded.compose(&spec, options.context, Store::F16, Precision::Fast).map_err(throw)?;
        let mut session = Session::new(self.loaded.clone(), engine, &options)?;
        session.restore(saved).map_err(throw)?;
        Ok(session)
    }
}
