//! Both back ends with the same rows, and what the tests of operations ask of them.

use std::{rc::Rc, sync::Arc};

use attnscope::{
    backend::{
        Cpu, Shape, Weights,
        gpu::{Device, Gpu},
    },
    cache::Store,
    kernels::RopeStyle,
    method::Positions,
    model::RopeConfig,
    ops::{Dense, Kv, Ops, Pins, Scores, Set},
};

/// The layer that is tested, not the first.
pub const KV: Kv = Kv(1);

/// Both back ends with the same rows.
pub struct Both {
    pub cpu: Cpu,
    pub gpu: Gpu,
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
        Both { cpu, gpu, seed, query, kv, dim, slots: vec![0; kv], position: 0 }
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
        self.cpu.begin(self.position, n);
        self.gpu.begin(self.position, n).unwrap();
        let mut random = |numbers: usize| (0..numbers).map(|_| 2.0 * self.seed.f32() - 1.0).collect::<Vec<f32>>();
        let q: Vec<f32> = random(rows * self.query * self.dim).iter().map(|x| 3.0 * x).collect();
        let (mut k, v) = (random(rows * self.kv * self.dim), random(rows * self.kv * self.dim));
        self.gpu.store(KV, &q, Some((&k, &v)), 0..n).unwrap();
        self.cpu.store(KV, &q, Some((&mut k, &v)), 0..n).unwrap();
        self.slots.iter_mut().for_each(|slots| *slots += rows);
        self.position += n;
    }

    /// Ends the pass, so that the host knows all counts.
    pub fn finish(&mut self) {
        self.gpu.submit().unwrap();
        while !self.gpu.arrived().unwrap() {}
    }

    /// Sets of random slots, so many by KV head.
    pub fn choose(&mut self, counts: &[usize]) -> [Set; 2] {
        let mut seed = self.seed.fork();
        let slots = self.slots.clone();
        self.listed(|head| {
            let mut order: Vec<usize> = (0..slots[head]).collect();
            seed.shuffle(&mut order);
            order.truncate(counts[head]);
            order
        })
    }

    /// Sets of these numbers by KV head, without those that are no slots.
    pub fn listed(&mut self, mut numbers: impl FnMut(usize) -> Vec<usize>) -> [Set; 2] {
        let most = self.most();
        let mut chosen = vec![f32::NEG_INFINITY; self.kv * most];
        for head in 0..self.kv {
            let there = numbers(head).into_iter().filter(|number| *number < self.slots[head]);
            there.for_each(|number| chosen[head * most + number] = f32::INFINITY);
        }
        let scores = self.given(self.kv, &chosen);
        let none = Pins::default();
        [self.cpu.top_k(scores[0], 0, none).unwrap(), self.gpu.top_k(scores[1], 0, none).unwrap()]
    }

    fn drop_to(&mut self, counts: &[usize]) {
        let [on_cpu, on_gpu] = self.choose(counts);
        self.cpu.keep(KV, on_cpu).unwrap();
        self.gpu.keep(KV, on_gpu).unwrap();
        self.slots = counts.to_vec();
    }

    pub fn most(&self) -> usize {
        self.slots.iter().copied().max().unwrap()
    }

    /// Columns of a group.
    pub fn columns(&self, group: usize, groups: usize) -> usize {
        self.slots[group * self.kv / groups]
    }

    /// Tables of given numbers over the slots.
    pub fn given(&mut self, groups: usize, scores: &[f32]) -> [Scores; 2] {
        [self.cpu.given(KV, groups, scores), self.gpu.given(KV, groups as u32, scores).unwrap()]
    }

    /// Of random numbers from 0 to 1, some of them equal.
    pub fn random(&mut self, groups: usize) -> [Scores; 2] {
        let numbers = groups * self.most();
        let scores: Vec<f32> =
            (0..numbers).map(|_| if self.seed.u8(0..4) > 0 { self.seed.f32() } else { 0.25 }).collect();
        self.given(groups, &scores)
    }

    /// The same with infinities, zeros and negative numbers.
    pub fn extreme(&mut self, groups: usize) -> [Scores; 2] {
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
    pub fn best(&mut self, groups: usize, k: u32) -> [Set; 2] {
        let scores = self.random(groups);
        self.run(|ops, on| ops.top_k(scores[on], k, Pins::default()))
    }

    /// Sets agree exactly, for every query head.
    pub fn check_sets(&mut self, what: &str, sets: [Set; 2]) {
        let lists = self.gpu.lists(sets[1]).unwrap();
        for head in 0..self.query {
            let own = &lists[head * lists.len() / self.query];
            assert_eq!(self.cpu.slots(sets[0], head).unwrap(), own, "{what}, slots {:?}, head {head}", self.slots);
        }
    }

    /// Does the same on both; the second argument is 0 on the CPU.
    pub fn run<T>(&mut self, what: impl Fn(&mut dyn Ops, usize) -> attnscope::Result<T>) -> [T; 2] {
        [what(&mut self.cpu, 0).unwrap(), what(&mut self.gpu, 1).unwrap()]
    }

    /// Tables agree in every column, up to `tolerance` of a number.
    pub fn check(&mut self, what: &str, tables: [Scores; 2], tolerance: f32) {
        self.check_near(what, tables, tolerance, 0.0);
    }

    /// The same up to `tolerance` of a number and `least` in all.
    pub fn check_near(&mut self, what: &str, tables: [Scores; 2], tolerance: f32, least: f32) {
        let got = self.gpu.scores(tables[1]).unwrap();
        let mut worst = 0.0_f32;
        for (group, got) in got.iter().enumerate() {
            let want = &self.cpu.scores(tables[0], group).unwrap();
            assert!(got.len() <= want.len(), "{what}: {} columns, want {}", got.len(), want.len());
            for (column, (got, want)) in got.iter().zip(*want).enumerate() {
                let off = (got - want).abs();
                let is_same = got == want || off <= tolerance * want.abs() + least;
                assert!(is_same, "{what}: group {group}, column {column}: {got:e}, want {want:e}");
                if got != want {
                    worst = worst.max(off / want.abs().max(least / tolerance.max(f32::MIN_POSITIVE)));
                }
            }
        }
        if worst > 0.0 {
            eprintln!("{what}: off by at most {worst:e}");
        }
        assert!(self.cpu.scores(tables[0], got.len()).is_err(), "{what}: groups");
    }

    /// The same of a table over the slots: each group has as many columns as its KV head has slots.
    pub fn check_slots(&mut self, what: &str, tables: [Scores; 2], tolerance: f32) {
        let got = self.gpu.scores(tables[1]).unwrap();
        for (group, row) in got.iter().enumerate() {
            assert_eq!(row.len(), self.columns(group, got.len()), "{what}: columns of group {group}");
        }
        self.check(what, tables, tolerance);
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
