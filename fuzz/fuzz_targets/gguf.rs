//! Any bytes as a model file: nothing may panic, hang or take memory the bytes do not justify.
#![no_main]

use attnscope::Result;
use attnscope::cache::Store;
use attnscope::chat::{ChatTemplate, ChatMessage};
use attnscope::engine::{Options, Progress};
use attnscope::gguf::transcode::{Transcoder, layout_for};
use attnscope::gguf::{Header, Metadata, Sink, Stream, TensorInfo};
use attnscope::kernels::Matrix;
use attnscope::loader::Loader;
use attnscope::tokenizer::{Detokenizer, Tokenizer};
use libfuzzer_sys::fuzz_target;

/// Tokenizer, template and rows of a file that need not be a whole model: any formats, any names.
#[derive(Default)]
struct Parts {
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    matrices: Vec<Matrix>,
    transcoder: Transcoder,
}

impl Sink for Parts {
    fn header(&mut self, header: Header) -> Result<()> {
        self.matrices = header
            .tensors
            .iter()
            .map(|t| Matrix::announced(layout_for(t.kind), t.rows() as usize, t.cols()))
            .collect::<Result<_>>()?;
        self.metadata = header.metadata;
        self.tensors = header.tensors;
        Ok(())
    }

    fn row(&mut self, tensor: usize, row: u64, bytes: &[u8]) -> Result<()> {
        let info = &self.tensors[tensor];
        let mut values = vec![0.0; info.cols()];
        let sound = info.dequantise(row, bytes, &mut values).is_ok();
        self.transcoder.put(info, row, bytes, &mut self.matrices[tensor], row as usize)?;
        assert!(sound, "what is transcoded is finite");
        Ok(())
    }
}

fn parts(file: &[u8], portion: usize) -> (Result<()>, Parts) {
    let mut parts = Parts::default();
    let mut stream = Stream::with_size(Some(file.len() as u64));
    let result =
        file.chunks(portion).try_for_each(|chunk| stream.push(chunk, &mut parts)).and_then(|()| stream.finish());
    (result, parts)
}

/// The ids two tokens are made to, by a file that is a whole model.
fn run(file: &[u8], portion: usize, size: Option<u64>) -> Result<Vec<u32>> {
    let mut loader = Loader::new(size);
    file.chunks(portion).try_for_each(|chunk| loader.push(chunk))?;
    let loaded = loader.finish()?;
    let mut engine = loaded.engine("full", &[], None, Store::F16)?;
    engine.start(&[0, 1], Options { max_tokens: 2, ..Options::default() })?;
    while engine.advance()? != Progress::Done {}
    Ok(engine.ids().to_vec())
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, file)) = data.split_first() else {
        return;
    };
    let portion = usize::from(first) + 1;
    let (result, parts_read) = parts(file, portion);
    assert_eq!(result, parts(file, usize::MAX).0, "the same verdict in any portions");
    for size in [None, Some(file.len() as u64)] {
        assert_eq!(run(file, portion, size), run(file, usize::MAX, size), "the same verdict in any portions");
    }

    let text = "ab <|s|> don't 1234\n\n  é日👩<u>";
    if let Ok(tokenizer) = Tokenizer::from_metadata(&parts_read.metadata) {
        let mut joined = Detokenizer::default();
        let mut streamed = String::new();
        let ids = tokenizer.encode_prompt(text).unwrap_or_default();
        for &id in &ids {
            assert!(id < tokenizer.vocabulary());
            streamed += &joined.push(tokenizer.piece(id));
        }
        streamed += &joined.flush();
        assert_eq!(streamed, tokenizer.decode(&ids, false));
    }
    if let Ok(Some(template)) = ChatTemplate::from_metadata(&parts_read.metadata) {
        let _ = template.render(&[ChatMessage::new("user", text), ChatMessage::new("assistant", "x")], true);
    }
});
