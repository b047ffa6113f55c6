//! Shadow evaluation: what a sparse read of the running pass missed.

use super::{
    Gpu, at_least,
    kernels::{Shadow, StepRead},
    mirror::Call,
};
use crate::{
    Error, Result,
    ops::{Kv, Read},
};

impl Gpu {
    pub(super) fn compare_dense(&mut self, kv: Kv, read: Read) -> Result<()> {
        if self.pass.rows != 1 {
            let (want, got) = ("a pass of one row".to_owned(), format!("{} rows", self.pass.rows));
            return Err(Error::Shape { op: "shadow", want, got });
        }
        let (lists, window) = match read {
            Read::Slots(set) => (Some(self.listed(set)?.at), u32::MAX),
            Read::Window(w) => (None, w),
            Read::Blocks { .. } => return Gpu::missing("what a read by blocks missed"),
            Read::All | Read::Coarse | Read::BottomRight | Read::Rounded(_) => (None, u32::MAX),
        };
        let split = self.split(kv, Read::All, &(0..1))?;
        let heads = self.heads;
        at_least(&self.device, &mut self.room.full[0], u64::from(heads.query * heads.dim))?;
        at_least(&self.device, &mut self.room.full[1], u64::from(heads.query))?;
        let (_, missed) = self.fixed_table(kv, heads.query, 2)?;
        self.record(|on, burst| {
            let [full, lse] = &on.room.full;
            on.record_split(burst, kv, &split, true, [full, lse])?;
            let (slots, scores) = (on.memory.slots(kv), &on.room.scores);
            let read = StepRead { heads, slots, lists, window, scores, stride: split.stride, lse };
            Shadow { read, full, output: &on.room.output }.record(burst, &on.memory.words, missed)
        })?;
        self.mirror.note(Call::Shadow { kv, missed });
        Ok(())
    }
}
