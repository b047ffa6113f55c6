//! Estimates from the queries of a pass.

use attnscope::{
    Error,
    backend::Cpu,
    backend::gpu::Gpu,
    ops::{Dense, Ops, Pooled},
};

use super::super::gpu;
use super::{Both, KV};

/// Products of numbers of size 3 are off by some 1e-6, and so, relatively, are their exponentials.
const TOLERANCE: f32 = 1e-5;

/// Slots before the pass, rows of the pass, query heads, KV heads, width of a head.
const SHAPES: [(usize, usize, usize, usize, usize); 7] = [
    (0, 1, 1, 1, 16),
    (0, 64, 9, 3, 64),
    (0, 65, 4, 2, 16),
    (62, 1, 3, 1, 64),
    (192, 65, 9, 3, 16),
    (743, 257, 2, 1, 128),
    (0, 600, 3, 1, 16),
];

fn both(gpu: &std::rc::Rc<attnscope::backend::gpu::Device>, shape: (usize, usize, usize, usize, usize)) -> Both {
    let (before, rows, query, kv, dim) = shape;
    Both::filled(gpu, query, dim, &vec![before + rows; kv], rows)
}

#[test]
fn where_the_newest_queries_look() {
    let Some(gpu) = gpu("probes") else { return };
    for shape in SHAPES {
        let mut both = both(&gpu, shape);
        for rows in [1, shape.1.min(7), shape.1.min(128)] {
            let probed = both.run(|ops, _| ops.probe(KV, rows as u32));
            for (i, what) in ["what slots get", "what diagonals get"].into_iter().enumerate() {
                both.check_slots(what, probed.map(|tables| tables[i]), TOLERANCE);
            }
        }
        for rows in [0, shape.1 as u32 + 1] {
            assert!(matches!(both.cpu.probe(KV, rows), Err(Error::Shape { .. })));
            assert!(matches!(both.gpu.probe(KV, rows), Err(Error::Shape { .. })));
        }
    }
}

#[test]
fn mass_without_a_mask() {
    let Some(gpu) = gpu("mass without a mask") else { return };
    for shape in SHAPES {
        let mut both = both(&gpu, shape);
        for causal in [0, 32, 5000] {
            let mass = both.run(|ops, _| ops.unmasked_mass(KV, causal));
            both.check_slots("mass without a mask", mass, TOLERANCE);
        }
    }
}

#[test]
fn blocks_by_their_means() {
    let Some(gpu) = gpu("block scores") else { return };
    for shape in SHAPES {
        let mut both = both(&gpu, shape);
        // A table of every pair of 600 slots is more than a pass has room for.
        for size in [if shape.1 < 200 { 1 } else { 8 }, 16, 64, 100] {
            for queries in [Pooled::Newest, Pooled::Blocks] {
                if (queries == Pooled::Blocks && shape.0 > 0) || shape.1 < size {
                    assert!(matches!(both.cpu.block_scores(KV, size as u32, queries), Err(Error::Shape { .. })));
                    assert!(matches!(both.gpu.block_scores(KV, size as u32, queries), Err(Error::Shape { .. })));
                    continue;
                }
                let scores = both.run(|ops, _| ops.block_scores(KV, size as u32, queries));
                both.check("block scores", scores, TOLERANCE);
            }
        }
        assert!(matches!(both.gpu.block_scores(KV, 0, Pooled::Newest), Err(Error::Shape { .. })));
    }
}

#[test]
fn keys_are_rotated_by_their_slots() {
    let Some(gpu) = gpu("estimates from keys rotated by slot") else { return };
    let mut both = Both::rotated(&gpu, 4, 2, 64);
    both.pass(100);
    // Rotated keys are rounded to f16 on the device: 2^-11 of products of 64 numbers of size 3.
    let tolerance = 3e-3;
    let [vertical, slash] = [0, 1].map(|i| both.run(|ops, _| ops.probe(KV, 40).map(|tables| tables[i])));
    both.check_slots("what slots get", vertical, tolerance);
    both.check_slots("what diagonals get", slash, tolerance);
    let mass = both.run(|ops, _| ops.unmasked_mass(KV, 32));
    both.check_slots("mass without a mask", mass, tolerance);
    let scores = both.run(|ops, _| ops.block_scores(KV, 16, Pooled::Blocks));
    both.check("block scores", scores, tolerance);
    assert!(matches!(both.gpu.page_scores(KV, 4, 0), Err(Error::Shape { .. })));
    both.finish();
    both.pass(1);
    assert!(matches!(both.gpu.page_scores(KV, 4, 0), Err(Error::State(_))));
}

#[test]
fn pages_by_their_bounds() {
    let Some(gpu) = gpu("page scores") else { return };
    let read = |cpu: &Cpu, gpu: &Gpu| [cpu.kept(), gpu.kept()].map(|kept| (kept.bytes, kept.bytes_read));
    for (slots, query, dim) in
        [(&[1][..], 1, 16), (&[63, 63, 63], 9, 64), (&[65, 40, 3], 9, 16), (&[257, 100], 4, 128), (&[1000], 2, 96)]
    {
        for page in [1, 16, 64] {
            for recent in [0, 1, 20, 5000] {
                let mut both = Both::filled(&gpu, query, dim, slots, 1);
                let scores = both.run(|ops, _| ops.page_scores(KV, page, recent));
                // Sums of as many products of size 3 as a head has channels: of 128 up to 200 before they cancel.
                both.check_near("page scores", scores, 1e-6, 1e-5);
                both.finish();
                let [want, got] = read(&both.cpu, &both.gpu);
                assert_eq!(got, want, "bytes kept and read");
            }
        }
    }
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    assert!(matches!(both.cpu.page_scores(KV, 4, 0), Err(Error::Shape { .. })));
    assert!(matches!(both.gpu.page_scores(KV, 4, 0), Err(Error::Shape { .. })));
}
