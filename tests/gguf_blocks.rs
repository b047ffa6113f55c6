//! Block formats against an independent decoder, and the transcoder against its stated losses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use attnscope::gguf::transcode::{Transcoder, layout_for};
use attnscope::gguf::{GgmlType, TensorInfo, dequantise, encode};
use attnscope::kernels::Matrix;
use serde_json::Value;

fn cases() -> Vec<(GgmlType, Vec<u8>, Vec<f32>)> {
    let text = include_str!("blocks/blocks.json");
    let json: Value = serde_json::from_str(text).unwrap();
    let cases = json["cases"].as_array().unwrap().iter().map(|case| {
        let kind = GgmlType::all().find(|kind| kind.name() == case["kind"].as_str().unwrap()).unwrap();
        let hex = case["bytes"].as_str().unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
        let values = case["values"].as_array().unwrap().iter();
        let values = values.map(|v| f32::from_bits(u32::from_str_radix(v.as_str().unwrap(), 16).unwrap()));
        (kind, bytes.collect(), values.collect())
    });
    cases.collect()
}

fn transcoded(kind: GgmlType, bytes: &[u8], cols: usize) -> attnscope::Result<Vec<f32>> {
    let tensor = TensorInfo::new("t".into(), kind, vec![cols as u64, 1], 0)?;
    let mut matrix = Matrix::new(layout_for(kind), 3, cols)?;
    Transcoder::default().put(&tensor, 0, bytes, &mut matrix, 1)?;
    let mut row = vec![0.0; cols];
    matrix.row(1, &mut row);
    Ok(row)
}

#[test]
fn every_format_decodes_to_the_same_bits() {
    let cases = cases();
    assert_eq!(cases.len(), GgmlType::all().count());
    for (kind, bytes, expected) in cases {
        let mut values = vec![0.0; expected.len()];
        dequantise(kind, &bytes, &mut values).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        // -0.0 and 0.0 are the same weight; adding the absent min of a format may change the sign.
        let plus = |values: &[f32]| values.iter().map(|v| v + 0.0).collect::<Vec<_>>();
        assert_eq!(bits(&plus(&values)), bits(&plus(&expected)), "{kind}");
    }
}

#[test]
fn transcoding_loses_what_is_documented() {
    for (kind, bytes, expected) in cases() {
        let values = transcoded(kind, &bytes, expected.len()).unwrap();
        for (group, (values, expected)) in values.chunks(32).zip(expected.chunks(32)).enumerate() {
            let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            for (value, expected) in values.iter().zip(expected) {
                let allowed = match kind {
                    GgmlType::F16
                    | GgmlType::Q4_0
                    | GgmlType::Q4_1
                    | GgmlType::Q8_0
                    | GgmlType::Q5_0
                    | GgmlType::Iq4Nl => 0.0,
                    GgmlType::F32 | GgmlType::BF16 => (expected.abs() / 2048.0).max(0.5f32.powi(25)),
                    // 15 * scale + |min| is at most three times the spread of what the group can hold.
                    GgmlType::Q4K => {
                        let (scale, min) = q4_k_scales(&bytes, group);
                        (15.0 * scale.abs() + min.abs()) / 2048.0 + 16.0 * 0.5f32.powi(25)
                    }
                    GgmlType::Q5_1 | GgmlType::Q5K | GgmlType::Q6K => 0.0045 * largest,
                };
                let error = (value - expected).abs();
                assert!(error <= allowed, "{kind}: {value} for {expected}, error {error} > {allowed}");
            }
        }
    }
}

/// Scale and min of a group of 32, written from the format's description.
fn q4_k_scales(bytes: &[u8], group: usize) -> (f32, f32) {
    let block = &bytes[group / 8 * 144..];
    let half = |at: usize| half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
    let (g, packed) = (group % 8, &block[4..16]);
    let (scale, min) = match g {
        0..4 => (packed[g] & 63, packed[g + 4] & 63),
        _ => (packed[g + 4] & 15 | packed[g - 4] >> 6 << 4, packed[g + 4] >> 4 | packed[g] >> 6 << 4),
    };
    (half(0) * f32::from(scale), half(2) * f32::from(min))
}

#[test]
fn weights_f16_cannot_hold_are_refused_by_tensor_and_row() {
    let f32s = |value: f32| encode(GgmlType::F32, &[1.0, value]).unwrap();
    for value in [f32::NAN, f32::INFINITY, 7e4, -1e30] {
        let message = transcoded(GgmlType::F32, &f32s(value), 2).unwrap_err().to_string();
        assert!(message.contains("model file: t: row 0"), "{message}");
    }
    assert_eq!(transcoded(GgmlType::F32, &f32s(65504.0), 2).unwrap(), [1.0, 65504.0]);
    for kind in GgmlType::all().filter(|kind| kind.block_elements() > 1) {
        // All bits set: every scale is NaN.
        let bytes = vec![0xff; kind.block_bytes()];
        assert!(transcoded(kind, &bytes, kind.block_elements()).is_err(), "{kind}");
        let bytes = vec![0; kind.block_bytes()];
        assert!(transcoded(kind, &bytes, kind.block_elements()).unwrap().iter().all(|&w| w == 0.0), "{kind}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let tensor = TensorInfo::new("t".into(), GgmlType::Q8_0, vec![64, 2], 0).unwrap();
    let bytes = encode(GgmlType::Q8_0, &[1.0; 64]).unwrap();
    let put = |layout, cols, to, bytes: &[u8]| {
        let mut matrix = Matrix::new(layout, 2, cols).unwrap();
        Transcoder::default().put(&tensor, 0, bytes, &mut matrix, to).map_err(|error| error.code())
    };
    let q8 = layout_for(GgmlType::Q8_0);
    assert_eq!(put(q8, 64, 1, &bytes), Ok(()));
    assert_eq!(put(q8, 64, 2, &bytes), Err("shape"));
    assert_eq!(put(q8, 96, 1, &bytes), Err("shape"));
    assert_eq!(put(layout_for(GgmlType::F16), 64, 1, &bytes), Err("shape"));
    assert_eq!(put(q8, 64, 1, &bytes[1..]), Err("file"));
    assert!(dequantise(GgmlType::Q8_0, &bytes, &mut [0.0; 63]).is_err());
    assert!(dequantise(GgmlType::Q8_0, &bytes[1..], &mut [0.0; 64]).is_err());
}

#[test]
fn what_encode_writes_dequantise_reads() {
    let values: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
    for (kind, allowed) in [
        (GgmlType::F32, 0.0),
        (GgmlType::F16, 1.0 / 2048.0),
        (GgmlType::BF16, 1.0 / 256.0),
        (GgmlType::Q8_0, 1.01 / 254.0),
        (GgmlType::Q4_0, 1.01 / 14.0),
        (GgmlType::Q4_1, 1.01 / 15.0),
    ] {
        let mut read = vec![0.0; 64];
        dequantise(kind, &encode(kind, &values).unwrap(), &mut read).unwrap();
        let worst = values.iter().zip(&read).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(worst <= allowed, "{kind}: {worst}");
    }
    assert!(encode(GgmlType::Q6K, &values).is_err());
    assert!(encode(GgmlType::Q8_0, &values[1..]).is_err());
}
