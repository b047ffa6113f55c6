//! What tests share: where the model file is and how to read it.
#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

#[cfg(feature = "gpu")]
pub mod every_op;
#[cfg(feature = "gpu")]
pub mod pair;
pub mod recorded;
pub mod replay;
pub mod rows;
pub mod tiny;

use attnscope::Result;
use attnscope::gguf::{Header, Metadata, Sink, Stream};
use attnscope::loader::{Loaded, Loader};
use std::path::PathBuf;

/// The model file: `$ATTNSCOPE_MODEL`, else in the user's cache folder.
///
/// Panics when it is missing: a test that did not run must not pass.
pub fn model_path() -> PathBuf {
    let path = std::env::var_os("ATTNSCOPE_MODEL").map_or_else(cached_model, PathBuf::from);
    assert!(path.is_file(), "{} is missing: run cargo xtask model", path.display());
    path
}

fn cached_model() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"), PathBuf::from);
    cache.join("attnscope/models/SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// Loads a model file in portions of `portion` bytes; `size` is what the loader is told of its length.
pub fn load(file: &[u8], portion: usize, size: Option<u64>) -> Result<Loaded> {
    let mut loader = Loader::new(size);
    file.chunks(portion).try_for_each(|portion| loader.push(portion))?;
    loader.finish()
}

/// The real model.
pub fn load_model() -> Loaded {
    let file = std::fs::read(model_path()).unwrap();
    load(&file, 1 << 20, Some(file.len() as u64)).unwrap()
}

/// Everything a stream gave.
#[derive(Default, PartialEq, Debug)]
pub struct Collected {
    pub header: Option<Header>,
    /// `(tensor, row, bytes)`.
    pub rows: Vec<(usize, u64, Vec<u8>)>,
}

impl Sink for Collected {
    fn header(&mut self, header: Header) -> Result<()> {
        assert!(self.header.replace(header).is_none(), "one header");
        Ok(())
    }

    fn row(&mut self, tensor: usize, row: u64, bytes: &[u8]) -> Result<()> {
        self.rows.push((tensor, row, bytes.to_vec()));
        Ok(())
    }
}

/// Reads `file` in the given portions, the last repeated.
pub fn collect(file: &[u8], portions: &[usize], size: Option<u64>) -> Result<Collected> {
    let mut collected = Collected::default();
    let mut stream = Stream::with_size(size);
    let mut rest = file;
    let mut portions =
        portions.iter().copied().chain(std::iter::repeat(portions.last().copied().unwrap_or(usize::MAX)));
    while !rest.is_empty() {
        let (portion, after) = rest.split_at(portions.next().unwrap_or(1).clamp(1, rest.len()));
        stream.push(portion, &mut collected)?;
        rest = after;
    }
    stream.finish()?;
    Ok(collected)
}

/// The metadata of the real model.
pub fn model_metadata() -> Metadata {
    struct Stop(Option<Header>);
    impl Sink for Stop {
        fn header(&mut self, header: Header) -> Result<()> {
            self.0 = Some(header);
            Ok(())
        }
        fn row(&mut self, _: usize, _: u64, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }
    let mut file = std::fs::File::open(model_path()).unwrap();
    let mut start = vec![0; 4 << 20];
    std::io::Read::read_exact(&mut file, &mut start).unwrap();
    let mut sink = Stop(None);
    Stream::new().push(&start, &mut sink).unwrap();
    sink.0.expect("the header is within 4 MB").metadata
}

/// Prints past the test harness, which swallows what a passing test prints.
pub fn report(line: &str) {
    let mut out = std::io::stdout();
    std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes()).unwrap();
}

/// What a future gives that never waits: natively none does.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("natively nothing is waited for"),
    }
}

/// Lets what is on its way arrive: natively it is waited for, in a page the event loop gets its turn.
pub async fn breathe() {
    #[cfg(all(feature = "gpu", target_arch = "wasm32"))]
    {
        use wasm_bindgen::{JsCast, JsValue};
        let promise = js_sys::Promise::new(&mut |resolve, _| {
            let later = js_sys::Reflect::get(&js_sys::global(), &"setTimeout".into()).unwrap();
            later.unchecked_ref::<js_sys::Function>().call2(&JsValue::NULL, &resolve, &0.into()).unwrap();
        });
        wasm_bindgen_futures::JsFuture::from(promise).await.unwrap();
    }
}

/// A device, unless this machine has none.
#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
pub fn gpu(test: &str) -> Option<std::rc::Rc<attnscope::backend::gpu::Device>> {
    match attnscope::backend::gpu::Device::open_now() {
        Ok(gpu) => Some(std::rc::Rc::new(gpu)),
        Err(why) => {
            let required = std::env::var("ATTNSCOPE_GPU").is_ok_and(|value| value == "required");
            assert!(!required, "gpu: not run, and ATTNSCOPE_GPU=required: {why}");
            eprintln!("gpu: not run: {test}: {why}");
            None
        }
    }
}
