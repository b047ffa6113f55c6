//! What a model file may ask for. Far above any real llama file, far below what hurts a browser tab.

/// Metadata entries in a file.
pub const METADATA_ENTRIES: u64 = 4096;
/// Bytes of a metadata key. The format allows 65,535; the longest in use has about 50.
pub const KEY_BYTES: u64 = 1024;
/// Bytes of one metadata string; chat templates are the longest, some tens of kB.
pub const STRING_BYTES: u64 = 1 << 20;
/// Elements of one metadata array; vocabularies reach about 300,000 tokens.
pub const ARRAY_ELEMENTS: u64 = 1 << 22;
/// Bytes of everything before the tensor data.
pub const HEADER_BYTES: u64 = 64 << 20;
/// Tensors in a file.
pub const TENSORS: u64 = 1 << 16;
/// Bytes of a tensor's name (fixed by the format).
pub const TENSOR_NAME_BYTES: u64 = 64;
/// Dimensions of a tensor (fixed by the format).
pub const DIMENSIONS: u32 = 4;
/// Bytes of one row of a tensor as stored; a row is what the reader may have to hold.
pub const ROW_BYTES: u64 = 16 << 20;
/// Bytes of a whole file.
pub const FILE_BYTES: u64 = 1 << 40;
/// Alignments of tensor data, in bytes: powers of two in this range.
pub const ALIGNMENT: std::ops::RangeInclusive<u32> = 8..=65_536;
