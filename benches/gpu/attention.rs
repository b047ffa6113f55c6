//! What the sparse attention kernels save on one adapter: each beside the dense kernel, in alternation, medians.
//!
//! 8,192 slots of SmolLM2-135M's heads. On a software adapter only the ratios say something, and even they say little of
//! a graphics card, where memory and not arithmetic is scarce.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark")]

mod made;

use std::rc::Rc;

use std::time::Instant;

use attnscope::{
    backend::gpu::{Blocks, Buffer, Burst, Decode, DecodePlanes, DecodeRead, Device, Lists, Merge, Partials, Prefill},
    kernels::Span,
};
use made::{HEADS, Made, SLOTS};
use pollster::block_on;

/// Attentions of one burst, so that what a burst costs by itself counts little.
const LAYERS: usize = 4;
/// Rows of a prefill: the newest of the context.
const ROWS: u32 = 128;
/// Slots of a block.
const BLOCK: u32 = 128;

/// Records one attention.
type Record<'a> = Box<dyn Fn(&mut Burst) + 'a>;

struct Bench {
    gpu: Rc<Device>,
    rounds: usize,
    partials: Buffer,
    out: Buffer,
    lse: Buffer,
}

impl Bench {
    /// Median milliseconds of each, a burst of `times` attentions measured in turn.
    fn medians(&self, times: usize, all: &[Record]) -> Vec<f64> {
        let mut taken = vec![Vec::new(); all.len()];
        // The first round compiles.
        for round in 0..=self.rounds {
            for (record, taken) in all.iter().zip(&mut taken) {
                let start = Instant::now();
                let mut burst = self.gpu.burst();
                (0..times).for_each(|_| record(&mut burst));
                burst.read(&self.lse, 0..1).unwrap();
                block_on(burst.finish()).unwrap();
                if round > 0 {
                    taken.push(start.elapsed().as_secs_f64() * 1e3 / times as f64);
                }
            }
        }
        taken.iter_mut().for_each(|of| of.sort_by(f64::total_cmp));
        taken.iter().map(|of| of[of.len() / 2]).collect()
    }

    fn compare(&self, what: &str, bar: f64, medians: [f64; 2]) {
        let ratio = medians[0] / medians[1];
        let verdict = if ratio >= bar { "met" } else { "MISSED" };
        println!("{what:<58} {:>8.3} ms {:>8.3} ms {ratio:>6.2}x  bar {bar}x {verdict}", medians[0], medians[1]);
    }

    fn merge(&self, burst: &mut Burst, tiles: u32, rows: u32) {
        let partials = Partials { buffer: &self.partials, tiles, first: 0 };
        Merge { heads: rows * HEADS.query, dim: HEADS.dim, partials }.record(burst, &self.out, &self.lse).unwrap();
    }

    fn decode<'a>(&'a self, made: &'a Made, read: DecodeRead, lists: Lists<'a>, most: u32) -> Record<'a> {
        let decode = Decode {
            heads: HEADS,
            q: &made.q,
            q_first: 0,
            rows: 1,
            stored: made.stored(),
            read,
            lists,
            most,
            skipped: 0,
        };
        Box::new(move |burst| {
            let tiles = decode.tiles();
            decode.record(burst, Partials { buffer: &self.partials, tiles, first: 0 }, None).unwrap();
            self.merge(burst, tiles, 1);
        })
    }

    fn planes<'a>(&'a self, made: &'a Made, both: bool) -> Record<'a> {
        let decode =
            DecodePlanes { heads: HEADS, q: &made.q, q_first: 0, rows: 1, planes: made.planes(), slots: SLOTS, both };
        Box::new(move |burst| {
            let tiles = decode.tiles();
            decode.record(burst, Partials { buffer: &self.partials, tiles, first: 0 }, None).unwrap();
            self.merge(burst, tiles, 1);
        })
    }

    fn prefill<'a>(&'a self, made: &'a Made, blocks: Option<Blocks<'a>>) -> Record<'a> {
        let span = Span::causal((SLOTS + 1 - ROWS) as usize);
        let prefill = Prefill {
            heads: HEADS,
            q: &made.q,
            q_first: 0,
            rows: ROWS,
            stored: made.stored(),
            span,
            counts: None,
            blocks,
        };
        Box::new(move |burst| prefill.record(burst, &self.out, &self.lse).unwrap())
    }
}

fn main() {
    let rounds = std::env::args().skip_while(|arg| arg != "--rounds").nth(1).map_or(7, |n| n.parse().unwrap());
    let gpu = Rc::new(block_on(Device::open()).expect("an adapter"));
    println!("{:?}", gpu.report());
    println!("{SLOTS} slots, {HEADS:?}; medians of {rounds} in alternation: dense, then sparse\n");
    let made = Made::new(&gpu, ROWS);
    let words = u64::from(HEADS.query * HEADS.dim * ROWS);
    let bench = Bench {
        partials: gpu.buffer("partials", u64::from(HEADS.query * SLOTS * 2)).unwrap(),
        out: gpu.buffer("out", words).unwrap(),
        lse: gpu.buffer("lse", u64::from(HEADS.query * ROWS)).unwrap(),
        gpu,
        rounds,
    };
    let all = DecodeRead::All { window: u32::MAX };
    // One list for all heads, as TidalDecode has it, and one by KV head and by query head.
    for (name, lists) in [("all heads", 1), ("KV head", HEADS.kv), ("query head", HEADS.query)] {
        let count = SLOTS * 12 / 100;
        let listed = made.lists(&bench.gpu, lists, SLOTS, count);
        let sparse = bench.decode(&made, DecodeRead::Slots, listed.lists(), count);
        let dense = bench.decode(&made, all, made.counts.lists(), SLOTS);
        let medians = bench.medians(LAYERS, &[dense, sparse]);
        let bar = if lists == 1 { 4.0 } else { 1.0 };
        bench.compare(&format!("decode, 12 % of slots listed by {name}"), bar, [medians[0], medians[1]]);
    }
    let blocks = made.lists(&bench.gpu, 1, SLOTS / 16, SLOTS / 16 * 12 / 100);
    let read = DecodeRead::Blocks { size: 16, live: SLOTS };
    let sparse = bench.decode(&made, read, blocks.lists(), SLOTS * 12 / 100);
    let dense = bench.decode(&made, all, made.counts.lists(), SLOTS);
    let medians = bench.medians(LAYERS, &[dense, sparse]);
    bench.compare("decode, 12 % of blocks of 16 listed for all heads", 4.0, [medians[0], medians[1]]);

    let dense = bench.decode(&made, all, made.counts.lists(), SLOTS);
    let medians = bench.medians(LAYERS, &[dense, bench.planes(&made, false), bench.planes(&made, true)]);
    bench.compare("decode, two planes, upper alone", 1.0, [medians[0], medians[1]]);
    bench.compare("decode, two planes, both", 0.0, [medians[0], medians[2]]);

    let pairs = made.pairs(&bench.gpu, ROWS, BLOCK, 0.3);
    let blocks = Blocks { size: BLOCK, count: SLOTS / BLOCK, pairs: pairs.lists() };
    let medians = bench.medians(1, &[bench.prefill(&made, None), bench.prefill(&made, Some(blocks))]);
    bench.compare(&format!("prefill of the newest {ROWS} rows, blocks at 30 %"), 2.0, [medians[0], medians[1]]);
    println!("\n{:?}", bench.gpu.counters());
}
