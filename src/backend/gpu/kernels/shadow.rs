//! What a sparse read missed.

use bytemuck::{Pod, Zeroable};

use super::{
    mass::{ReadParams, StepRead},
    shaders::SHADOW,
};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::TableAt,
    },
};

/// A sparse read of a pass of one row beside full attention of the same.
pub(crate) struct Shadow<'a> {
    /// What was read, with the scores and log-sum-exps of full attention.
    pub read: StepRead<'a>,
    /// Output of full attention, and of the sparse read.
    pub full: &'a Buffer,
    pub output: &'a Buffer,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    missed: TableAt,
    read: ReadParams,
    dim: u32,
}

impl Shadow<'_> {
    /// Records it into a table `[query heads, 2]`: recall and error.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, missed: TableAt) -> Result<()> {
        let StepRead { heads, scores, lse, .. } = self.read;
        let params = Params { missed, read: self.read.params(), dim: heads.dim };
        let kernel = burst.device().kernel(&SHADOW, &[])?;
        burst.dispatch(&kernel, &params, &[memory, scores, lse, self.full, self.output], [heads.query, 1, 1])
    }
}
