//! Dense and block-sparse prefill against the CPU's.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Blocks, Device, Heads, Prefill},
    kernels::{self, Span, attend_blocks, attend_span},
};
use pollster::block_on;

use super::gpu;
use super::made::{Made, as_lists, choice, compare, lists};

fn run(gpu: &Rc<Device>, made: &Made, span: Span, blocks: Option<Blocks>) -> Vec<Vec<u32>> {
    let (heads, rows) = (made.heads, made.rows as u32);
    let numbers = u64::from(rows * heads.query);
    let (out, lse) = (gpu.buffer("out", numbers * u64::from(heads.dim)).unwrap(), gpu.buffer("lse", numbers).unwrap());
    let prefill =
        Prefill { heads, q: &made.device.q, q_first: 0, rows, stored: made.stored(), span, counts: None, blocks };
    let mut burst = gpu.burst();
    prefill.record(&mut burst, &out, &lse).unwrap();
    burst.read(&out, 0..numbers * u64::from(heads.dim)).unwrap();
    burst.read(&lse, 0..numbers).unwrap();
    block_on(burst.finish()).unwrap()
}

/// Heads, rows, slots: one KV head, groups of 1, 3 and 8, rows that are no multiple of 4, lengths across tiles.
const SHAPES: [([u32; 3], usize, usize); 8] = [
    ([1, 1, 64], 1, 1),
    ([3, 9, 64], 33, 33),
    ([3, 9, 64], 21, 100),
    ([1, 3, 64], 130, 259),
    ([2, 16, 64], 5, 31),
    ([1, 4, 128], 19, 50),
    ([2, 2, 16], 65, 65),
    ([1, 1, 80], 7, 90),
];

#[test]
fn spans() {
    let Some(gpu) = gpu("prefill over spans") else { return };
    for ([kv, query, dim], rows, live) in SHAPES {
        let made = Made::new(&gpu, Heads { kv, query, dim }, rows, live);
        for (window, fixed) in [(usize::MAX, false), (1, false), (40, false), (usize::MAX, true)] {
            let span = Span { sees: if fixed { live } else { live + 1 - rows }, window, fixed };
            let width = made.width();
            let want = made.on_cpu(|_, q, keys, out, scratch| attend_span(q, keys, span, out, width, None, scratch));
            let words = run(&gpu, &made, span, None);
            compare(&format!("{:?}, {rows} rows of {live}, {span:?}", made.heads), &words, &want);
        }
    }
    let none = Made::new(&gpu, Heads { kv: 1, query: 1, dim: 64 }, 0, 8);
    assert_eq!(run(&gpu, &none, Span::causal(8), None), vec![Vec::<u32>::new(); 2]);
}

#[test]
fn listed_blocks() {
    let Some(gpu) = gpu("prefill over blocks") else { return };
    let mut seed = fastrand::Rng::with_seed(8);
    for ([kv, query, dim], rows, live) in SHAPES {
        let made = Made::new(&gpu, Heads { kv, query, dim }, rows, live);
        for (size, count) in [(16, 1), (20, kv as usize), (64, query as usize), (128, query as usize)] {
            let blocks = live.div_ceil(size);
            for share in [0, 1, 3] {
                // Of all pairs, those after the diagonal too, which count nothing; some query blocks get none.
                let of: Vec<_> =
                    (0..count).map(|_| choice(&mut seed, blocks * blocks, blocks * blocks * share / 3)).collect();
                let (group, width) = (made.group(), made.width());
                let want = made.on_cpu(|head, q, keys, out, scratch| {
                    let own: Vec<&[u32]> =
                        (0..group).map(|g| &of[(head * group + g) * count / query as usize][..]).collect();
                    let blocks = kernels::Blocks { size, count: blocks, pairs: &own };
                    attend_blocks(q, keys, live - rows, blocks, out, width, None, scratch);
                });
                let device = lists(&gpu, &of);
                let pairs = as_lists(&device, count);
                let blocks = Blocks { size: size as u32, count: blocks as u32, pairs };
                let mut words = run(&gpu, &made, Span::causal(live + 1 - rows), Some(blocks));
                // That kernel of the CPU leaves no log-sum-exps.
                words[1].fill(0);
                let name = format!("{:?}, {rows} rows of {live}, blocks of {size}, {share}/3", made.heads);
                compare(&name, &words, &want);
            }
        }
    }
}
