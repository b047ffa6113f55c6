//! Sets of slots as sets of original positions and back: what one layer chose, in another that has dropped other rows.

use super::Cpu;
use crate::{
    Result,
    ops::{Kv, Set},
};

impl Cpu {
    /// True when nothing before the newest slot was dropped: slots are positions.
    fn is_whole(&self, kv: Kv) -> bool {
        self.cache.layer(kv).iter().all(|head| head.position.last().is_none_or(|p| *p as usize + 1 == head.len()))
    }

    pub(super) fn positions_of(&mut self, kv: Kv, set: Set) -> Result<Set> {
        let groups = self.tables.set(set)?.groups();
        self.check_alike("positions", kv, groups)?;
        if self.is_whole(kv) {
            return Ok(set);
        }
        self.fill_set(groups, |on, group, out| {
            let heads = on.cache.layer(kv);
            let position = &heads[group * heads.len() / groups.max(1)].position;
            out.extend(on.list_of(set, group, groups)?.iter().map(|&slot| position[slot as usize]));
            Ok(())
        })
    }

    pub(super) fn slots_at(&mut self, kv: Kv, positions: Set) -> Result<Set> {
        let groups = self.tables.set(positions)?.groups();
        self.check_alike("at_positions", kv, groups)?;
        if self.is_whole(kv) {
            return Ok(positions);
        }
        self.fill_set(groups, |on, group, out| {
            let heads = on.cache.layer(kv);
            let live = &heads[group * heads.len() / groups.max(1)].position;
            let mut rest = &live[..];
            for wanted in on.list_of(positions, group, groups)? {
                rest = &rest[rest.partition_point(|p| p < wanted)..];
                if rest.first() == Some(wanted) {
                    out.push((live.len() - rest.len()) as u32);
                }
            }
            if out.is_empty() {
                out.extend((live.len() as u32).checked_sub(1));
            }
            Ok(())
        })
    }
}
