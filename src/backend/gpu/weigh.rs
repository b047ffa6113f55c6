//! The newest query's weights, for the trace.

use super::{Gpu, at_least, kernels::StepRead, mirror::Call};
use crate::{
    Result,
    ops::{Dense, Group, Kv, Mass, Read, Scores},
};

impl Gpu {
    pub(super) fn weigh_newest(&mut self, kv: Kv, read: Read, left: Option<Scores>) -> Result<()> {
        let table = match left {
            Some(table) => table,
            None => self.newest_mass(kv, read)?,
        };
        // No copy: nobody changes a mass table.
        self.mirror.note(Call::Weights { kv, table: self.handles.table(table)?.at });
        Ok(())
    }

    /// Attention once more for the newest row of several, beside what the pass's own has left.
    fn newest_mass(&mut self, kv: Kv, read: Read) -> Result<Scores> {
        let (heads, newest) = (self.heads, self.pass.rows - 1);
        let lists = if let Read::Slots(set) = read { Some(self.listed(set)?.at) } else { None };
        let window = if let Read::Window(w) = read { w } else { u32::MAX };
        let table = self.open(kv, Mass { rows: 1, per: Group::Query })?;
        // Copies that were rounded for the pass's own attention are still there.
        let (read, rounded) = match read {
            Read::Rounded(_) => (Read::All, true),
            read => (read, false),
        };
        self.pass.rounded = rounded;
        let split = self.split(kv, read, &(newest..newest + 1))?;
        at_least(&self.device, &mut self.room.full[0], u64::from(heads.query * heads.dim))?;
        at_least(&self.device, &mut self.room.full[1], u64::from(heads.query))?;
        self.record(|on, burst| {
            let [full, lse] = &on.room.full;
            on.record_split(burst, kv, &split, true, [full, lse])?;
            let (slots, scores) = (on.memory.slots(kv), &on.room.scores);
            let read = StepRead { heads, slots, lists, window, scores, stride: split.stride, lse };
            read.mass(burst, &on.memory.words, on.handles.table(table)?.at)
        })?;
        self.pass.rounded = false;
        self.handles.written(table);
        Ok(table)
    }
}
