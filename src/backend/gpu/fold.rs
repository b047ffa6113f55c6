//! Dropped rows go into kept ones.

use super::{Gpu, kernels::FoldRows, mirror::Call};
use crate::{
    Result,
    ops::{Fold, Kv, Set},
    trace::Detail,
};

impl Gpu {
    pub(super) fn fold_rows(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()> {
        let kept = self.listed(set)?.at;
        self.check_kept("fold", kv, kept)?;
        let (heads, live, slots) = (self.heads, self.live[kv.0 as usize], self.memory.slots(kv));
        let near = self.fixed_table(kv, 2 * heads.kv, live)?.1;
        let cosines = self.fixed_table(kv, heads.kv, live)?.1;
        let (moved, moves) = self.new_set(heads.kv, 2 * live, u32::MAX)?;
        self.record(|on, burst| {
            let most = kept.most.min(live);
            let fold = FoldRows { heads, stored: on.stored(kv), slots, live, kept, most, near, cosines, moves, how };
            fold.record(burst, &on.memory.words)
        })?;
        let moves = (self.mirror.tracer.detail >= Detail::Sets).then_some(moved);
        self.mirror.note(Call::Fold { kv, moves });
        Ok(())
    }
}
