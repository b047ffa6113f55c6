//! Every operation of a back end with random shapes and arguments, on both in lock-step: which differs first says
//! [`Paired`] itself.

use std::rc::Rc;

use attnscope::{
    backend::{Paired, Shape, gpu::Device},
    cache::Store,
    kernels::RopeStyle,
    method::Positions,
    model::RopeConfig,
    ops::{
        Dense, Expand, Fold, Fresh, Group, Kv, Mass, Ops, Partial, Pins, PlaneGroups, Pooled, Pooling, Read, Reduce,
        Scores, Set, Spread, Tag, Take,
    },
    trace::Detail,
};
use fastrand::Rng;

use super::pair::pair;

/// Not the first layer.
const KV: Kv = Kv(1);

/// What must have been compared when all is done; the calls that need a model's weights are in whole runs.
pub const OPERATIONS: [&str; 48] = [
    "accumulate",
    "at_positions",
    "attend",
    "block_scores",
    "by_block",
    "by_round",
    "choose",
    "column",
    "cover",
    "cut",
    "entropy",
    "except",
    "expand",
    "fold",
    "halve",
    "js_distance",
    "keep",
    "key_norms",
    "listed",
    "mark",
    "merge",
    "note",
    "open",
    "outside",
    "page_scores",
    "pairs",
    "pass",
    "per_query",
    "pictures",
    "place",
    "pool",
    "positions",
    "probe",
    "quantise",
    "rank",
    "regroup",
    "rounds",
    "stamp",
    "store",
    "tilt",
    "top_counted",
    "top_k",
    "top_k_shared",
    "top_k_spread",
    "union",
    "union_by_kv",
    "unmasked_mass",
    "weigh",
];

/// Both back ends of a random shape, and what is drawn next.
struct Bench {
    on: Paired,
    rng: Rng,
    query: usize,
    kv: usize,
    dim: usize,
    position: u32,
    /// Keys are rotated when they are read.
    by_slot: bool,
}

/// Runs all operations once or more for each seed and store; panics with the seed.
///
/// # Panics
/// With the seed and what differs.
pub async fn run(device: &Rc<Device>, seed: u64, store: Store) -> Paired {
    let mut bench = Bench::new(device, seed, store);
    let what = format!("seed {seed}, {store:?}, {} query heads on {} KV heads of {}", bench.query, bench.kv, bench.dim);
    match bench.every_operation().await {
        Ok(()) => bench.on,
        Err(why) => panic!("{what}: {why}"),
    }
}

type Result = attnscope::Result<()>;

impl Bench {
    fn new(device: &Rc<Device>, seed: u64, store: Store) -> Bench {
        let mut rng = Rng::with_seed(seed);
        let kv = rng.usize(1..4);
        let (query, dim) = (kv * rng.usize(1..5), [8, 16, 24, 64, 128][rng.usize(0..5)]);
        let style = if rng.bool() { RopeStyle::Interleaved } else { RopeStyle::Halves };
        let rope = RopeConfig { dim: dim as u32, base: 1e4, linear: 1.0, divisors: Vec::new(), style };
        // Of f16 keys that are rotated when they are read little can be said.
        let positions = if store == Store::F32 && rng.bool() { Positions::Slot } else { Positions::Text };
        let shape = Shape { layers: 2, query_heads: query, kv_heads: kv, head_dim: dim, rope: Some(rope), eps: 1e-5 };
        let (cpu, gpu) = pair(device, &shape, positions, store);
        let mut on = Paired::new(cpu, gpu);
        on.tracer().detail = Detail::Sets;
        Bench { on, rng, query, kv, dim, position: 0, by_slot: positions == Positions::Slot }
    }

    fn numbers(&mut self, n: usize, size: f32) -> Vec<f32> {
        (0..n).map(|_| size * (2.0 * self.rng.f32() - 1.0)).collect()
    }

    /// Begins a pass and stores its rows in pieces.
    fn pass(&mut self, rows: u32) -> Result {
        self.on.begin(self.position, rows)?;
        let cut = if rows > 1 { self.rng.u32(1..rows) } else { rows };
        for part in [0..cut, cut..rows] {
            let n = part.len();
            if n == 0 {
                continue;
            }
            let q = self.numbers(n * self.query * self.dim, 3.0);
            let (mut k, v) = (self.numbers(n * self.kv * self.dim, 1.0), self.numbers(n * self.kv * self.dim, 1.0));
            self.on.store(KV, &q, Some((&mut k, &v)), part)?;
        }
        self.position += rows;
        Ok(())
    }

    /// Ends it.
    async fn finish(&mut self) -> Result {
        self.on.submit()?;
        self.on.settle().await?;
        while !self.on.arrived()? {
            super::breathe().await;
        }
        Ok(())
    }

    fn live(&self, head: usize) -> usize {
        self.on.cache().layer(KV)[head].len()
    }

    fn most(&self) -> usize {
        (0..self.kv).map(|head| self.live(head)).max().unwrap()
    }

