//! Places shared out over heads, sets as scores, and what a set must be to keep rows.

use super::{Cpu, scores::pick};
use crate::{
    Error, Result,
    kernels::top_k,
    ops::{Kv, Pins, Scores, Set, Spread},
};

impl Cpu {
    pub(super) fn best_spread(&mut self, scores: Scores, k: usize, spread: Spread, pins: Pins) -> Result<Set> {
        let groups = self.kv_of(scores)?.1;
        let pinned = (pins.sinks + pins.recent) as usize;
        let base = k.saturating_sub(pinned);
        // The free slots of all groups in one list, weighed; where each group's begin.
        let (mut all, mut starts, mut order, mut work) = (Vec::new(), vec![0], Vec::new(), Vec::new());
        for group in 0..groups {
            let row = self.columns(scores, group)?;
            let free = &row[(pins.sinks as usize).min(row.len())..];
            let free = &free[..free.len().saturating_sub(pins.recent as usize)];
            let mut weight = 1.0;
            if spread.covered {
                top_k(free, base, &mut order, &mut work);
                let (top, sum) = (order.iter().map(|&i| free[i as usize]).sum::<f32>(), free.iter().sum::<f32>());
                weight = if sum > 0.0 { top / sum } else { 0.0 };
            }
            all.extend(free.iter().map(|x| x * weight));
            starts.push(all.len());
        }
        top_k(&all, groups * base, &mut order, &mut work);
        let own = (base as f32 * spread.floor) as usize;
        let mut rest = &order[..];
        self.fill_set(groups, |on, group, out| {
            let (won, after) = rest.split_at(rest.partition_point(|&i| (i as usize) < starts[group + 1]));
            rest = after;
            let free = starts[group + 1] - starts[group];
            let places = (won.len() as f32 * (1.0 - spread.floor) + own as f32).round_ties_even() as usize;
            let places = if base > free { free } else { places };
            pick(on.columns(scores, group)?, places + pinned, pins, out, &mut work);
            Ok(())
        })
    }

    pub(super) fn mark_set(&mut self, kv: Kv, set: Set, inside: f32, outside: f32) -> Result<Scores> {
        let groups = self.tables.set(set)?.groups();
        self.fill_slots(kv, groups, |on, group, out| {
            out.fill(outside);
            for &slot in on.list_of(set, group, groups)? {
                if let Some(x) = out.get_mut(slot as usize) {
                    *x = inside;
                }
            }
            Ok(())
        })
    }

    /// What drops, merges or measures rows works on whole ones.
    pub(super) fn check_unquantised(&self, kv: Kv) -> Result<()> {
        if self.cache.layer(kv).iter().any(|head| head.quantised() > 0) {
            return Err(Error::State("quantised rows cannot be dropped, merged or scored by their numbers"));
        }
        Ok(())
    }

    /// Whether a set for [`keep`](crate::ops::Dense::keep) is one list for all KV heads; otherwise it is one a KV head.
    pub(super) fn check_kept(&self, op: &'static str, kv: Kv, set: Set) -> Result<bool> {
        self.check_unquantised(kv)?;
        let (groups, heads) = (self.tables.set(set)?.groups(), self.shape.kv_heads);
        if groups != heads && groups != 1 {
            let (want, got) = (format!("a set by KV head ({heads}) or one for all"), format!("{groups} groups"));
            return Err(Error::Shape { op, want, got });
        }
        self.check_alike(op, kv, groups)?;
        Ok(groups == 1)
    }
}
