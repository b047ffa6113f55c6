//! Model files, sound and damaged: chunking changes nothing, every damage is named, nothing panics.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use attnscope::Error;
use attnscope::gguf::write::{Meta, Writer};
use attnscope::gguf::{GgmlType, Header, encode};
use common::{Collected, collect, model_path};
use proptest::prelude::*;

fn small() -> Writer {
    let f32s = encode(GgmlType::F32, &(0..6).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let q8 = encode(GgmlType::Q8_0, &(0..192).map(|i| i as f32 - 90.0).collect::<Vec<_>>()).unwrap();
    Writer::new()
        .meta("general.architecture", "llama")
        .meta("general.alignment", 32)
        .meta("llama.block_count", 2)
        .meta("llama.rope.freq_base", 1e5)
        .meta("tokenizer.ggml.add_bos_token", true)
        .meta("tokenizer.ggml.tokens", vec!["a".to_owned(), String::new(), "é".to_owned()])
        .meta("tokenizer.ggml.token_type", vec![1, -3, 3])
        .meta("tokenizer.ggml.scores", vec![0.5f32])
        .tensor("norm", &[6], GgmlType::F32, &f32s)
        .tensor("matrix", &[64, 3], GgmlType::Q8_0, &q8)
        .tensor("cube", &[1, 3, 2], GgmlType::F32, &f32s)
}

fn whole(file: &[u8]) -> Result<Collected, Error> {
    let known = collect(file, &[usize::MAX], Some(file.len() as u64));
    let unknown = collect(file, &[usize::MAX], None);
    // What is beyond the end is found earlier where the size is known, but nothing else differs.
    assert_eq!(known.is_ok(), unknown.is_ok());
    known
}

#[track_caller]
fn refused(writer: Writer, expected: &[&str]) {
    refused_bytes(&writer.finish(), expected);
}

#[track_caller]
fn refused_bytes(file: &[u8], expected: &[&str]) {
    let message = whole(file).expect_err("a damaged file").to_string();
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    assert!(message.len() < 2500, "{message}");
}

#[test]
fn a_small_file_is_read_whole() {
    let read = whole(&small().finish()).unwrap();
    let header = read.header.unwrap();
    let metadata = &header.metadata;
    assert_eq!(header.version, 3);
    assert_eq!(metadata.string("general.architecture").unwrap(), "llama");
    assert_eq!(metadata.u32("llama.block_count").unwrap(), 2);
    assert_eq!(metadata.f32("llama.rope.freq_base").unwrap(), 1e5);
    assert!(metadata.bool_or("tokenizer.ggml.add_bos_token", false).unwrap());
    assert_eq!(metadata.u32_or("nothing", 7).unwrap(), 7);
    let tokens = metadata.strings("tokenizer.ggml.tokens").unwrap();
    assert_eq!(tokens.iter().collect::<Vec<_>>(), ["a", "", "é"]);
    let types = metadata.numbers_opt("tokenizer.ggml.token_type").unwrap().unwrap();
    assert_eq!(types.iter().map(|v| v.as_integer().unwrap()).collect::<Vec<_>>(), [1, -3, 3]);
    let (index, matrix) = header.tensor("matrix").unwrap();
    assert_eq!((index, matrix.cols(), matrix.rows(), matrix.row_bytes()), (1, 64, 3, 68));
    let rows: Vec<_> = read.rows.iter().map(|(t, r, b)| (*t, *r, b.len())).collect();
    let cube = (0..6).map(|r| (2, r, 4));
    assert_eq!(rows, [(0, 0, 24), (1, 0, 68), (1, 1, 68), (1, 2, 68)].into_iter().chain(cube).collect::<Vec<_>>());
}

#[test]
fn wrong_types_are_refused_by_key() {
    let header = whole(&small().finish()).unwrap().header.unwrap();
    let message = |error: Error| error.to_string();
    assert_eq!(
        message(header.metadata.u32("llama.rope.freq_base").unwrap_err()),
        "model file: llama.rope.freq_base: needs an integer from 0 to 4294967295, got 100000"
    );
    assert!(message(header.metadata.f32("absent").unwrap_err()).contains("absent: missing; needs"));
    assert!(header.metadata.bool_or("llama.block_count", true).is_err());
    assert!(header.metadata.strings("tokenizer.ggml.token_type").is_err());
    assert!(header.metadata.string("tokenizer.ggml.tokens").is_err());
}

#[test]
fn every_portion_gives_the_same() {
    let file = small().finish();
    let expected = whole(&file).unwrap();
    for portion in 1..=file.len() {
        assert_eq!(collect(&file, &[portion], None).unwrap(), expected, "portions of {portion}");
    }
}

#[test]
fn every_cut_is_reported() {
    let file = small().finish();
    let end = whole(&file).unwrap().header.unwrap().file_size as usize;
    for length in 0..end {
        let error = collect(&file[..length], &[13], None).unwrap_err();
        let Error::Truncated { want, got, .. } = &error else {
            panic!("cut at {length}: {error}");
        };
        assert_eq!(*got, length as u64);
        assert!(want > got, "cut at {length}: {error}");
        let known = collect(&file[..length], &[13], Some(length as u64)).unwrap_err();
        assert!(matches!(known, Error::Truncated { .. }), "cut at {length}: {known}");
    }
    assert!(collect(&file[..end], &[13], Some(end as u64)).is_ok());
    let error = collect(&file[..end - 1], &[13], None).unwrap_err().to_string();
    assert!(error.contains("cube"), "{error}");
}

#[test]
fn data_may_lie_in_any_order_with_gaps() {
    let data: Vec<u8> = (0..160).collect();
    let mut file = Writer::new().info("last", &[4], 0, 128).info("first", &[2, 2], 0, 32).finish();
    file.extend(&data);
    for portion in [1, 5, 1000] {
        let read = collect(&file, &[portion], None).unwrap();
        let rows: Vec<_> = read.rows.iter().map(|(t, r, b)| (*t, *r, &b[..])).collect();
        assert_eq!(rows, [(1, 0, &data[32..40]), (1, 1, &data[40..48]), (0, 0, &data[128..144])]);
    }
}

#[test]
fn other_files_and_versions_are_refused_by_name() {
    refused_bytes(b"PK\x03\x04 and so on, long enough", &["PK", "no GGUF file"]);
    let mut file = small().finish();
    file[4] = 1;
    refused_bytes(&file, &["GGUF version 1", "2, 3 (little endian)"]);
    file[4..8].copy_from_slice(&[0, 0, 0, 3]);
    refused_bytes(&file, &["3 (big endian)"]);
    file[4..8].copy_from_slice(&2u32.to_le_bytes());
    assert_eq!(whole(&file).unwrap().header.unwrap().version, 2);
    refused(small().info("x", &[256], 10, 0), &["Q2_K", "of x", "Q4_1"]);
}

#[test]
fn announced_sizes_are_capped() {
    let huge = u64::MAX.to_le_bytes();
    let mut file = small().finish();
    file[8..16].copy_from_slice(&huge);
    refused_bytes(&file, &["number of tensors", "65536"]);
    let mut file = small().finish();
    file[16..24].copy_from_slice(&huge);
    refused_bytes(&file, &["number of metadata entries"]);
    let array = |element: u32, count: u64| [element.to_le_bytes().to_vec(), count.to_le_bytes().to_vec()].concat();
    refused(small().meta("big", Meta::Raw(8, huge.to_vec())), &["big", "string of 18446744073709551615 bytes"]);
    refused(small().meta("big", Meta::Raw(9, array(8, u64::MAX))), &["big", "at most"]);
    refused(small().meta("nest", Meta::Raw(9, array(9, 1))), &["nest", "array of arrays"]);
    refused(small().meta("odd", Meta::Raw(13, vec![0; 8])), &["odd", "value type 13"]);
    refused(small().meta("odd", Meta::Raw(9, array(13, 1))), &["odd", "value type 13"]);
    refused(small().meta(&"k".repeat(2000), 1), &["metadata key 8", "1024"]);
    refused(small().info(&"n".repeat(65), &[1], 0, 0), &["name of tensor 3", "64"]);
}

#[test]
fn damaged_values_are_refused() {
    refused(small().meta("b", Meta::Raw(7, vec![2])), &["b:", "bool"]);
    let bools = [7u32.to_le_bytes().to_vec(), 3u64.to_le_bytes().to_vec(), vec![0, 1, 9]].concat();
    refused(small().meta("b", Meta::Raw(9, bools)), &["b:", "bool"]);
    let text = [2u64.to_le_bytes().to_vec(), vec![0xff, 0xfe]].concat();
    refused(small().meta("text", Meta::Raw(8, text)), &["text", "UTF-8"]);
    refused(small().meta("llama.block_count", 3), &["llama.block_count", "twice"]);
    refused(small().meta("tokenizer.ggml.tokens", vec![1]), &["tokenizer.ggml.tokens", "twice"]);
}

#[test]
fn damaged_tensors_are_refused() {
    refused(small().info("norm", &[1], 0, 4096), &["norm", "same name"]);
    refused(small().info("x", &[], 0, 0), &["x", "0 dimensions"]);
    refused(small().info("x", &[1; 5], 0, 0), &["x", "5 dimensions"]);
    refused(small().info("x", &[4, 0], 0, 0), &["x", "[4, 0]"]);
    refused(small().info("x", &[33], 8, 0), &["x", "multiple of 32"]);
    refused(small().info("x", &[1 << 33], 0, 0), &["x", "rows of 34359738368 bytes"]);
    refused(small().info("x", &[32, u64::MAX, u64::MAX], 0, 0), &["x", "at most"]);
    refused(small().info("x", &[32], 0, u64::MAX - 31), &["x", "at most"]);
    refused(small().info("x", &[32], 0, 4), &["x", "alignment 32"]);
    refused(small().info("x", &[32], 0, 32), &["x", "overlaps"]);
    refused(small().info("x", &[8], 0, 1 << 20), &["cut short at x"]);
    let aligned = |alignment: u32| Writer::new().meta("general.alignment", alignment);
    refused(aligned(0), &["general.alignment", "0;"]);
    refused(aligned(24), &["general.alignment", "24;"]);
    refused(aligned(1 << 17), &["general.alignment", "131072;"]);
    assert!(whole(&aligned(64).finish()).is_ok());
}

#[test]
fn after_an_error_nothing_goes_on() {
    let mut stream = attnscope::gguf::Stream::new();
    let mut sink = Collected::default();
    assert!(stream.push(b"nothing", &mut sink).is_err());
    assert_eq!(stream.push(b"more", &mut sink).unwrap_err().code(), "state");
    assert_eq!(stream.finish().unwrap_err().code(), "state");
}

#[test]
fn the_real_model_is_read() {
    let file = std::fs::read(model_path()).unwrap();
    let started = std::time::Instant::now();
    struct Count {
        header: Option<Header>,
        bytes: u64,
    }
    impl attnscope::gguf::Sink for Count {
        fn header(&mut self, header: Header) -> attnscope::Result<()> {
            self.header = Some(header);
            Ok(())
        }
        fn row(&mut self, tensor: usize, _: u64, bytes: &[u8]) -> attnscope::Result<()> {
            let header = self.header.as_ref().unwrap();
            assert_eq!(bytes.len() as u64, header.tensors[tensor].row_bytes());
            self.bytes += bytes.len() as u64;
            Ok(())
        }
    }
    let mut count = Count { header: None, bytes: 0 };
    let mut stream = attnscope::gguf::Stream::with_size(Some(file.len() as u64));
    for chunk in file.chunks(1 << 16) {
        stream.push(chunk, &mut count).unwrap();
    }
    stream.finish().unwrap();
    let header = count.header.unwrap();
    println!("{} tensors in {:.0?}", header.tensors.len(), started.elapsed());
    assert_eq!((header.tensors.len(), header.metadata.len()), (272, 33));
    assert_eq!(header.file_size, file.len() as u64);
    assert_eq!(count.bytes, header.tensors.iter().map(|t| t.bytes).sum::<u64>());
    assert_eq!(header.tensor("token_embd.weight").unwrap().1.dims, [576, 49152]);
}

/// Damage that once failed the property below: a float of the header becomes NaN.
#[test]
fn a_nan_is_read_alike_in_any_portions() {
    let mut file = small().finish();
    file[170] = 127;
    let [whole, pieces] = [usize::MAX, 1].map(|portion| format!("{:?}", collect(&file, &[portion], None)));
    assert!(whole.contains("NaN"), "{whole}");
    assert_eq!(whole, pieces);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_portions_give_the_same(portions in prop::collection::vec(1..200usize, 1..40)) {
        let file = small().finish();
        prop_assert_eq!(collect(&file, &portions, None).unwrap(), whole(&file).unwrap());
    }

    /// Damaged anywhere: never a panic, and the same verdict in any portions.
    #[test]
    fn damage_is_met_alike_in_any_portions(
        changes in prop::collection::vec((0..1000usize, any::<u8>()), 1..6),
        cut in 0..1000usize,
        portions in prop::collection::vec(1..300usize, 1..10),
    ) {
        let mut file = small().finish();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        // Most cases keep the whole file.
        if cut < file.len() / 4 {
            file.truncate(cut * 4);
        }
        let whole = collect(&file, &[usize::MAX], Some(file.len() as u64));
        let pieces = collect(&file, &portions, Some(file.len() as u64));
        // As text, for damage can make a float NaN, which equals nothing.
        prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    }

    /// With counts of a byte, at least one of them, behind a sound beginning or a random one.
    #[test]
    fn noise_is_refused(mut file in prop::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        if magic && file.len() > 24 {
            file[..8].copy_from_slice(b"GGUF\x03\0\0\0");
            file[8] |= 1;
            file[9..16].fill(0);
            file[17..24].fill(0);
        }
        let error = collect(&file, &[7], None).unwrap_err();
        let sound = magic && file.len() > 24;
        let known = if sound { &["file", "truncated", "unsupported"][..] } else { &["file", "truncated"] };
        prop_assert!(known.contains(&error.code()), "{error}");
        prop_assert_eq!(error, collect(&file, &[usize::MAX], None).unwrap_err());
    }
}
