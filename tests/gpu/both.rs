//! Both back ends in lock-step with the same rows, and what the tests of operations ask of them. Whatever a call leaves is
//! compared by [`Paired`] itself, within the tolerances of `backend/paired/tolerance.rs`; a difference fails the call.

use std::{rc::Rc, sync::Arc};

use attnscope::{
    Error, Result,
    backend::{
        Cpu, Paired, Shape, Weights,
        gpu::{Device, Gpu},
    },
    cache::Store,
    kernels::RopeStyle,
    method::Positions,
    model::RopeConfig,
    ops::{Dense, Kv, Mass, Ops, Pins, Read, Scores, Set},
};

/// The layer that is tested, not the first.
pub const KV: Kv = Kv(1);

/// Both back ends with the same rows.
pub struct Both {
    pub on: Paired,
    pub seed: fastrand::Rng,
    pub query: usize,
    pub kv: usize,
    pub dim: usize,
    /// Slots by KV head.
    pub slots: Vec<usize>,
    position: u32,
}

impl Both {
    /// Empty.
    pub fn new(device: &Rc<Device>, query: usize, kv: usize, dim: usize) -> Both {
        Both::with(device, query, kv, dim, None)
    }

    /// Empty, with keys that are rotated by their slots when they are read.
    pub fn rotated(device: &Rc<Device>, query: usize, kv: usize, dim: usize) -> Both {
        let style = RopeStyle::Interleaved;
        let rope = RopeConfig { dim: dim as u32, base: 1e4, linear: 1.0, divisors: Vec::new(), style };
        Both::with(device, query, kv, dim, Some(rope))
    }

    fn with(device: &Rc<Device>, query: usize, kv: usize, dim: usize, rope: Option<RopeConfig>) -> Both {
        let positions = if rope.is_some() { Positions::Slot } else { Positions::Text };
        let shape = Shape { layers: 2, query_heads: query, kv_heads: kv, head_dim: dim, rope, eps: 1e-5 };
        let weights = Arc::new(Weights::default());
        let cpu = Cpu::new(shape.clone(), weights, positions, Store::F16).unwrap();
        let gpu = Gpu::new(Rc::clone(device), shape, None, positions, Store::F16).unwrap();
        let seed = fastrand::Rng::with_seed(5);
        Both { on: Paired::new(cpu, gpu), seed, query, kv, dim, slots: vec![0; kv], position: 0 }
    }

    /// With so many slots by KV head, the newest `rows` of them of the running pass.
    pub fn filled(device: &Rc<Device>, query: usize, dim: usize, slots: &[usize], rows: usize) -> Both {
        let mut both = Both::new(device, query, slots.len(), dim);
        let before: Vec<usize> = slots.iter().map(|n| n - rows).collect();
        let most = before.iter().copied().max().unwrap();
        if most > 0 {
            both.pass(most);
            if before.iter().any(|n| *n < most) {
                both.drop_to(&before);
            }
            both.finish();
        }
        both.pass(rows);
        both
    }

    /// Begins a pass and stores its rows.
    pub fn pass(&mut self, rows: usize) {
        let n = rows as u32;
        self.on.begin(self.position, n).unwrap();
        let mut random = |numbers: usize| (0..numbers).map(|_| 2.0 * self.seed.f32() - 1.0).collect::<Vec<f32>>();
        let q: Vec<f32> = random(rows * self.query * self.dim).iter().map(|x| 3.0 * x).collect();
        let (mut k, v) = (random(rows * self.kv * self.dim), random(rows * self.kv * self.dim));
        self.on.store(KV, &q, Some((&mut k, &v)), 0..n).unwrap();
        self.slots.iter_mut().for_each(|slots| *slots += rows);
        self.position += n;
    }

    /// Ends the pass, so that the host knows all counts.
    pub fn finish(&mut self) {
        self.on.submit().unwrap();
        while !self.on.arrived().unwrap() {}
    }

    /// A set of random slots, so many by KV head.
    pub fn choose(&mut self, counts: &[usize]) -> Set {
        let mut seed = self.seed.fork();
        let slots = self.slots.clone();
        self.listed(|head| {
            let mut order: Vec<usize> = (0..slots[head]).collect();
            seed.shuffle(&mut order);
            order.truncate(counts[head]);
            order
        })
    }

