//! Split-K decode against the CPU's attention over spans and lists.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Decode, DecodeRead, Device, Heads, Lists, Merge, Partials},
    kernels::{Span, attend_listed, attend_span},
};
use pollster::block_on;

use super::gpu;
use super::made::{Made, as_lists, choice, compare, lists};

/// One KV head, groups of 1, 3 and 8, lengths across the edges of a tile of 64, heads of other widths.
const SHAPES: [(u32, u32, u32, usize); 9] = [
    (1, 1, 64, 1),
    (3, 9, 64, 63),
    (3, 9, 64, 64),
    (3, 9, 64, 65),
    (1, 3, 64, 1000),
    (2, 16, 64, 130),
    (2, 8, 128, 150),
    (2, 2, 8, 300),
    (1, 4, 96, 70),
];

fn run(gpu: &Rc<Device>, made: &Made, read: DecodeRead, lists: Lists, most: usize) -> Vec<Vec<u32>> {
    let decode = Decode {
        heads: made.heads,
        q: &made.device.q,
        q_first: 0,
        rows: made.rows as u32,
        stored: made.stored(),
        read,
        lists,
        most: most as u32,
        skipped: 0,
    };
    let (heads, dim) = (made.rows as u32 * made.heads.query, made.heads.dim);
    let buffer = gpu.buffer("partials", u64::from(heads * decode.tiles() * (dim + 2))).unwrap();
    let (out, lse) = (gpu.buffer("out", u64::from(heads * dim)).unwrap(), gpu.buffer("lse", heads.into()).unwrap());
    let partials = Partials { buffer: &buffer, tiles: decode.tiles(), first: 0 };
    let mut burst = gpu.burst();
    decode.record(&mut burst, partials, None).unwrap();
    Merge { heads, dim, partials }.record(&mut burst, &out, &lse).unwrap();
    burst.read(&out, 0..out.words()).unwrap();
    burst.read(&lse, 0..lse.words()).unwrap();
    block_on(burst.finish()).unwrap()
}

#[test]
fn all_slots_and_windows() {
    let Some(gpu) = gpu("decode over all slots") else { return };
    for (kv, query, dim, live) in SHAPES {
        for rows in [1, 3].into_iter().filter(|rows| *rows <= live) {
            for window in [usize::MAX, 1, 40, 64] {
                let made = Made::new(&gpu, Heads { query, kv, dim }, rows, live);
                let span = Span { sees: live + 1 - rows, window, fixed: false };
                let width = made.width();
                let want =
                    made.on_cpu(|_, q, keys, out, scratch| attend_span(q, keys, span, out, width, None, scratch));
                let counts = vec![vec![0; live]; kv as usize];
                let counts = lists(&gpu, &counts);
                let read = DecodeRead::All { window: u32::try_from(window).unwrap_or(u32::MAX) };
                // The host may know no better than that there is room for more.
                let words = run(&gpu, &made, read, as_lists(&counts, kv as usize), live + 100);
                compare(&format!("{:?}, {rows} rows, {live} slots, window {window}", made.heads), &words, &want);
            }
        }
    }
}

#[test]
fn listed_slots() {
    let Some(gpu) = gpu("decode over listed slots") else { return };
    let mut seed = fastrand::Rng::with_seed(5);
    for (kv, query, dim, live) in SHAPES {
        let made = Made::new(&gpu, Heads { query, kv, dim }, 1, live);
        for count in [1, kv as usize, query as usize] {
            for budget in [0, 1, live / 2, live] {
                let of: Vec<_> = (0..count).map(|_| choice(&mut seed, live, budget)).collect();
                let group = made.group();
                let want = made.on_cpu(|head, q, keys, out, scratch| {
                    let own: Vec<&[u32]> =
                        (0..group).map(|g| &of[(head * group + g) * count / query as usize][..]).collect();
                    attend_listed(q, keys, &own, &mut out[..group * dim as usize], None, scratch);
                });
                let device = lists(&gpu, &of);
                let mut words = run(&gpu, &made, DecodeRead::Slots, as_lists(&device, count), live);
                // That kernel of the CPU leaves no log-sum-exps.
                words[1].fill(0);
                compare(&format!("{:?}, {count} lists of {budget} of {live}", made.heads), &words, &want);
            }
        }
    }
}

#[test]
fn listed_blocks() {
    let Some(gpu) = gpu("decode over listed blocks") else { return };
    let mut seed = fastrand::Rng::with_seed(6);
    for (kv, query, dim, live) in SHAPES {
        let made = Made::new(&gpu, Heads { query, kv, dim }, 1, live);
        for (count, size) in [(1, 16), (kv as usize, 7), (query as usize, 128)] {
            let blocks = live.div_ceil(size);
            let of: Vec<_> = (0..count).map(|_| choice(&mut seed, blocks, blocks.div_ceil(2))).collect();
            let slots = |list: &Vec<u32>| -> Vec<u32> {
                let all = list.iter().flat_map(|block| block * size as u32..(block + 1) * size as u32);
                all.filter(|slot| (*slot as usize) < live).collect()
            };
            let expanded: Vec<_> = of.iter().map(slots).collect();
            let group = made.group();
            let want = made.on_cpu(|head, q, keys, out, scratch| {
                let own: Vec<&[u32]> =
                    (0..group).map(|g| &expanded[(head * group + g) * count / query as usize][..]).collect();
                attend_listed(q, keys, &own, &mut out[..group * dim as usize], None, scratch);
            });
            let device = lists(&gpu, &of);
            let read = DecodeRead::Blocks { size: size as u32, live: live as u32 };
            let mut words = run(&gpu, &made, read, as_lists(&device, count), blocks * size);
            words[1].fill(0);
            compare(&format!("{:?}, {count} lists of blocks of {size}, {live} slots", made.heads), &words, &want);
        }
    }
}
