//! From a model file, in portions of any size, to everything a session needs. Rows are unpacked as they arrive, so the
//! file is never held whole; a weight has no memory before its first row is there.

mod claims;
mod loaded;
#[cfg(feature = "gpu")]
mod on_device;
mod prompts;
mod saved;

pub use loaded::Loaded;
#[cfg(feature = "gpu")]
pub use on_device::OnDevice;

use crate::{
    Error, Result,
    backend::{WeightData, Weights},
    chat::ChatTemplate,
    gguf::{Header, Sink, Stream, transcode},
    methods::{ModelKey, Profile},
    model::{Config, Model},
    tokenizer::Tokenizer,
};
use claims::{Place, claim};
use std::sync::Arc;
use xxhash_rust::xxh64::Xxh64;

/// Takes a model file in portions.
#[derive(Default)]
pub struct Loader {
    stream: Stream,
    build: Builder,
    hash: Xxh64,
}

impl Loader {
    /// A loader; `file_bytes` (when known) lets a file that is too short be refused at its header.
    #[must_use]
    pub fn new(file_bytes: Option<u64>) -> Loader {
        let build = Builder { whole_matrices: file_bytes.is_some(), ..Builder::default() };
        Loader { stream: Stream::with_size(file_bytes), build, hash: Xxh64::default() }
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// At the first byte that is wrong, naming the key or tensor; the loader is then of no further use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.stream.push(bytes, &mut self.build)
    }

    /// The model, when all bytes are in.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn finish(self) -> Result<Loaded> {
        self.stream.finish()?;
        Ok(Loaded { hash: self.hash.digest(), ..self.build.finish()? })
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

impl Builder {
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
            hash: 0,
            model: Arc::new(model),
            weights: Arc::new(self.weights),
            tokenizer,
            chat: self.chat,
        })
    }
}

impl Sink for Builder {
    fn header(&mut self, mut header: Header) -> Result<()> {
        let config = Config::from_header(&header)?;
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
        let (places, weights, model) = claim(&header, &config)?;
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
