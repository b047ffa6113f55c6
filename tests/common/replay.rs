//! What a trace says is live.

use super::tiny;
use attnscope::trace::{ALL_HEADS, Kind, records};
use std::collections::{BTreeMap, BTreeSet};

/// The live set by layer and KV head, rebuilt from the trace, checking that what is read is live and causal.
#[derive(Default)]
pub struct Replay {
    pub live: Vec<BTreeSet<u32>>,
    /// How many of them are in two planes.
    pub quantised: Vec<usize>,
    /// By layer and query head what the newest query of the newest pass read, and gave at least the least listed weight.
    pub read: BTreeMap<(u8, u32), BTreeSet<u32>>,
    pub weights: BTreeMap<(u8, u32), Vec<(u32, f32)>>,
    newest: u32,
}

impl Replay {
    fn head(&mut self, layer: u8, kv: u32) -> &mut BTreeSet<u32> {
        let at = u32::from(layer) * tiny::KV_HEADS + kv;
        self.quantised.resize((tiny::LAYERS * tiny::KV_HEADS) as usize, 0);
        self.live.resize((tiny::LAYERS * tiny::KV_HEADS) as usize, BTreeSet::new());
        &mut self.live[at as usize]
    }

    pub fn take(&mut self, block: &[u8], what: &str) {
        for r in records(block) {
            let is = |kind: Kind| r.kind == kind as u8;
            if is(Kind::Pass) {
                self.newest = r.a + r.b - 1;
                self.read.clear();
                self.weights.clear();
            } else if is(Kind::Append) {
                assert_eq!(r.head, ALL_HEADS);
                for kv in 0..tiny::KV_HEADS {
                    let head = self.head(r.layer, kv);
                    (r.a..r.a + r.b).for_each(|p| assert!(head.insert(p), "{what}: {p} is stored twice"));
                }
            } else if is(Kind::Cut) {
                for kv in 0..tiny::KV_HEADS {
                    let head = self.head(r.layer, kv);
                    let gone = head.split_off(&r.a);
                    assert_eq!(gone.len(), r.b as usize, "{what}: rows taken back");
                }
            } else if is(Kind::Quantise) {
                let head = self.head(r.layer, r.head.into());
                let oldest = head.iter().position(|&p| p == r.a);
                let at = usize::from(r.layer) * tiny::KV_HEADS as usize + usize::from(r.head);
                assert_eq!(oldest, Some(self.quantised[at]), "{what}: quantised in order");
                self.quantised[at] += r.b as usize;
            } else if is(Kind::EvictRun) || is(Kind::EvictBits) {
                let head = self.head(r.layer, r.head.into());
                r.positions().for_each(|p| assert!(head.remove(&p), "{what}: {p} is dropped but not there"));
            } else if is(Kind::ReadRun) || is(Kind::ReadBits) {
                let (newest, query) = (self.newest, u32::from(r.head));
                self.read.entry((r.layer, query)).or_default().extend(r.positions());
                let head = self.head(r.layer, query * tiny::KV_HEADS / tiny::QUERY_HEADS);
                r.positions()
                    .for_each(|p| assert!(p <= newest && head.contains(&p), "{what}: {p} is read but not there"));
            } else if is(Kind::ReadAll) || is(Kind::ReadWindow) {
                let most = if is(Kind::ReadAll) { usize::MAX } else { r.a as usize };
                for query in 0..tiny::QUERY_HEADS {
                    let head = self.head(r.layer, query * tiny::KV_HEADS / tiny::QUERY_HEADS);
                    let newest = head.iter().rev().take(most).copied().collect();
                    self.read.insert((r.layer, query), newest);
                }
            } else if is(Kind::Weights) {
                self.weights.insert((r.layer, r.head.into()), r.weights().collect());
            }
        }
    }
}
