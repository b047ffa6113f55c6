//! Steps that share a dispatch, and sets that are kept without a list: what is left in the cache, by both back ends. In
//! lock-step every call is looked at, so that none waits for another; here nothing is looked at before the end.

use std::rc::Rc;

use attnscope::{
    Result,
    backend::{
        Cpu, Shape,
        gpu::{Device, Gpu},
    },
    cache::Store,
    method::Positions,
    ops::{Dense, Fresh, Group, Pins, Reduce, Scores, Spread},
};
use fastrand::Rng;

use super::{
    both::KV,
    common::{gpu, pair::pair},
};

/// Rows that both stored.
struct Two {
    cpu: Cpu,
    gpu: Gpu,
    rng: Rng,
    query: usize,
    kv: usize,
    slots: usize,
}

impl Two {
    fn new(device: &Rc<Device>, seed: u64) -> Two {
        let mut rng = Rng::with_seed(seed);
        let kv = rng.usize(1..4);
        let query = kv * rng.usize(1..5);
        let slots = [1, 17, 256, 257, rng.usize(300..2000), 4100][seed as usize % 6];
        let shape = Shape { layers: 2, query_heads: query, kv_heads: kv, head_dim: 16, rope: None, eps: 1e-5 };
        let (mut cpu, mut gpu) = pair(device, &shape, Positions::Text, Store::F16);
        let mut random = |numbers: usize| (0..numbers).map(|_| rng.f32() - 0.5).collect::<Vec<f32>>();
        let (q, mut k, v) = (random(slots * query * 16), random(slots * kv * 16), random(slots * kv * 16));
        let n = slots as u32;
        cpu.begin(0, n);
        gpu.begin(0, n).unwrap();
        gpu.store(KV, &q, Some((&k, &v)), 0..n).unwrap();
        cpu.store(KV, &q, Some((&mut k, &v)), 0..n).unwrap();
        Two { cpu, gpu, rng, query, kv, slots }
    }

    /// Tables by query head of random numbers, many of them equal.
    fn given(&mut self) -> [Scores; 2] {
        let numbers: Vec<f32> = (0..self.query * self.slots).map(|_| f32::from(self.rng.u8(0..64))).collect();
        [self.cpu.given(KV, self.query, &numbers), self.gpu.given(KV, self.query as u32, &numbers).unwrap()]
    }

    /// Does the same on both and compares the positions that are left.
    fn check(&mut self, what: &str, edit: impl Fn(&mut dyn Dense, Scores) -> Result<()>) {
        let tables = self.given();
        edit(&mut self.cpu, tables[0]).unwrap();
        edit(&mut self.gpu, tables[1]).unwrap();
        self.gpu.submit().unwrap();
        while !self.gpu.arrived().unwrap() {}
        for (head, (cpu, gpu)) in self.cpu.cache().layer(KV).iter().zip(self.gpu.cache().layer(KV)).enumerate() {
            let of = format!("{what}, {} query heads on {}, {} slots, head {head}", self.query, self.kv, self.slots);
            assert_eq!(cpu.position, gpu.position, "{of}");
        }
    }
}

/// Each number of slots four times; of 4,100 orders are a dispatch of their own.
const SEEDS: u64 = 24;

#[test]
fn a_rule_with_columns() {
    let Some(device) = gpu("chains of a rule") else { return };
    for seed in 0..SEEDS {
        let mut two = Two::new(&device, seed);
        let (keep, at) = (1 + two.rng.u32(0..two.slots as u32), two.rng.f32());
        two.check(&format!("seed {seed}"), |on, scores| {
            let mass = on.regroup(scores, Group::Kv, Reduce::Sum)?;
            let count = on.column(KV, "count", Fresh::Value(1.0))?;
            let last = on.column(KV, "last", Fresh::Position)?;
            let used = on.used(mass, at, 1)?;
            on.halve(count)?;
            on.accumulate(count, used, 1.0)?;
            on.stamp(last, used, 7.0)?;
            let place = on.rank(KV, Some(count), Some(last))?;
            let kept = on.top_k(place, keep, Pins { sinks: 1, recent: 1 })?;
            on.keep(KV, kept)
        });
    }
}

#[test]
fn one_set_for_all_heads() {
    let Some(device) = gpu("chains that join heads") else { return };
    for seed in 0..SEEDS {
        let mut two = Two::new(&device, seed);
        let keep = 1 + two.rng.u32(0..two.slots as u32);
        two.check(&format!("seed {seed}"), |on, scores| {
            let largest = on.regroup(scores, Group::Kv, Reduce::Max)?;
            let own = on.top_k(largest, keep.div_ceil(2), Pins::default())?;
            let all = on.regroup(scores, Group::All, Reduce::Max)?;
            let shared = on.top_k_shared(scores, keep, Pins { sinks: 0, recent: 1 })?;
            let marked = on.mark(KV, shared, 1.0, 0.0)?;
            let best = on.top_k(all, 1, Pins::default())?;
            let top = on.top_k(marked, 3, Pins::default())?;
            let ours = on.union(top, best)?;
            let kept = on.union(own, ours)?;
            on.keep(KV, kept)
        });
    }
}

#[test]
fn all_but_a_range() {
    let Some(device) = gpu("sets without a list") else { return };
    for seed in 0..SEEDS {
        let mut two = Two::new(&device, seed);
        let n = two.slots as u32;
        let low = two.rng.u32(0..n);
        let high = low + two.rng.u32(0..n - low);
        two.check(&format!("seed {seed}, without {low}..{high}"), |on, scores| {
            // Heads keep different numbers of slots: what they compete for.
            let sums = on.regroup(scores, Group::Kv, Reduce::Sum)?;
            let spread = Spread { floor: 0.1, covered: false };
            let half = on.top_k_spread(sums, n.div_ceil(2), spread, Pins { sinks: 0, recent: 1 })?;
            // Asked for before the slots change, it gets its list then.
            let gone = on.except(KV, low..high)?;
            on.keep(KV, half)?;
            let rest = on.except(KV, low / 2..high / 2)?;
            on.keep(KV, rest)?;
            on.union(gone, gone).map(|_| ())
        });
    }
}
