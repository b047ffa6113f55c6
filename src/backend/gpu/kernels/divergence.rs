//! How even distributions are, and how far two are apart.

use bytemuck::{Pod, Zeroable};

use super::shaders::DIVERGENCE;
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::TableAt,
    },
};

/// What is computed.
#[derive(Clone, Copy)]
pub(crate) enum Divergence {
    /// Entropy over that of an even distribution, mean over the groups.
    Entropy(TableAt),
    /// Square root of the Jensen-Shannon divergence of two tables, group by group.
    Distance(TableAt, TableAt),
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    a: TableAt,
    b: TableAt,
    result: TableAt,
}

impl Divergence {
    /// Records it; the result has one column.
    pub fn record(self, burst: &mut Burst, memory: &Buffer, result: TableAt) -> Result<()> {
        let (op, a, b) = match self {
            Divergence::Entropy(scores) => (0, scores, scores),
            Divergence::Distance(a, b) => (1, a, b),
        };
        let kernel = burst.device().kernel(&DIVERGENCE, &[op])?;
        burst.dispatch(&kernel, &Params { a, b, result }, &[memory], [result.groups(), 1, 1])
    }
}