    /// A table of numbers from 0 to 1, some equal; or with infinities, zeros and negative numbers too.
    fn table(&mut self, groups: usize, extreme: bool) -> attnscope::Result<Scores> {
        let numbers = groups * self.most();
        let rng = &mut self.rng;
        let mut number = || match rng.u8(0..if extreme { 8 } else { 4 }) {
            0 => 0.25,
            1..4 => rng.f32(),
            4 => f32::INFINITY,
            5 => f32::NEG_INFINITY,
            6 => -0.0,
            _ => 20.0 * rng.f32() - 10.0,
        };
        let numbers: Vec<f32> = (0..numbers).map(|_| number()).collect();
        self.on.given(KV, groups, &numbers)
    }

    fn pins(&mut self) -> Pins {
        Pins { sinks: self.rng.u32(0..6), recent: self.rng.u32(0..9) }
    }

    fn some(&mut self) -> u32 {
        self.rng.u32(0..self.most() as u32 + 3)
    }

    /// A random set by KV head, at least one slot each.
    fn choice(&mut self) -> attnscope::Result<Set> {
        let scores = self.table(self.kv, false)?;
        let k = 1 + self.some();
        self.on.top_k(scores, k, Pins { sinks: 0, recent: 1 })
    }

    async fn every_operation(&mut self) -> Result {
        self.tag();
        // Every KV head has as many slots.
        let rows = self.rng.u32(1..90);
        self.pass(rows)?;
        self.tables()?;
        self.sets()?;
        self.of_heads_alike(rows)?;
        self.attend(rows, false)?;
        self.merge(rows)?;
        let keep = self.choice()?;
        self.on.place(KV, keep)?;
        let shared = self.table(self.query, false)?;
        let k = 1 + self.some();
        let keep = self.on.top_k_shared(shared, k, Pins { sinks: 0, recent: 1 })?;
        self.on.fold(
            KV,
            keep,
            [Fold::Averaged, Fold::PublishedAveraged, Fold::PublishedWeighted][self.rng.usize(0..3)],
        )?;
        self.finish().await?;
        let first = self.position.saturating_sub(self.rng.u32(0..3));
        self.on.cut(KV, first)?;
        self.position = first;
        // They differ, and few rows come.
        for pass in 0..3 {
            let rows = if pass == 0 { self.rng.u32(2..20) } else { 1 };
            self.pass(rows)?;
            self.tables()?;
            self.sets()?;
            self.attend(rows, true)?;
            if rows == 1 && !self.by_slot {
                self.pages()?;
            }
            let keep = self.choice()?;
            if pass == 1 {
                let all = [Fold::Averaged, Fold::Pivotal, Fold::Weighted, Fold::NormalisedWeighted];
                self.on.fold(KV, keep, all[self.rng.usize(0..4)])?;
            } else {
                self.on.keep(KV, keep)?;
            }
            self.finish().await?;
        }
        self.on.reset(0)?;
        self.position = 0;
        if self.by_slot { Ok(()) } else { self.planes().await }
    }

    /// Rounds of a few tokens, with pictures in them.
    fn tag(&mut self) {
        let n = self.rng.usize(0..120);
        let tags: Vec<Tag> = (0..n)
            .map(|at| Tag { round: (at / 13) as u16, picture: u16::from(at % 9 > 5) * (at / 9 + 1) as u16 })
            .collect();
        self.on.tag(0, &tags);
    }

