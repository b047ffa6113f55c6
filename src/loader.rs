//! From a model file, in portions of any size, to everything a session needs. Rows are unpacked as they arrive, so the
//! file is never held whole; a weight has no memory before its first row is there.

use crate::{
    Error, Result,
    backend::{Cpu, WeightData, Weights},
    cache::Store,
    chat::{ChatMessage, ChatTemplate},
    engine::{Engine, Prompt},
    gguf::{Header, Sink, Stream, transcode},
    kernels::{Matrix, Precision},
    method::Method,
    methods::{self, ModelKey, Profile, Spec, Value},
    model::{Config, Layer, Model},
    ops::{Tag, Weight},
    tokenizer::Tokenizer,
};
use std::sync::Arc;

/// A loaded model file: shape, numbers, tokenizer and chat template.
pub struct Loaded {
    /// `general.name`, or the architecture.
    pub name: String,
    /// Shape and places of weights.
    pub model: Arc<Model>,
    /// The numbers, shared by all sessions.
    pub weights: Arc<Weights>,
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// Calibrated parameters of its methods, which take the place of the registry's defaults.
    pub profile: Profile,
    chat: Option<Result<ChatTemplate>>,
}

impl Loaded {
    /// The chat template of the file.
    ///
    /// # Errors
    /// [`Error::Template`] if it has none or one that does not parse; all else works without.
    pub fn chat(&self) -> Result<&ChatTemplate> {
        match &self.chat {
            Some(template) => template.as_ref().map_err(Clone::clone),
            None => Err(Error::Template("the model file has none; give the prompt as text".to_owned())),
        }
    }

    /// An engine with a method of the registry on the CPU, as it is; see [`compose`](Loaded::compose).
    ///
    /// # Errors
    /// As [`compose`](Loaded::compose).
    pub fn engine(
        &self,
        method: &str,
        params: &[(String, Value)],
        context: Option<u32>,
        store: Store,
    ) -> Result<Engine> {
        self.compose(&Spec::method(method, params), context, store, Precision::Fast)
    }

    /// An engine with a method on the CPU. `context` limits the text, in tokens; `None`: as many as the model was
    /// trained for. Parameters that are not given take their value from the [profile](Loaded::profile).
    ///
    /// # Errors
    /// For an unknown method or parameter or roles that do not fit together, and [`Error::Param`] for a context of 0 or
    /// beyond the model's.
    pub fn compose(&self, spec: &Spec, context: Option<u32>, store: Store, precision: Precision) -> Result<Engine> {
        let method = self.profile.build(spec, &self.shape())?;
        self.engine_for(method, context, store, precision)
    }

    /// A conversation as a prompt, each round tagged; it ends where the assistant's answer begins.
    ///
    /// # Errors
    /// As [`chat`](Loaded::chat), and what the template or the tokenizer says.
    pub fn chat_prompt(&self, messages: &[ChatMessage]) -> Result<Prompt> {
        self.rounds(&self.chat()?.render_rounds(messages, true)?, true)
    }

    /// What follows an answer when the conversation goes on: the end of the answer, as the template writes it, and
    /// `messages`, each round tagged.
    ///
    /// # Errors
    /// As [`chat_prompt`](Loaded::chat_prompt).
    pub fn chat_turn(&self, messages: &[ChatMessage]) -> Result<Prompt> {
        self.rounds(&self.chat()?.render_turn(messages)?, false)
    }

    fn rounds(&self, parts: &[String], begin: bool) -> Result<Prompt> {
        let mut prompt = Prompt::default();
        for (part, round) in parts.iter().zip(0..) {
            let first = begin && round == 0;
            let ids = if first { self.tokenizer.encode_prompt(part)? } else { self.tokenizer.encode(part, true)? };
            prompt.append_ids(&ids, Tag { round, picture: 0 });
        }
        Ok(prompt)
    }

    /// What of the model a method may depend on.
    #[must_use]
    pub fn shape(&self) -> methods::Shape {
        methods::Shape { layers: self.model.config.layers }
    }

