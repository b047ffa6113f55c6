//! Estimates from the queries of a pass.

use attnscope::{
    Error,
    ops::{Ops, Pooled},
};

use super::super::gpu;
use super::{Both, KV};

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
            both.run(|ops| ops.probe(KV, rows as u32));
        }
        for rows in [0, shape.1 as u32 + 1] {
            both.refuses(|ops| ops.probe(KV, rows));
        }
    }
}

#[test]
fn mass_without_a_mask() {
    let Some(gpu) = gpu("mass without a mask") else { return };
    for shape in SHAPES {
        let mut both = both(&gpu, shape);
        for causal in [0, 32, 5000] {
            both.run(|ops| ops.unmasked_mass(KV, causal));
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
                    both.refuses(|ops| ops.block_scores(KV, size as u32, queries));
                    continue;
                }
                both.run(|ops| ops.block_scores(KV, size as u32, queries));
            }
        }
        both.refuses(|ops| ops.block_scores(KV, 0, Pooled::Newest));
    }
}

#[test]
fn keys_are_rotated_by_their_slots() {
    let Some(gpu) = gpu("estimates from keys rotated by slot") else { return };
    let mut both = Both::rotated(&gpu, 4, 2, 64);
    both.pass(100);
    both.run(|ops| ops.probe(KV, 40));
    both.run(|ops| ops.unmasked_mass(KV, 32));
    both.run(|ops| ops.block_scores(KV, 16, Pooled::Blocks));
    both.refuses(|ops| ops.page_scores(KV, 4, 0));
    both.finish();
    both.pass(1);
    assert!(matches!(both.on.page_scores(KV, 4, 0), Err(Error::State(_))));
}

#[test]
fn pages_by_their_bounds() {
    let Some(gpu) = gpu("page scores") else { return };
    for (slots, query, dim) in
        [(&[1][..], 1, 16), (&[63, 63, 63], 9, 64), (&[65, 40, 3], 9, 16), (&[257, 100], 4, 128), (&[1000], 2, 96)]
    {
        for page in [1, 16, 64] {
            for recent in [0, 1, 20, 5000] {
                let mut both = Both::filled(&gpu, query, dim, slots, 1);
                both.run(|ops| ops.page_scores(KV, page, recent));
                // The bytes kept and read are compared too.
                both.finish();
            }
        }
    }
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    both.refuses(|ops| ops.page_scores(KV, 4, 0));
}
