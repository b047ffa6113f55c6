//! Any bytes as a model file: nothing may panic, hang or take memory the bytes do not justify.
#![no_main]

use attnscope::Result;
use attnscope::chat::{ChatTemplate, Message};
use attnscope::gguf::transcode::{Transcoder, layout_for};
use attnscope::gguf::{Header, Metadata, Sink, Stream, TensorInfo};
use attnscope::kernels::Matrix;
use attnscope::tokenizer::{Detokenizer, Tokenizer};
use libfuzzer_sys::fuzz_target;

/// A loader as the model has one.
#[derive(Default)]
struct Load {
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    matrices: Vec<Matrix>,
    transcoder: Transcoder,
}

impl Sink for Load {
    fn header(&mut self, header: Header) -> Result<()> {
        self.matrices = header
            .tensors
            .iter()
            .map(|tensor| {
                Matrix::new(
                    layout_for(tensor.kind),
                    tensor.rows() as usize,
                    tensor.cols(),
                )
            })
            .collect::<Result<_>>()?;
        self.metadata = header.metadata;
        self.tensors = header.tensors;
        Ok(())
    }

    fn row(&mut self, tensor: usize, row: u64, bytes: &[u8]) -> Result<()> {
        let info = &self.tensors[tensor];
        let mut values = vec![0.0; info.cols()];
        let sound = info.dequantise(row, bytes, &mut values).is_ok();
        self.transcoder
            .put(info, row, bytes, &mut self.matrices[tensor], row as usize)?;
        assert!(sound, "what is transcoded is finite");
        Ok(())
    }
}

fn load(file: &[u8], portion: usize) -> (Result<()>, Load) {
    let mut load = Load::default();
    let mut stream = Stream::with_size(Some(file.len() as u64));
    let result = file
        .chunks(portion)
        .try_for_each(|chunk| stream.push(chunk, &mut load))
        .and_then(|()| stream.finish());
    (result, load)
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, file)) = data.split_first() else {
        return;
    };
    let (result, loaded) = load(file, usize::from(first) + 1);
    let (whole, _) = load(file, usize::MAX);
    assert_eq!(result, whole, "the same verdict in any portions");

    let text = "ab <|s|> don't 1234\n\n  é日👩<u>";
    if let Ok(tokenizer) = Tokenizer::from_metadata(&loaded.metadata) {
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
    if let Ok(Some(template)) = ChatTemplate::from_metadata(&loaded.metadata) {
        let _ = template.render(
            &[Message::new("user", text), Message::new("assistant", "x")],
            true,
        );
    }
});
