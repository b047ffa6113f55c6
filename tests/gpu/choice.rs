//! Sets: each operation against the CPU's on the same scores.

use attnscope::{
    backend::gpu::Gpu,
    backend::{Cpu, Shape, Weights},
    cache::Store,
    method::Positions,
    ops::{Dense, Expand, Group, Kv, Mass, Ops, Pins, Scores, Set, Spread, Take},
};
use std::sync::Arc;

use super::{gpu, made::random};

mod edges;

const KV: Kv = Kv(0);

/// Both back ends with the same rows in one layer: six query heads on two KV heads.
struct Both {
    cpu: Cpu,
    gpu: Gpu,
    seed: fastrand::Rng,
    live: usize,
}

impl Both {
    fn new(test: &str, live: usize) -> Option<Both> {
        let device = gpu(test)?;
        let shape = Shape { layers: 1, query_heads: 6, kv_heads: 2, head_dim: 16, rope: None, eps: 1e-5 };
        let cpu = Cpu::new(shape.clone(), Arc::new(Weights::default()), Positions::Text, Store::F16).unwrap();
        let gpu = Gpu::new(device, shape, None, Positions::Text).unwrap();
        let mut both = Both { cpu, gpu, seed: fastrand::Rng::with_seed(live as u64), live };
        both.store(0, live);
        Some(both)
    }

    /// A pass of `rows` rows from position `first` on.
    fn store(&mut self, first: u32, rows: usize) {
        let [q, mut k, v] = [96, 32, 32].map(|width| random(&mut self.seed, rows * width));
        self.cpu.begin(first, rows as u32);
        self.gpu.begin(first, rows as u32).unwrap();
        let all = 0..rows as u32;
        self.gpu.store(KV, &q, Some((&k, &v)), all.clone()).unwrap();
        self.cpu.store(KV, &q, Some((&mut k, &v)), all).unwrap();
    }

    /// Drops slots, of KV heads to different lengths.
    fn drop_some(&mut self) {
        let scores = self.scores(2, false);
        // Minus infinity is never kept: so the second head has fewer slots.
        let (a, b) = scores;
        let set = (self.cpu.top_k(a, 1 << 20, Pins::default()), self.gpu.top_k(b, 1 << 20, Pins::default()));
        self.cpu.keep(KV, set.0.unwrap()).unwrap();
        self.gpu.keep(KV, set.1.unwrap()).unwrap();
        self.gpu.submit().unwrap();
        assert!(self.gpu.arrived().unwrap());
        for (a, b) in self.cpu.cache().layer(KV).iter().zip(self.gpu.cache().layer(KV)) {
            assert_eq!(a.position, b.position, "positions after an edit");
        }
    }

    /// A table of random numbers with ties and infinities, on both.
    fn scores(&mut self, groups: usize, positive: bool) -> (Scores, Scores) {
        let live = self.cpu.live(KV) as usize;
        let special = [0.0, -0.0, 1.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, 0.5, 0.5];
        let numbers: Vec<f32> = (0..groups * live)
            .map(|_| match self.seed.usize(0..16) {
                at if at < 8 && !positive => special[at],
                _ if positive => self.seed.f32() * self.seed.f32(),
                _ => 2.0 * self.seed.f32() - 1.0,
            })
            .collect();
        (self.cpu.given(KV, groups, &numbers), self.gpu.given(KV, groups as u32, &numbers).unwrap())
    }

    fn same_sets(&mut self, what: &str, a: Set, b: Set) {
        let lists = self.gpu.lists(b).unwrap();
        for head in 0..6 {
            let own = head * lists.len() / 6;
            assert_eq!(self.cpu.slots(a, head).unwrap(), lists[own], "{what}, {} slots, head {head}", self.live);
        }
    }

    fn same_scores(&mut self, what: &str, a: Scores, b: Scores) {
        for (group, got) in self.gpu.scores(b).unwrap().iter().enumerate() {
            let want = self.cpu.scores(a, group).unwrap();
            assert_eq!(&want[..got.len()], &got[..], "{what}, {} slots, group {group}", self.live);
        }
    }