    /// An engine with a method that is no row of the registry, such as one host's of a [`Plan`](methods::Plan).
    ///
    /// # Errors
    /// [`Error::Param`] for a context of 0 or beyond the model's.
    pub fn engine_for(
        &self,
        method: Method,
        context: Option<u32>,
        store: Store,
        precision: Precision,
    ) -> Result<Engine> {
        let config = &self.model.config;
        let context = context.unwrap_or(config.context);
        if !(1..=config.context).contains(&context) {
            let allowed = format!("1 to {}", config.context);
            return Err(Error::Param { name: "context".into(), got: context.to_string(), allowed });
        }
        if method.schedule.narrow_guesses() {
            let layers = self.model.layers.iter();
            if !self.weights.narrow(layers.flat_map(|layer| [layer.gate, layer.up, layer.down]))? {
                return Err(Error::Param {
                    name: "draft_weights".into(),
                    got: "int4_ffn".into(),
                    allowed: "same: the feed-forward matrices of this file have 4 bits already".into(),
                });
            }
        }
        let cpu = Cpu::new(config.into(), self.weights.clone(), method.retain.positions(), store)?;
        let cpu = cpu.with_precision(precision);
        Ok(Engine::new(self.model.clone(), Box::new(cpu), method, context))
    }
}

/// Takes a model file in portions.
#[derive(Default)]
pub struct Loader {
    stream: Stream,
    build: Builder,
}

impl Loader {
    /// A loader; `file_bytes` (when known) lets a file that is too short be refused at its header.
    #[must_use]
    pub fn new(file_bytes: Option<u64>) -> Loader {
        let build = Builder { whole_matrices: file_bytes.is_some(), ..Builder::default() };
        Loader { stream: Stream::with_size(file_bytes), build }
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// At the first byte that is wrong, naming the key or tensor; the loader is then of no further use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.push(bytes, &mut self.build)
    }

    /// The model, when all bytes are in.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn finish(self) -> Result<Loaded> {
        self.stream.finish()?;
        self.build.finish()
    }
}

#[derive(Default)]
struct Builder {
    /// Take a matrix's memory at once: the file is known to be as long as its header says. Else memory grows by rows.
    whole_matrices: bool,
    header: Option<Header>,
    name: String,
    places: Vec<Place>,
    weights: Weights,
    transcoder: transcode::Transcoder,
    model: Option<Model>,
    tokenizer: Option<Tokenizer>,
    chat: Option<Result<ChatTemplate>>,
}

/// Where the rows of a tensor go.
#[derive(Clone, Copy)]
enum Place {
    Weight(Weight),
    RopeDivisors,
}

/// Claims the tensors of a model one by one, checking their shapes.
struct Claims<'a> {
    header: &'a Header,
    places: Vec<Option<Place>>,
    list: Vec<WeightData>,
}

impl Claims<'_> {
    fn find(&mut self, name: &str, want: &[u64]) -> Result<Option<usize>> {
        let Some((index, tensor)) = self.header.tensor(name) else { return Ok(None) };
        if tensor.dims != want {
            let why = format!("dimensions {:?}, the model's shape asks for {want:?}", tensor.dims);
            return Err(Error::File { what: name.to_owned(), why });
        }
        Ok(Some(index))
    }

    fn put(&mut self, index: usize, data: WeightData) -> Weight {
        let weight = Weight(self.list.len() as u32);
        self.list.push(data);
        self.places[index] = Some(Place::Weight(weight));
        weight
    }

    fn optional_matrix(&mut self, name: &str, rows: u32, cols: u32) -> Result<Option<Weight>> {
        let Some(index) = self.find(name, &[cols.into(), rows.into()])? else { return Ok(None) };
        let layout = transcode::layout_for(self.header.tensors[index].kind);
        let matrix = Matrix::announced(layout, rows as usize, cols as usize)?;
        Ok(Some(self.put(index, WeightData::Matrix(matrix))))
    }

    fn matrix(&mut self, name: &str, rows: u32, cols: u32) -> Result<Weight> {
        self.optional_matrix(name, rows, cols)?.ok_or_else(|| missing(name))
    }

    fn vector(&mut self, name: &str, len: u32) -> Result<Weight> {
        let index = self.find(name, &[len.into()])?.ok_or_else(|| missing(name))?;
        Ok(self.put(index, WeightData::Vector(Vec::new())))
    }
}

fn missing(name: &str) -> Error {
    Error::File { what: name.to_owned(), why: "the tensor is missing".to_owned() }
}

