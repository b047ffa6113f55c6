//! The far tier: slots that are stored but parked where attention does not look, until they are fetched. A machine with
//! one memory only counts what a second one would hold and move.

use super::Cache;
use crate::{
    Result,
    ops::Kv,
    tape::Tape,
    trace::{Detail, Kind, Tracer},
};

/// Which slots of a KV head are in the far tier; those beyond its end are near.
#[derive(Clone, Debug, Default)]
pub(super) struct Far {
    slots: Vec<bool>,
    /// How many of them are true; asked for at every token.
    count: usize,
}

impl Far {
    pub fn clear(&mut self) {
        *self = Far::default();
    }
    /// Slots in the far tier.
    pub fn count(&self) -> usize {
        self.count
    }
    pub fn truncate(&mut self, slots: usize) {
        self.slots.truncate(slots);
        self.recount();
    }
    pub fn compact(&mut self, kept: &[u32]) {
        let within = kept.partition_point(|&slot| (slot as usize) < self.slots.len());
        for (to, &from) in kept[..within].iter().enumerate() {
            self.slots[to] = self.slots[from as usize];
        }
        self.truncate(within);
    }
    /// Slots whose tier is noted.
    pub fn known(&self) -> usize {
        self.slots.len()
    }
    pub fn save_or_restore(&mut self, tape: &mut Tape) -> Result<()> {
        let mut slots: Vec<u8> = self.slots.iter().map(|far| u8::from(*far)).collect();
        tape.list(&mut slots)?;
        self.slots = slots.into_iter().map(|far| far > 0).collect();
        self.recount();
        Ok(())
    }
    fn recount(&mut self) {
        self.count = self.slots.iter().filter(|far| **far).count();
    }
    /// Moves a slot to a tier; whether it was in the far one.
    fn swap(&mut self, slot: usize, far: bool) -> bool {
        if slot >= self.slots.len() {
            if !far {
                return false;
            }
            self.slots.resize(slot + 1, false);
        }
        let before = std::mem::replace(&mut self.slots[slot], far);
        self.count = self.count + usize::from(far) - usize::from(before);
        before
    }
}

impl Cache {
    /// Moves the slots of `near`, one ascending list a KV head, to the near tier and all others to the far one; records
    /// what moved and returns its bytes.
    pub fn place<'a>(&mut self, kv: Kv, near: impl Fn(usize) -> &'a [u32], tracer: &mut Tracer) -> u64 {
        let (row_bytes, mut moved) = (self.row_bytes(), 0);
        for (h, head) in self.heads[kv.0 as usize * self.kv_heads..][..self.kv_heads].iter_mut().enumerate() {
            let (mut near, mut parked, mut fetched) = (near(h), Vec::new(), Vec::new());
            for (slot, &position) in head.position.iter().enumerate() {
                let stays = near.first() == Some(&(slot as u32));
                near = &near[usize::from(stays)..];
                match (head.far.swap(slot, !stays), stays) {
                    (true, true) => fetched.push(position),
                    (false, false) => parked.push(position),
                    _ => {}
                }
            }
            moved += (parked.len() + fetched.len()) as u64 * row_bytes;
            if tracer.detail >= Detail::Sets {
                tracer.runs(Kind::Park, kv.0, h as u32, parked.into_iter());
                tracer.runs(Kind::Fetch, kv.0, h as u32, fetched.into_iter());
            }
        }
        moved
    }
}