    /// A set of random columns, by `groups`.
    fn set(&mut self, groups: usize, k: u32) -> (Set, Set) {
        let (a, b) = self.scores(groups, true);
        (self.cpu.top_k(a, k, Pins::default()).unwrap(), self.gpu.top_k(b, k, Pins::default()).unwrap())
    }
}

/// Sizes around those of workgroups.
const SIZES: [usize; 6] = [1, 63, 64, 65, 257, 1000];

#[test]
fn the_best_slots() {
    for live in SIZES {
        let Some(mut both) = Both::new("the best slots", live) else { return };
        for (k, sinks, recent) in [(0, 0, 0), (1, 0, 0), (7, 2, 3), (64, 4, 16), (300, 0, 1), (3, 9, 9), (5000, 1, 1)] {
            let pins = Pins { sinks, recent };
            for groups in [6, 2, 1] {
                let (a, b) = both.scores(groups, false);
                let sets = (both.cpu.top_k(a, k, pins).unwrap(), both.gpu.top_k(b, k, pins).unwrap());
                both.same_sets(&format!("top_k {k} {pins:?} of {groups}"), sets.0, sets.1);
                let sets = (both.cpu.top_k_shared(a, k, pins).unwrap(), both.gpu.top_k_shared(b, k, pins).unwrap());
                both.same_sets(&format!("top_k_shared {k} {pins:?} of {groups}"), sets.0, sets.1);
            }
            let (a, b) = both.scores(2, true);
            for spread in [Spread { floor: 0.2, covered: false }, Spread { floor: 0.5, covered: true }] {
                let a = both.cpu.top_k_spread(a, k, spread, pins).unwrap();
                let b = both.gpu.top_k_spread(b, k, spread, pins).unwrap();
                both.same_sets(&format!("top_k_spread {k} {pins:?} {spread:?}"), a, b);
            }
        }
    }
}

#[test]
fn as_many_as_cover_a_share() {
    for live in SIZES {
        let Some(mut both) = Both::new("as many as cover a share", live) else { return };
        let (a, b) = both.scores(6, true);
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let counts = (both.cpu.cover(a, share).unwrap(), both.gpu.cover(b, share).unwrap());
            both.same_scores(&format!("cover {share}"), counts.0, counts.1);
            for (extra, unit, min, max) in [(0, 1, 0, 1 << 20), (5, 4, 2, 9), (-3, 1, 0, 40)] {
                let take = |count| Take { count, extra, unit, min, max };
                let pins = Pins { sinks: 1, recent: 0 };
                let a = both.cpu.top_counted(a, take(counts.0), pins).unwrap();
                let b = both.gpu.top_counted(b, take(counts.1), pins).unwrap();
                both.same_sets(&format!("top_counted, {share}, {extra} {unit} {min} {max}"), a, b);
            }
        }
    }
}

