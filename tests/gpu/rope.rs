//! Rotation and appending against the CPU's.

use attnscope::{
    backend::gpu::{Append, Heads, Lists, RopeTable, Rows, Stored},
    kernels::{Rope, RopeStyle, decode},
};
use pollster::block_on;

use super::made::random;
use super::{difference, floats, gpu};

#[test]
fn rotated_and_appended() {
    let Some(gpu) = gpu("rope") else { return };
    let mut seed = fastrand::Rng::with_seed(4);
    for (style, rotated) in [(RopeStyle::Interleaved, 64), (RopeStyle::Halves, 64), (RopeStyle::Halves, 32)] {
        let (heads, rows, first) = (Heads { query: 6, kv: 2, dim: 64 }, 3u32, 100u32);
        let frequencies: Vec<f32> = (0..rotated / 2).map(|i| 1e5f32.powf(-2.0 * i as f32 / rotated as f32)).collect();
        let rope = Rope::new(rotated, &frequencies, 128, style).unwrap();
        let (dim, all) = (64usize, 10usize);
        let qkv = random(&mut seed, rows as usize * all * dim);
        // Slots that each KV head had, and where its rows are.
        let (before, at) = ([2u32, 5], Rows { first: 3, stride: 12 });
        let counts = gpu.upload("counts", &[9, before[0] + rows, before[1] + rows]).unwrap();
        let (k, v) = (gpu.buffer("k", 40 * 32).unwrap(), gpu.buffer("v", 40 * 32).unwrap());
        let q = gpu.buffer("q", u64::from(rows) * 6 * 64).unwrap();
        let (device, table) = (gpu.upload("qkv", &qkv).unwrap(), RopeTable::upload(&gpu, &rope).unwrap());
        let append = Append {
            heads,
            qkv: &device,
            rows,
            first,
            rope: &table,
            stored: Stored { k: &k, v: &v, rows: at },
            counts: Lists { buffer: &counts, first: 1, stride: 1, count: 2 },
        };
        let mut burst = gpu.burst();
        append.record(&mut burst, &q).unwrap();
        for buffer in [&q, &k, &v] {
            burst.read(buffer, 0..buffer.words()).unwrap();
        }
        let words = block_on(burst.finish()).unwrap();
        let halves = |words: &[u32]| -> Vec<f32> {
            let bits: Vec<u16> = words.iter().flat_map(|word| [*word as u16, (*word >> 16) as u16]).collect();
            let mut out = vec![0.0; bits.len()];
            decode(&bits, &mut out);
            out
        };
        let mut stored = [vec![0.0; 40 * 64], vec![0.0; 40 * 64]];
        let mut queries = Vec::new();
        for (row, numbers) in qkv.chunks_exact(all * dim).enumerate() {
            let mut numbers = numbers.to_vec();
            rope.rotate(&mut numbers[..8 * dim], dim, first as usize + row);
            queries.extend_from_slice(&numbers[..6 * dim]);
            for (head, before) in before.iter().enumerate() {
                let slot = (at.first + head as u32 * at.stride + before) as usize + row;
                for (part, stored) in stored.iter_mut().enumerate() {
                    let from = (6 + 2 * part + head) * dim;
                    stored[slot * dim..][..dim].copy_from_slice(&numbers[from..][..dim]);
                }
            }
        }
        // A sum of two products below 1, with or without a fused multiply-add.
        let error = difference(&floats(&words[0]), &queries);
        assert!(error <= f32::EPSILON, "{style:?}: queries off by {error}");
        for (got, want) in words[1..].iter().zip(&stored) {
            // WGSL lets f16 round either way: an ulp of numbers below 2.
            let error = difference(&halves(got), want);
            assert!(error <= 1.0 / 1024.0, "{style:?}: stored rows off by {error}");
        }
    }
}