    /// Tables made, changed and made of others.
    fn tables(&mut self) -> Result {
        let (query, kv) = (self.query, self.kv);
        let by_kv = self.table(kv, false)?;
        let extreme = self.table(kv, true)?;
        let column = self.on.column(KV, "sum", Fresh::Value(0.5))?;
        let places = self.on.column(KV, "at", Fresh::Position)?;
        self.on.accumulate(column, by_kv, self.rng.f32())?;
        self.on.stamp(places, extreme, 7.0)?;
        let (share, fresh) = (3.0 * self.rng.f32(), self.some());
        self.on.used(extreme, share, fresh)?;
        self.on.halve(extreme)?;
        let second = self.table(kv, true)?;
        self.on.rank(KV, Some(extreme), if self.rng.bool() { Some(second) } else { None })?;
        let by_query = self.table(query, false)?;
        for how in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
            self.on.regroup(by_query, Group::Kv, how)?;
        }
        let n = self.some();
        self.on.per_query(by_query, n)?;
        let (kernel, recent) = (2 * self.rng.u32(0..5) + 1, self.some());
        self.on.pool(by_query, kernel, [Pooling::Mean, Pooling::Max][self.rng.usize(0..2)], recent)?;
        self.on.key_norms(KV)?;
        let set = self.choice()?;
        self.on.mark(KV, set, 2.0, -1.0)?;
        self.on.pictures(KV, 1.0, f32::NEG_INFINITY)?;
        self.on.by_round(by_query)?;
        let listed = self.on.listed(&[0, 2])?;
        self.on.rounds(KV, listed, 1.0, 0.0)?;
        let blocks = self.on.by_block(by_query, 1 + self.rng.u32(0..20))?;
        let tilted = self.on.tilt(blocks, 0.3 * self.rng.f32() - 0.1)?;
        self.on.note(2, tilted)?;
        let cover = self.on.cover(by_query, self.rng.f32())?;
        let (extra, unit) = (self.rng.i32(-2..5), 1 + self.rng.u32(0..4));
        let take = Take { count: cover, extra, unit, min: 1, max: 1 + self.rng.u32(0..60) };
        let pins = self.pins();
        let yes = self.on.top_counted(by_query, take, pins)?;
        let no = self.on.top_k(by_query, 3, pins)?;
        self.on.choose(cover, 4.0, yes, no)?;
        self.on.has_pictures(0);
        Ok(())
    }

    /// Sets, and sets of sets.
    fn sets(&mut self) -> Result {
        let by_query = self.table(self.query, true)?;
        let (k, pins) = (self.some(), self.pins());
        let a = self.on.top_k(by_query, k, pins)?;
        let by_kv = self.table(self.kv, false)?;
        let spread = Spread { floor: self.rng.f32(), covered: self.rng.bool() };
        let (k, pins) = (self.some(), self.pins());
        let b = self.on.top_k_spread(by_kv, k, spread, pins)?;
        self.on.union(a, b)?;
        self.on.union_by_kv(a)?;
        let from = self.some();
        let gone = from..from + self.rng.u32(0..30);
        self.on.except(KV, gone.clone())?;
        self.on.outside(KV, gone)?;
        let places = self.on.positions(KV, b)?;
        self.on.at_positions(KV, places)?;
        let how = Expand { size: 1 + self.rng.u32(0..9), most: self.some(), recent: self.rng.u32(0..9) };
        self.on.expand(KV, b, how)?;
        Ok(())
    }

    /// What needs KV heads of one length.
    fn of_heads_alike(&mut self, rows: u32) -> Result {
        let by_query = self.table(self.query, false)?;
        self.on.regroup(by_query, Group::All, Reduce::Mean)?;
        self.on.probe(KV, 1 + self.rng.u32(0..rows))?;
        let causal = self.some();
        self.on.unmasked_mass(KV, causal)?;
        let size = 1 + self.rng.u32(0..rows);
        let newest = self.on.block_scores(KV, size, Pooled::Newest)?;
        self.on.block_scores(KV, size, Pooled::Blocks)?;
        let sums = self.on.by_block(by_query, size)?;
        self.on.js_distance(newest, sums)?;
        self.on.entropy(newest)?;
        let blocks = (self.most() as u32).div_ceil(size);
        let (k, pins) = (1 + self.rng.u32(0..blocks), Pins { sinks: 1, recent: 1 });
        let (vertical, slash) = (self.on.top_k(newest, k, pins)?, self.on.top_k(sums, k, pins)?);
        let pairs = self.on.pairs(vertical, slash, blocks)?;
        self.on.attend(KV, Read::Blocks { pairs, size }, 0..rows, &[None; 2])
    }

    /// Reads, with the mass that they leave.
    fn attend(&mut self, rows: u32, unlike: bool) -> Result {
        let groups = [Group::Query, Group::Kv];
        let window = 1 + self.some();
        let mut reads = vec![Read::All, Read::Window(window), Read::Coarse, Read::Rounded(4)];
        if !unlike {
            reads.push(Read::BottomRight);
        }
        if rows == 1 {
            reads.push(Read::Slots(self.choice()?));
        }
        for read in reads {
            let mut leave = [None; 2];
            for asked in &mut leave {
                let mass = Mass { rows: 1 + self.rng.u32(0..rows), per: groups[self.rng.usize(0..2)] };
                *asked = Some((mass, self.on.open(KV, mass)?));
            }
            self.on.attend(KV, read, 0..rows, &leave)?;
            self.on.weigh(KV, read, None)?;
        }
        Ok(())
    }

    /// What three hosts found.
    fn merge(&mut self, rows: u32) -> Result {
        let n = rows as usize * self.query;
        self.on.attend(KV, Read::All, 0..rows, &[None; 2])?;
        let mut hosts = Vec::new();
        for host in 0..3 {
            let (output, mut lse) = (self.numbers(n * self.dim, 1.0), self.numbers(n, 4.0));
            lse.iter_mut().step_by(host + 2).for_each(|lse| *lse = f32::NEG_INFINITY);
            hosts.push(Partial { output, lse });
        }
        self.on.merge(KV, &hosts)
    }

    fn pages(&mut self) -> Result {
        let (page, recent) = (1 + self.rng.u32(0..20), self.rng.u32(0..9));
        self.on.page_scores(KV, page, recent).map(|_| ())
    }

    /// Rows in two planes, and more behind them.
    async fn planes(&mut self) -> Result {
        let tokens = 1 + self.rng.u32(0..20);
        let groups = PlaneGroups { tokens, channels: [0, 8][self.rng.usize(0..2)] };
        let rows = tokens * self.rng.u32(1..4) + self.rng.u32(0..9);
        self.pass(rows)?;
        self.on.quantise(KV, groups, rows)?;
        self.finish().await?;
        for rows in [1, 3] {
            self.pass(rows)?;
            for read in [Read::All, Read::Coarse] {
                self.on.attend(KV, read, 0..rows, &[None; 2])?;
            }
            self.finish().await?;
        }
        Ok(())
    }
}
