//! Rotation of a pass's queries and keys, and the appending of its keys and values.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::{Heads, Stored, shaders::ROPE};
use crate::{
    Error, Result,
    backend::gpu::{
        device::{Buffer, Burst, Device},
        memory::{COLUMNS, SlotsAt},
    },
    kernels::{Rope, RopeStyle},
    ops::Fresh,
};

/// Cosines and sines on the device.
pub struct RopeTable {
    pub(super) table: Buffer,
    pub(super) style: RopeStyle,
    pub(super) rotated: u32,
    positions: u32,
}

impl RopeTable {
    /// Moves a table to the device.
    ///
    /// # Errors
    /// Those of [`Device::buffer`].
    pub fn upload(device: &Device, rope: &Rope) -> Result<RopeTable> {
        Ok(RopeTable {
            table: device.upload("rope", bytemuck::cast_slice::<_, f32>(rope.table()))?,
            style: rope.style(),
            rotated: rope.rotated() as u32,
            positions: rope.positions() as u32,
        })
    }
}

/// A score column that new slots get a number in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Column {
    at: u32,
    fresh: u32,
    kind: u32,
    unused: u32,
}

impl Column {
    /// The column whose score of slot 0 of KV head 0 is word `at`, with what new slots get there.
    #[must_use]
    pub fn new(at: u32, fresh: Fresh) -> Column {
        let (fresh, kind) = match fresh {
            Fresh::Value(value) => (value.to_bits(), 0),
            Fresh::Position => (0, 1),
            Fresh::Random => (0, 2),
        };
        Column { at, fresh, kind, unused: 0 }
    }
}

/// One layer's queries, keys and values of a piece of a pass as the projection left them.
pub(crate) struct Append<'a> {
    /// Shape.
    pub heads: Heads,
    /// `[rows, (query heads + 2 * KV heads) * dim]`: of every row the queries, the keys, the values.
    pub qkv: &'a Buffer,
    /// Rows of the pass.
    pub rows: Range<u32>,
    /// Rows the pass has.
    pub pass_rows: u32,
    /// Position of the first row, and what it is rotated by.
    pub position: u32,
    pub angle: u32,
    /// Rotation; without, they come rotated.
    pub rope: Option<&'a RopeTable>,
    /// Keys are rotated when they are read.
    pub keys_unrotated: bool,
    /// The cache.
    pub stored: Stored<'a>,
    /// Slots before the pass, and where they are counted with it.
    pub slots: SlotsAt,
    pub new_count: u32,
    /// Score columns.
    pub columns: &'a [Option<Column>; COLUMNS],
    /// Keys and values are this host's.
    pub stores: bool,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    slots: SlotsAt,
    columns: [Column; COLUMNS],
    rows: u32,
    heads: u32,
    dim: u32,
    rotated: u32,
    halves: u32,
    position: u32,
    angle: u32,
    row: u32,
    pass_rows: u32,
    stores: u32,
    kv: [u32; 2],
    new_count: u32,
    columns_used: u32,
    q_first: u32,
    keys_unrotated: u32,
}

impl Append<'_> {
    /// Records it; `q` gets the rotated queries, `[rows of the pass, query heads, dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when parts do not fit together or the table is too short.
    pub fn record(&self, burst: &mut Burst, memory: &Buffer, q: &Buffer) -> Result<()> {
        let (heads, rows) = (self.heads, self.rows.end - self.rows.start);
        heads.check("rope", 8, 256)?;
        let all = heads.query + 2 * heads.kv;
        let numbers = |rows: u32, heads: u32| u64::from(rows) * u64::from(heads * self.heads.dim);
        let short = |rope: &RopeTable| rope.rotated > heads.dim || self.angle + rows > rope.positions;
        if self.qkv.words() < numbers(rows, all)
            || q.words() < numbers(self.rows.end, heads.query)
            || self.rope.is_some_and(short)
        {
            let (want, got) = (format!("rows of {all} heads in reach of the table"), format!("{:?}", self.rows));
            return Err(Error::Shape { op: "rope", want, got });
        }
        // The kernel takes the first `columns_used`; a layer may have the second alone.
        let mut columns = [Column::default(); COLUMNS];
        columns.iter_mut().zip(self.columns.iter().flatten()).for_each(|(to, column)| *to = *column);
        let params = Params {
            slots: self.slots,
            columns,
            rows,
            heads: heads.query,
            dim: heads.dim,
            rotated: self.rope.map_or(0, |rope| rope.rotated),
            halves: self.rope.map_or(0, |rope| u32::from(rope.style == RopeStyle::Halves)),
            position: self.position,
            angle: self.angle,
            row: self.rows.start,
            pass_rows: self.pass_rows,
            stores: self.stores.into(),
            kv: [self.stored.rows.first, self.stored.rows.stride],
            new_count: self.new_count,
            columns_used: self.columns.iter().flatten().count() as u32,
            q_first: self.rows.start * heads.query * heads.dim,
            keys_unrotated: self.keys_unrotated.into(),
        };
        let kernel = burst.device().kernel(&ROPE, &[self.stored.is_f32()])?;
        let table = self.rope.map_or_else(|| burst.device().nothing.clone(), |rope| rope.table.clone());
        let Stored { k, v, .. } = self.stored;
        let buffers = [memory, self.qkv, &table, q, k, v];
        burst.dispatch(&kernel, &params, &buffers, [(all * heads.dim / 2).div_ceil(64), rows, 1])
    }
}
