//! What several commands share: loading a model file and choosing a method.

use crate::spec::SpecArgs;
use attnscope::{
    Error, Result,
    advisor::{self, Text},
    cache::Store,
    engine::Engine,
    gguf::{Header, Sink, Stream},
    loader::{Loaded, Loader},
    methods::Spec,
    model::Config,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{fs::File, io::Read, path::PathBuf};

/// Bytes handed to the loader at once.
const PORTION: usize = 1 << 20;

/// The model file.
#[derive(clap::Args)]
pub struct FileArgs {
    /// GGUF file of a llama model
    #[arg(long, value_name = "FILE", env = "ATTNSCOPE_MODEL")]
    model: PathBuf,
}

/// The model file and the method to run on it.
#[derive(clap::Args)]
pub struct ModelArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    spec: SpecArgs,
    /// Most tokens of prompt and answer together [default: the model's]
    #[arg(long, value_name = "TOKENS")]
    context: Option<u32>,
    /// Memory for the KV cache, e.g. 64MB: budgets that are not given become the largest that fit it at --context
    #[arg(long, value_name = "BYTES", value_parser = advisor::bytes)]
    memory: Option<u64>,
}

/// Takes the shape of a model and none of its numbers.
struct ShapeOnly(Option<Config>);

impl Sink for ShapeOnly {
    fn header(&mut self, header: Header) -> Result<()> {
        self.0 = Some(Config::from_header(&header)?);
        Ok(())
    }
    fn row(&mut self, _: usize, _: u64, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

impl FileArgs {
    /// Hands the file out in portions, with its size, until `more` has enough.
    fn read(&self, mut more: impl FnMut(&[u8], u64) -> Result<bool>) -> Result<u64> {
        let fail = |e: std::io::Error| Error::File { what: self.model.display().to_string(), why: e.to_string() };
        let mut file = File::open(&self.model).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        let mut portion = vec![0; PORTION];
        loop {
            let n = file.read(&mut portion).map_err(fail)?;
            if n == 0 || !more(&portion[..n], size)? {
                return Ok(size);
            }
        }
    }

    pub fn load(&self) -> Result<Loaded> {
        let bar = ProgressBar::new(1).with_style(
            ProgressStyle::with_template("loading {bar:32} {bytes}/{total_bytes}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let mut loader = None;
        self.read(|portion, size| {
            bar.set_length(size);
            bar.inc(portion.len() as u64);
            loader.get_or_insert_with(|| Loader::new(Some(size))).push(portion).map(|()| true)
        })?;
        bar.finish_and_clear();
        loader.unwrap_or_default().finish()
    }

    /// The model's shape and the bytes of its file.
    pub fn config(&self) -> Result<(Config, u64)> {
        let (mut stream, mut shape) = (Stream::new(), ShapeOnly(None));
        let size = self.read(|portion, _| stream.push(portion, &mut shape).map(|()| shape.0.is_none()))?;
        let cut = || Error::Truncated { what: "the header".to_owned(), want: size + 1, got: size };
        Ok((shape.0.ok_or_else(cut)?, size))
    }
}

impl ModelArgs {
    pub fn load(&self) -> Result<Loaded> {
        self.file.load()
    }

    pub fn engine(&self, loaded: &Loaded) -> Result<Engine> {
        loaded.compose(&self.spec(&loaded.model.config)?, self.context, Store::F16)
    }

    pub fn spec(&self, config: &Config) -> Result<Spec> {
        let spec = self.spec.spec()?;
        let Some(memory) = self.memory else { return Ok(spec) };
        let text = Text::of(self.context.unwrap_or(config.context), None, 0)?;
        advisor::fit(&spec, config, &text, memory)
    }
}
