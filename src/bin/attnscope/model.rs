//! What several commands share: loading a model file and choosing a method.

use crate::spec::SpecArgs;
use attnscope::{
    Error, Result,
    advisor::{self, Text},
    cache::Store,
    engine::Engine,
    gguf::{Header, Sink, Stream},
    kernels::Precision,
    loader::{Loaded, Loader},
    methods::{Profile, Spec},
    model::Config,
};
#[cfg(feature = "gpu")]
use attnscope::{backend::gpu::Device, loader::OnDevice};
use indicatif::{ProgressBar, ProgressStyle};
#[cfg(feature = "gpu")]
use std::rc::Rc;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes handed to the loader at once.
const PORTION: usize = 1 << 20;

/// The model file.
#[derive(clap::Args)]
pub struct FileArgs {
    /// GGUF file of a llama model
    #[arg(long, value_name = "FILE", env = "ATTNSCOPE_MODEL")]
    model: PathBuf,
    /// File with calibrated parameters (`attnscope calibrate`), in place of those that come with the model
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
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
    /// What computes
    #[arg(long, value_enum, default_value = "cpu")]
    backend: Backend,
}

/// A number that grows.
pub type Count = Box<dyn Fn() -> u64>;

/// What computes.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    /// The CPU
    Cpu,
    /// The GPU, through Vulkan, Metal or Direct3D 12; see `attnscope gpu`
    #[cfg(feature = "gpu")]
    Gpu,
    /// Both in lock-step: the first operation on which they do not agree ends the run. Slow
    #[cfg(feature = "gpu")]
    Paired,
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

/// Hands a file out in portions, with its size, until `more` has enough; the size.
fn portions(path: &Path, mut more: impl FnMut(&[u8], u64) -> Result<bool>) -> Result<u64> {
    let fail = |e: std::io::Error| Error::File { what: path.display().to_string(), why: e.to_string() };
    let mut file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let mut portion = vec![0; PORTION];
    loop {
        let n = file.read(&mut portion).map_err(fail)?;
        if n == 0 || !more(&portion[..n], size)? {
            return Ok(size);
        }
    }
}

/// Loads a model file; `see` gets its bytes on the way.
pub fn load(path: &Path, mut see: impl FnMut(&[u8])) -> Result<Loaded> {
    let bar = ProgressBar::new(1).with_style(
        ProgressStyle::with_template("loading {bar:32} {bytes}/{total_bytes}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut loader = None;
    portions(path, |portion, size| {
        bar.set_length(size);
        bar.inc(portion.len() as u64);
        see(portion);
        loader.get_or_insert_with(|| Loader::new(Some(size))).push(portion).map(|()| true)
    })?;
    bar.finish_and_clear();
    loader.unwrap_or_default().finish()
}

impl FileArgs {
    pub fn load(&self) -> Result<Loaded> {
        let mut loaded = load(&self.model, |_| ())?;
        if let Some(path) = &self.profile {
            let fail = |why: String| Error::File { what: path.display().to_string(), why };
            let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
            let profile = Profile::parse(&text).map_err(|e| fail(e.to_string()))?;
            if profile.model != loaded.profile.model {
                return Err(fail(format!("calibrated for {}, this is {}", profile.model, loaded.profile.model)));
            }
            loaded.profile = profile;
        }
        Ok(loaded)
    }

    /// The model's shape and the bytes of its file.
    pub fn config(&self) -> Result<(Config, u64)> {
        let (mut stream, mut shape) = (Stream::new(), ShapeOnly(None));
        let size = portions(&self.model, |portion, _| stream.push(portion, &mut shape).map(|()| shape.0.is_none()))?;
        let cut = || Error::Truncated { what: "the header".to_owned(), want: size + 1, got: size };
        Ok((shape.0.ok_or_else(cut)?, size))
    }
}

impl ModelArgs {
    pub fn load(&self) -> Result<Loaded> {
        self.file.load()
    }

    /// The engine, and of two back ends in lock-step how many operations agreed so far.
    pub fn engine(&self, loaded: &Loaded) -> Result<(Engine, Option<Count>)> {
        let spec = self.spec(&loaded.model.config)?;
        match self.backend {
            Backend::Cpu => Ok((loaded.compose(&spec, self.context, Store::F16, Precision::Fast)?, None)),
            #[cfg(feature = "gpu")]
            Backend::Gpu => {
                let device = Rc::new(Device::open_now()?);
                Ok((loaded.compose_on(&OnDevice::new(&device, loaded)?, &spec, self.context)?, None))
            }
            #[cfg(feature = "gpu")]
            Backend::Paired => {
                let device = Rc::new(Device::open_now()?);
                let (engine, agreed) = loaded.compose_paired(&OnDevice::new(&device, loaded)?, &spec, self.context)?;
                Ok((engine, Some(Box::new(move || agreed.calls()))))
            }
        }
    }

    pub fn spec(&self, config: &Config) -> Result<Spec> {
        let spec = self.spec.spec()?;
        let Some(memory) = self.memory else { return Ok(spec) };
        let text = Text::of(self.context.unwrap_or(config.context), None, 0)?;
        advisor::fit(&spec, config, &text, memory)
    }
}