impl Builder {
    fn claim(header: &Header, config: &mut Config) -> Result<(Vec<Place>, Weights, Model)> {
        let mut claims = Claims { header, places: vec![None; header.tensors.len()], list: Vec::new() };
        let (width, hidden) = (config.width, config.hidden);
        let (q, kv) = (config.query_heads * config.head_dim, config.kv_heads * config.head_dim);
        if let Some(index) = claims.find("rope_freqs.weight", &[u64::from(config.rope.dim / 2)])? {
            claims.places[index] = Some(Place::RopeDivisors);
        }
        let embedding = claims.matrix("token_embd.weight", config.vocabulary, width)?;
        let norm = claims.vector("output_norm.weight", width)?;
        let head = claims.optional_matrix("output.weight", config.vocabulary, width)?.unwrap_or(embedding);
        let mut layer = |l: u32| -> Result<Layer> {
            let name = |part: &str| format!("blk.{l}.{part}.weight");
            Ok(Layer {
                attention_norm: claims.vector(&name("attn_norm"), width)?,
                qkv: [
                    claims.matrix(&name("attn_q"), q, width)?,
                    claims.matrix(&name("attn_k"), kv, width)?,
                    claims.matrix(&name("attn_v"), kv, width)?,
                ],
                output: claims.matrix(&name("attn_output"), width, q)?,
                mlp_norm: claims.vector(&name("ffn_norm"), width)?,
                gate: claims.matrix(&name("ffn_gate"), hidden, width)?,
                up: claims.matrix(&name("ffn_up"), hidden, width)?,
                down: claims.matrix(&name("ffn_down"), width, hidden)?,
            })
        };
        let layers = (0..config.layers).map(&mut layer).collect::<Result<_>>()?;
        let unclaimed = claims.places.iter().position(Option::is_none);
        if let Some(index) = unclaimed {
            let supported = "the tensors of a plain llama model, without biases".to_owned();
            return Err(Error::Unsupported { what: "tensor", got: header.tensors[index].name.clone(), supported });
        }
        let places = claims.places.into_iter().flatten().collect();
        let model = Model { config: config.clone(), embedding, layers, norm, head };
        Ok((places, Weights { list: claims.list, ..Weights::default() }, model))
    }

    fn finish(self) -> Result<Loaded> {
        let (Some(model), Some(tokenizer)) = (self.model, self.tokenizer) else {
            return Err(Error::State("the model file has no header yet"));
        };
        let divisors = &model.config.rope.divisors;
        if let Some(bad) = divisors.iter().find(|d| !d.is_finite() || **d <= 0.0) {
            let why = format!("holds {bad}; divisors are positive numbers");
            return Err(Error::File { what: "rope_freqs.weight".to_owned(), why });
        }
        let Config { layers, width, vocabulary, .. } = model.config;
        let profile = Profile::of(ModelKey { name: self.name.clone(), layers, width, vocabulary });
        Ok(Loaded {
            profile,
            name: self.name,
            model: Arc::new(model),
            weights: Arc::new(self.weights),
            tokenizer,
            chat: self.chat,
        })
    }
}

impl Sink for Builder {
    fn header(&mut self, mut header: Header) -> Result<()> {
        let mut config = Config::from_header(&header)?;
        // Before the weights, so that what it needs while it is built is free again when they come.
        let tokenizer = Tokenizer::from_metadata(&header.metadata)?;
        if tokenizer.vocabulary() > config.vocabulary {
            let why = format!("{} tokens, but the embedding has {} rows", tokenizer.vocabulary(), config.vocabulary);
            return Err(Error::File { what: "tokenizer.ggml.tokens".to_owned(), why });
        }
        self.chat = match ChatTemplate::from_metadata(&header.metadata) {
            Err(error @ Error::Template(_)) => Some(Err(error)),
            template => template?.map(Ok),
        };
        self.name = header.metadata.string_opt("general.name")?.unwrap_or("llama").to_owned();
        header.metadata = Default::default();
        let (places, weights, model) = Builder::claim(&header, &mut config)?;
        (self.places, self.weights, self.model) = (places, weights, Some(model));
        self.tokenizer = Some(tokenizer);
        self.header = Some(header);
        Ok(())
    }

    fn row(&mut self, index: usize, row: u64, bytes: &[u8]) -> Result<()> {
        let (Some(header), Some(model)) = (&self.header, &mut self.model) else {
            return Err(Error::State("a row before the header"));
        };
        let tensor = &header.tensors[index];
        match self.places[index] {
            Place::RopeDivisors => {
                let divisors = &mut model.config.rope.divisors;
                divisors.resize(tensor.cols(), 0.0);
                tensor.dequantise(row, bytes, divisors)
            }
            Place::Weight(w) => match &mut self.weights.list[w.0 as usize] {
                WeightData::Matrix(m) => {
                    if self.whole_matrices {
                        m.reserve(m.rows())?;
                    }
                    self.transcoder.put(tensor, row, bytes, m, row as usize)
                }
                WeightData::Vector(v) => {
                    v.resize(tensor.cols(), 0.0);
                    tensor.dequantise(row, bytes, v)
                }
            },
        }
    }
}
