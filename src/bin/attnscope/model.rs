//! What several commands share: loading a model file and choosing a method.

use attnscope::{
    Error, Result,
    cache::Store,
    engine::Engine,
    loader::{Loaded, Loader},
    methods::{self, Profile, Value},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes handed to the loader at once.
const PORTION: usize = 1 << 20;

/// The model file and the method to run on it.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// GGUF file of a llama model
    #[arg(long, value_name = "FILE", env = "ATTNSCOPE_MODEL")]
    model: PathBuf,
    /// Method; `attnscope methods` lists them
    #[arg(long, default_value = "full")]
    method: String,
    /// A parameter of the method; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// File with calibrated parameters (`attnscope calibrate`), in place of those that come with the model
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Most tokens of prompt and answer together [default: the model's]
    #[arg(long, value_name = "TOKENS")]
    context: Option<u32>,
}

/// Loads a model file; `see` gets its bytes on the way.
pub fn load(path: &Path, mut see: impl FnMut(&[u8])) -> Result<Loaded> {
    let fail = |e: std::io::Error| Error::File { what: path.display().to_string(), why: e.to_string() };
    let mut file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let bar = ProgressBar::new(size).with_style(
        ProgressStyle::with_template("loading {bar:32} {bytes}/{total_bytes}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut loader = Loader::new(Some(size));
    let mut portion = vec![0; PORTION];
    loop {
        let n = file.read(&mut portion).map_err(fail)?;
        if n == 0 {
            break;
        }
        loader.push(&portion[..n])?;
        see(&portion[..n]);
        bar.inc(n as u64);
    }
    bar.finish_and_clear();
    loader.finish()
}

impl ModelArgs {
    pub fn load(&self) -> Result<Loaded> {
        let mut loaded = load(&self.model, |_| ())?;
        if let Some(path) = &self.profile {
            let fail = |why: String| Error::File { what: path.display().to_string(), why };
            let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
            loaded.profile = Profile::parse(&text).map_err(|e| fail(e.to_string()))?;
        }
        Ok(loaded)
    }

    pub fn engine(&self, loaded: &Loaded) -> Result<Engine> {
        let row = methods::find(&self.method)?;
        let pairs = self.param.iter().map(|text| {
            let (name, value) = text.split_once('=').ok_or_else(|| Error::Param {
                name: "--param".to_owned(),
                got: text.clone(),
                allowed: "NAME=VALUE, e.g. --param recent=64".to_owned(),
            })?;
            // A name the method does not have is refused, with those it has, when the method is built.
            let value = row
                .params
                .iter()
                .find(|p| p.name == name)
                .map_or(Value::Word(value.to_owned()), |p| Value::parse(value, p));
            Ok((name.to_owned(), value))
        });
        loaded.engine(&self.method, &pairs.collect::<Result<Vec<_>>>()?, self.context, Store::F16)
    }

    pub fn method(&self) -> &str {
        &self.method
    }
}