#[test]
fn sets_of_sets() {
    for live in SIZES {
        let Some(mut both) = Both::new("sets of sets", live) else { return };
        for dropped in [false, true] {
            if dropped {
                both.store(live as u32, 1);
                both.drop_some();
                both.store(live as u32 + 1, 1);
            }
            let ((a, b), (c, d), (one, two)) = (both.set(6, 5), both.set(6, 90), both.set(2, 12));
            let unions = (both.cpu.union_by_kv(a).unwrap(), both.gpu.union_by_kv(b).unwrap());
            both.same_sets("union_by_kv", unions.0, unions.1);
            let unions = (both.cpu.union(a, c).unwrap(), both.gpu.union(b, d).unwrap());
            both.same_sets("union", unions.0, unions.1);
            let unions = (both.cpu.union(a, one).unwrap(), both.gpu.union(b, two).unwrap());
            both.same_sets("union over fewer groups", unions.0, unions.1);
            for gone in [0..0, 0..1, 3..40, 0..5000] {
                let sets = (both.cpu.except(KV, gone.clone()).unwrap(), both.gpu.except(KV, gone.clone()).unwrap());
                both.same_sets(&format!("except {gone:?}"), sets.0, sets.1);
                let sets = (both.cpu.outside(KV, gone.clone()).unwrap(), both.gpu.outside(KV, gone.clone()).unwrap());
                both.same_sets(&format!("outside {gone:?}"), sets.0, sets.1);
            }
            let places = (both.cpu.positions(KV, one).unwrap(), both.gpu.positions(KV, two).unwrap());
            both.same_sets("positions", places.0, places.1);
            let slots = (both.cpu.at_positions(KV, places.0).unwrap(), both.gpu.at_positions(KV, places.1).unwrap());
            both.same_sets("at_positions", slots.0, slots.1);
            let marks = (both.cpu.mark(KV, a, 1.5, -2.0).unwrap(), both.gpu.mark(KV, b, 1.5, -2.0).unwrap());
            both.same_scores("mark", marks.0, marks.1);
            let ((s, t), (u, w)) = (both.scores(2, false), both.scores(2, false));
            for (first, then) in [(None, None), (Some((s, t)), None), (Some((s, t)), Some((u, w)))] {
                let a = both.cpu.rank(KV, first.map(|x| x.0), then.map(|x| x.0)).unwrap();
                let b = both.gpu.rank(KV, first.map(|x| x.1), then.map(|x| x.1)).unwrap();
                both.same_scores("rank", a, b);
            }
            let numbers: Vec<u32> = (0..live as u32 / 16).step_by(3).collect();
            let pages = (both.cpu.listed(&numbers).unwrap(), both.gpu.listed(&numbers).unwrap());
            for how in [Expand { size: 16, most: 1000, recent: 0 }, Expand { size: 16, most: 40, recent: 9 }] {
                if dropped {
                    break;
                }
                let sets = (both.cpu.expand(KV, pages.0, how).unwrap(), both.gpu.expand(KV, pages.1, how).unwrap());
                both.same_sets(&format!("{how:?}"), sets.0, sets.1);
            }
            // One score a group, on either side of the cut.
            let (s, t) = both.scores(6, true);
            let counts = (both.cpu.cover(s, 0.4).unwrap(), both.gpu.cover(t, 0.4).unwrap());
            let cut = both.cpu.scores(counts.0, 3).unwrap()[0];
            let sets =
                (both.cpu.choose(counts.0, cut, a, one).unwrap(), both.gpu.choose(counts.1, cut, b, two).unwrap());
            both.same_sets("choose", sets.0, sets.1);
        }
    }
}

#[test]
fn block_pairs() {
    for blocks in [1usize, 2, 7, 33] {
        let Some(mut both) = Both::new("block pairs", blocks) else { return };
        let ((a, b), (c, d)) = (both.set(6, 3), both.set(6, 2));
        let pairs = (both.cpu.pairs(a, c, blocks as u32).unwrap(), both.gpu.pairs(b, d, blocks as u32).unwrap());
        both.same_sets("pairs", pairs.0, pairs.1);
    }
}

#[test]
fn mass_and_attention() {
    for live in SIZES {
        let Some(mut both) = Both::new("mass", live) else { return };
        both.store(live as u32, 1);
        for per in [Group::Query, Group::Kv, Group::All] {
            let leave = Mass { rows: 1, per };
            let sets = both.set(6, 20);
            for read in [None, Some(sets)] {
                let (a, b) = (both.cpu.open(KV, leave).unwrap(), both.gpu.open(KV, leave).unwrap());
                let of = |set: Option<Set>| set.map_or(attnscope::ops::Read::All, attnscope::ops::Read::Slots);
                both.cpu.attend(KV, of(read.map(|r| r.0)), 0..1, &[Some((leave, a)), None]).unwrap();
                both.gpu.attend(KV, of(read.map(|r| r.1)), 0..1, &[Some((leave, b)), None]).unwrap();
                for (group, got) in both.gpu.scores(b).unwrap().iter().enumerate() {
                    let want = both.cpu.scores(a, group).unwrap();
                    let off = super::difference(got, &want[..got.len()]);
                    // A weight is at most 1; six heads of them.
                    assert!(off < 6.0 * 2e-6, "mass {per:?}, {live} slots, {}: {off}", read.is_some());
                }
            }
        }
    }
}
