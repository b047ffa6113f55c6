//! Writes small model files: for tests, benchmarks and the browser tests' random models.

use super::GgmlType;

/// A metadata value to write.
#[derive(Clone, Debug)]
pub enum Meta {
    /// Stored as `u32`.
    U32(u32),
    /// Stored as `f32`.
    F32(f32),
    /// Stored as bool.
    Bool(bool),
    /// Stored as string.
    Str(String),
    /// Stored as array of strings.
    Strs(Vec<String>),
    /// Stored as array of `i32`.
    I32s(Vec<i32>),
    /// Stored as array of `f32`.
    F32s(Vec<f32>),
    /// Any type id with the bytes that follow it, valid or not.
    Raw(u32, Vec<u8>),
}

macro_rules! into_meta {
    ($($from:ty => $variant:ident: $convert:expr),* $(,)?) => {$(
        impl From<$from> for Meta {
            fn from(value: $from) -> Meta {
                Meta::$variant($convert(value))
            }
        }
    )*};
}
into_meta! {
    u32 => U32: |value| value,
    f32 => F32: |value| value,
    bool => Bool: |value| value,
    &str => Str: str::to_owned,
    String => Str: |value| value,
    Vec<String> => Strs: |value| value,
    Vec<i32> => I32s: |value| value,
    Vec<f32> => F32s: |value| value,
}

impl Meta {
    fn write(&self, out: &mut Vec<u8>) {
        let mut typed = |id: u32, bytes: &[u8]| {
            out.extend(id.to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Meta::U32(value) => typed(4, &value.to_le_bytes()),
            Meta::F32(value) => typed(6, &value.to_le_bytes()),
            Meta::Bool(value) => typed(7, &[u8::from(*value)]),
            Meta::Str(value) => {
                typed(8, &[]);
                string(out, value);
            }
            Meta::Strs(values) => {
                array(out, 8, values.len());
                values.iter().for_each(|value| string(out, value));
            }
            Meta::I32s(values) => {
                array(out, 5, values.len());
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Meta::F32s(values) => {
                array(out, 6, values.len());
                out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Meta::Raw(id, bytes) => typed(*id, bytes),
        }
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn array(out: &mut Vec<u8>, element: u32, len: usize) {
    out.extend(9u32.to_le_bytes());
    out.extend(element.to_le_bytes());
    out.extend((len as u64).to_le_bytes());
}

/// Builds a GGUF file, version 3, alignment 32. Checks nothing: tests write damaged files with it.
///
/// ```
/// use attnscope::gguf::{GgmlType, encode, write::Writer};
/// let weights = encode(GgmlType::F32, &[1.0; 8])?;
/// let file = Writer::new()
///     .meta("llama.block_count", 1)
///     .tensor("output_norm.weight", &[8], GgmlType::F32, &weights)
///     .finish();
/// assert_eq!(&file[..4], b"GGUF");
/// # Ok::<(), attnscope::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Writer {
    entries: u64,
    metadata: Vec<u8>,
    tensors: u64,
    infos: Vec<u8>,
    data: Vec<u8>,
}

/// Bytes to which tensor data is aligned.
const ALIGNMENT: usize = 32;

impl Writer {
    /// An empty file.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Adds a metadata entry.
    #[must_use]
    pub fn meta(mut self, key: &str, value: impl Into<Meta>) -> Writer {
        self.entries += 1;
        string(&mut self.metadata, key);
        value.into().write(&mut self.metadata);
        self
    }

    /// Adds a tensor; `dims` innermost first, as in the file: `[cols, rows]`.
    #[must_use]
    pub fn tensor(mut self, name: &str, dims: &[u64], kind: GgmlType, bytes: &[u8]) -> Writer {
        let offset = self.data.len() as u64;
        self.data.extend(bytes);
        self.data.resize(self.data.len().next_multiple_of(ALIGNMENT), 0);
        self.info(name, dims, kind.id(), offset)
    }

    /// Adds the description of a tensor without data: any type id, any offset.
    #[must_use]
    pub fn info(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Writer {
        self.tensors += 1;
        string(&mut self.infos, name);
        self.infos.extend((dims.len() as u32).to_le_bytes());
        self.infos.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        self.infos.extend(kind.to_le_bytes());
        self.infos.extend(offset.to_le_bytes());
        self
    }

    /// The file.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.entries.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.infos);
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        file.extend(self.data);
        file
    }
}
