//! Rotation of a pass's queries and keys, and the appending of its keys and values.

use bytemuck::{Pod, Zeroable};

use super::{Buffer, Burst, Gpu, Heads, Lists, Stored, shaders::ROPE};
use crate::{
    Error, Result,
    kernels::{Rope, RopeStyle},
};

/// Cosines and sines on the device.
pub struct RopeTable {
    table: Buffer,
    style: RopeStyle,
    rotated: u32,
    positions: u32,
}

impl RopeTable {
    /// Moves a table to the device.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn upload(gpu: &Gpu, rope: &Rope) -> Result<RopeTable> {
        Ok(RopeTable {
            table: gpu.upload("rope", bytemuck::cast_slice::<_, f32>(rope.table()))?,
            style: rope.style(),
            rotated: rope.rotated() as u32,
            positions: rope.positions() as u32,
        })
    }
}

/// One layer's queries, keys and values of a pass as the projection left them.
#[derive(Clone, Copy)]
pub struct Append<'a> {
    /// Shape.
    pub heads: Heads,
    /// `[rows, (query heads + 2 * KV heads) * dim]`: of every row the queries, the keys, the values.
    pub qkv: &'a Buffer,
    /// Rows.
    pub rows: u32,
    /// Position of row 0.
    pub first: u32,
    /// Rotation.
    pub rope: &'a RopeTable,
    /// The cache.
    pub stored: Stored<'a>,
    /// Slots of every KV head, those of this pass included: of the lists only their counts.
    pub counts: Lists<'a>,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    dim: u32,
    rotated: u32,
    halves: u32,
    first: u32,
    kv: [u32; 2],
    counts: [u32; 2],
}

impl Append<'_> {
    /// Records it; `q` gets the rotated queries, `[rows, query heads, dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when parts do not fit together or the table is too short.
    pub fn record(&self, burst: &mut Burst, q: &Buffer) -> Result<()> {
        let (heads, rope) = (self.heads, self.rope);
        heads.check("rope", 8, 256)?;
        let all = heads.query + 2 * heads.kv;
        let numbers = |heads: u32| u64::from(self.rows) * u64::from(heads * self.heads.dim);
        if self.qkv.words() < numbers(all)
            || q.words() < numbers(heads.query)
            || rope.rotated > heads.dim
            || self.first + self.rows > rope.positions
        {
            let want = format!("rows of {all} heads, positions below {}", rope.positions);
            return Err(Error::Shape { op: "rope", want, got: format!("{} rows from {} on", self.rows, self.first) });
        }
        let params = Params {
            rows: self.rows,
            heads: heads.query,
            kv_heads: heads.kv,
            dim: heads.dim,
            rotated: rope.rotated,
            halves: u32::from(rope.style == RopeStyle::Halves),
            first: self.first,
            kv: [self.stored.rows.first, self.stored.rows.stride],
            counts: [self.counts.first, if self.counts.count == 1 { 0 } else { self.counts.stride }],
        };
        let kernel = burst.gpu().kernel(&ROPE, &[])?;
        let Stored { k, v, .. } = self.stored;
        let buffers = [self.qkv, &rope.table, self.counts.buffer, q, k, v];
        burst.dispatch(&kernel, &params, &buffers, [(all * heads.dim / 2).div_ceil(64), self.rows, 1])
    }
}
