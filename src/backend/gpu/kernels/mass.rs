//! The attention mass that slots got.

use bytemuck::{Pod, Zeroable};

use super::{Heads, Stored, shaders::MASS_ROWS, steps::MASS};
use crate::{
    Result,
    backend::gpu::{
        device::{Buffer, Burst},
        memory::{ListsAt, SlotsAt, TableAt},
    },
    kernels::Span,
};

/// What a decode step read, and the scores that its attention kept.
#[derive(Clone, Copy)]
pub(crate) struct StepRead<'a> {
    pub heads: Heads,
    pub slots: SlotsAt,
    /// What was read; `None`: of all slots the newest `window`.
    pub lists: Option<ListsAt>,
    pub window: u32,
    /// Scores by place in the list, of all slots by slot, so many numbers from a query head to the next.
    pub scores: &'a Buffer,
    pub stride: u32,
    pub lse: &'a Buffer,
}

/// The same for a kernel.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct ReadParams {
    lists: ListsAt,
    heads: u32,
    stride: u32,
    window: u32,
    slots: u32,
    kv_heads: u32,
}

impl StepRead<'_> {
    pub(super) fn params(&self) -> ReadParams {
        ReadParams {
            lists: self.lists.unwrap_or_else(ListsAt::zeroed),
            heads: self.heads.query,
            stride: self.stride,
            window: self.window,
            slots: self.slots.count,
            kv_heads: self.heads.kv,
        }
    }

    /// Records the mass that it left.
    pub fn mass(&self, burst: &mut Burst, memory: &Buffer, mass: TableAt) -> Result<()> {
        let params = MassParams { mass, read: self.params() };
        burst.step((&MASS, 0), &params, memory, &[self.scores, self.lse], [mass.groups(), self.stride])
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MassParams {
    mass: TableAt,
    read: ReadParams,
}

/// Mass of several rows.
pub(crate) struct RowsMass<'a> {
    pub heads: Heads,
    pub mass: TableAt,
    pub stored: Stored<'a>,
    /// Slots that any KV head has.
    pub slots: u32,
    /// Queries, and the number where those of the first row begin.
    pub q: &'a Buffer,
    pub q_first: u32,
    /// Log-sum-exps `[rows, query heads]`, and the number where those of the first row begin.
    pub lse: &'a Buffer,
    pub lse_first: u32,
    pub rows: u32,
    /// What the first of these rows and the others see.
    pub span: Span,
    /// Word of the first KV head's slots, of which the first row does not see so many, in place of what it sees.
    pub counts: Option<(u32, u32)>,
    /// Adds to what is in the table.
    pub adds: bool,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct RowsParams {
    mass: TableAt,
    kv: [u32; 2],
    kv_heads: u32,
    heads: u32,
    rows: u32,
    q_first: u32,
    lse_first: u32,
    sees: u32,
    step: u32,
    window: u32,
    adds: u32,
    scale: f32,
    count_at: u32,
    after: u32,
}

impl RowsMass<'_> {
    /// Records it.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer) -> Result<()> {
        let params = RowsParams {
            mass: self.mass,
            kv: [self.stored.rows.first, self.stored.rows.stride],
            kv_heads: self.heads.kv,
            heads: self.heads.query,
            rows: self.rows,
            q_first: self.q_first,
            lse_first: self.lse_first,
            sees: self.span.sees as u32,
            step: u32::from(!self.span.fixed),
            window: u32::try_from(self.span.window).unwrap_or(u32::MAX),
            adds: self.adds.into(),
            scale: self.heads.scale(),
            count_at: self.counts.map_or(u32::MAX, |(at, _)| at),
            after: self.counts.map_or(0, |(_, after)| after),
        };
        let kernel = burst.device().kernel(&MASS_ROWS, &[self.heads.dim, self.stored.is_f32()])?;
        let buffers = [memory, self.q, self.stored.k, self.lse];
        burst.dispatch(&kernel, &params, &buffers, [self.slots.div_ceil(64), self.mass.groups(), 1])
    }
}