    /// A set of these numbers by KV head, without those that are no slots.
    pub fn listed(&mut self, mut numbers: impl FnMut(usize) -> Vec<usize>) -> Set {
        let most = self.most();
        let mut chosen = vec![f32::NEG_INFINITY; self.kv * most];
        for head in 0..self.kv {
            let there = numbers(head).into_iter().filter(|number| *number < self.slots[head]);
            there.for_each(|number| chosen[head * most + number] = f32::INFINITY);
        }
        let scores = self.given(self.kv, &chosen);
        self.on.top_k(scores, 0, Pins::default()).unwrap()
    }

    /// Keeps random slots, so many by KV head.
    pub fn drop_to(&mut self, counts: &[usize]) {
        let kept = self.choose(counts);
        self.on.keep(KV, kept).unwrap();
        self.slots = counts.to_vec();
    }

    pub fn most(&self) -> usize {
        self.slots.iter().copied().max().unwrap()
    }

    /// A table of given numbers over the slots.
    pub fn given(&mut self, groups: usize, scores: &[f32]) -> Scores {
        self.on.given(KV, groups, scores).unwrap()
    }

    /// Of random numbers from 0 to 1, some of them equal.
    pub fn random(&mut self, groups: usize) -> Scores {
        let numbers = groups * self.most();
        let scores: Vec<f32> =
            (0..numbers).map(|_| if self.seed.u8(0..4) > 0 { self.seed.f32() } else { 0.25 }).collect();
        self.given(groups, &scores)
    }

    /// The same with infinities, zeros and negative numbers.
    pub fn extreme(&mut self, groups: usize) -> Scores {
        let numbers = groups * self.most();
        let pick = |seed: &mut fastrand::Rng| match seed.u8(0..10) {
            0 => f32::INFINITY,
            1 => f32::NEG_INFINITY,
            2 => 0.0,
            3 => -0.0,
            4 => 7.0,
            _ => 20.0 * seed.f32() - 10.0,
        };
        let scores: Vec<f32> = (0..numbers).map(|_| pick(&mut self.seed)).collect();
        self.given(groups, &scores)
    }

    /// The best `k` by random scores of `groups` groups.
    pub fn best(&mut self, groups: usize, k: u32) -> Set {
        let scores = self.random(groups);
        self.run(|ops| ops.top_k(scores, k, Pins::default()))
    }

    /// Does something on both, which must agree.
    pub fn run<T>(&mut self, what: impl FnOnce(&mut dyn Dense) -> Result<T>) -> T {
        what(&mut self.on).unwrap_or_else(|why| panic!("slots {:?}, {} query heads: {why}", self.slots, self.query))
    }

    /// Both must refuse it as a wrong shape.
    pub fn refuses<T>(&mut self, what: impl FnOnce(&mut dyn Dense) -> Result<T>) {
        let shape = |result: Result<T>| matches!(result, Err(Error::Shape { .. }));
        assert!(shape(what(&mut self.on)), "slots {:?}, {} query heads", self.slots, self.query);
    }

    /// Attends to all slots or to some, leaving mass in a table.
    pub fn attend(&mut self, read: Read, rows: std::ops::Range<u32>, leave: Option<(Mass, Scores)>) {
        self.run(|ops| ops.attend(KV, read, rows, &[leave, None]));
    }

    /// A table that nothing was written to yet.
    pub fn open(&mut self, leave: Mass) -> Scores {
        self.run(|ops| ops.open(KV, leave))
    }
}

/// Slots by KV head, query heads, and rows of the newest pass.
pub const SHAPES: [(&[usize], usize, usize); 8] = [
    (&[1], 1, 1),
    (&[63, 63, 63], 9, 1),
    (&[64], 3, 2),
    (&[65, 40, 3], 9, 2),
    (&[257, 257], 4, 16),
    (&[1000], 1, 7),
    (&[1000, 1, 300], 9, 1),
    (&[12, 500], 4, 3),
];
