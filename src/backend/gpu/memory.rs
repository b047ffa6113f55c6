//! The words that all operations share, and where in them everything is: `kernels/memory.wgsl` has the same structs.

use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::{
    device::{Buffer, Burst, Device},
    kernels::Lists,
};
use crate::{
    Error, Result,
    ops::{Fresh, Kv},
};

/// Score columns a method may keep in the cache.
pub(super) const COLUMNS: usize = 2;
/// Of [`TableAt::count`]: the rest is the number of columns.
const FIXED: u32 = 1 << 31;
/// Tables by query head over every slot for which there is room in a pass, for each layer.
const TABLES: u64 = 3;
/// And at least so many words.
const LEAST: u64 = 1 << 20;

/// Where a table is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct TableAt {
    pub at: u32,
    pub stride: u32,
    /// Groups, and in the upper half how many of them share a count.
    groups: u32,
    count: u32,
}

impl TableAt {
    pub fn groups(&self) -> u32 {
        self.groups & 0xffff
    }

    /// Columns, if they are no slots.
    pub fn fixed(&self) -> Option<u32> {
        (self.count & FIXED != 0).then_some(self.count & !FIXED)
    }
}

/// Where lists are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct ListsAt {
    pub at: u32,
    pub stride: u32,
    pub groups: u32,
    /// Entries a list may have.
    pub most: u32,
}

impl ListsAt {
    /// The lists as an attention takes them.
    pub fn within(self, words: &Buffer) -> Lists<'_> {
        Lists { buffer: words, first: self.at, stride: self.stride, count: self.groups }
    }
}

/// Where the slots of a layer are counted, and their positions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct SlotsAt {
    pub count: u32,
    pub heads: u32,
    pub position: u32,
    pub stride: u32,
}

/// The memory: counts, twice, for a step reads the old ones while it writes the new ones; positions; columns; and behind
/// them what lives as long as a pass.
pub(super) struct Memory {
    pub words: Buffer,
    layers: u32,
    heads: u32,
    capacity: u32,
    /// Which of its two counts is a layer's.
    side: Vec<u8>,
    columns: Vec<(&'static str, Fresh)>,
    /// Layers in which a column is there.
    made: Vec<[bool; COLUMNS]>,
    next: u32,
}

impl Memory {
    /// Room for `capacity` slots in every KV head; `query_heads` says how large tables are.
    pub fn new(device: &Device, layers: u32, heads: u32, query_heads: u32, capacity: u32) -> Result<Memory> {
        let rows = u64::from(layers) * u64::from(heads);
        let fixed = rows * (2 + u64::from(capacity) * (1 + COLUMNS as u64));
        let tables = TABLES * u64::from(layers) * u64::from(query_heads) * u64::from(capacity);
        let words = fixed + tables.max(LEAST);
        Ok(Memory {
            words: device.buffer("GPU score tables", words)?,
            layers,
            heads,
            capacity,
            side: vec![0; layers as usize],
            columns: Vec::new(),
            made: vec![[false; COLUMNS]; layers as usize],
            next: fixed as u32,
        })
    }

    /// Forgets all slots and columns.
    pub fn forget(&mut self, device: &Device) -> Result<()> {
        self.columns.clear();
        self.made.fill([false; COLUMNS]);
        device.write(&self.words, 0, &vec![0_u32; (2 * self.layers * self.heads) as usize])
    }

    fn first_column(&self) -> u32 {
        self.layers * self.heads * (2 + self.capacity)
    }

    /// Forgets the tables and lists of a pass.
    pub fn begin_pass(&mut self) {
        self.next = self.first_column() + COLUMNS as u32 * self.layers * self.heads * self.capacity;
    }

    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    fn count(&self, kv: Kv, side: u8) -> u32 {
        (u32::from(side) * self.layers + kv.0) * self.heads
    }

    /// The slots of a layer as they are now.
    pub fn slots(&self, kv: Kv) -> SlotsAt {
        SlotsAt {
            count: self.count(kv, self.side[kv.0 as usize]),
            heads: self.heads,
            position: self.layers * self.heads * 2 + kv.0 * self.heads * self.capacity,
            stride: self.capacity,
        }
    }

    /// Where the next counts of a layer are written.
    pub fn next_count(&self, kv: Kv) -> u32 {
        self.count(kv, 1 - self.side[kv.0 as usize])
    }

    /// From now on the next counts are the layer's.
    pub fn turn(&mut self, kv: Kv) {
        self.side[kv.0 as usize] ^= 1;
    }

    /// Word of a column's score of slot 0 of a layer's first KV head.
    fn column_at(&self, kv: Kv, column: usize) -> u32 {
        self.first_column() + ((column as u32 * self.layers + kv.0) * self.heads) * self.capacity
    }

    /// The columns that a layer has: where, and what a new slot starts with.
    pub fn columns(&self, kv: Kv) -> [Option<(u32, Fresh)>; COLUMNS] {
        let made = &self.made[kv.0 as usize];
        let of = |i: usize| self.columns.get(i).filter(|_| made[i]).map(|(_, fresh)| (self.column_at(kv, i), *fresh));
        std::array::from_fn(of)
    }

    /// A column as a table, and whether it has just been made, so that all its slots are to be filled.
    pub fn column(&mut self, kv: Kv, name: &'static str, fresh: Fresh) -> Result<(TableAt, bool)> {
        let column = match self.columns.iter().position(|(known, _)| *known == name) {
            Some(column) => column,
            None if self.columns.len() < COLUMNS => {
                self.columns.push((name, fresh));
                self.columns.len() - 1
            }
            None => {
                let (got, supported) = ("a method with more".to_owned(), "two score columns".to_owned());
                return Err(Error::Unsupported { what: "on a GPU", got, supported });
            }
        };
        let made = std::mem::replace(&mut self.made[kv.0 as usize][column], true);
        let table = TableAt { at: self.column_at(kv, column), stride: self.capacity, ..self.by_slot(kv, self.heads) };
        Ok((table, !made))
    }

    fn by_slot(&self, kv: Kv, groups: u32) -> TableAt {
        let share = (groups / self.heads).max(1);
        TableAt { at: 0, stride: 0, groups: groups | share << 16, count: self.slots(kv).count }
    }

    /// Words that are free in this pass.
    pub fn left(&self) -> u64 {
        self.words.words().saturating_sub(self.next.into())
    }

    fn take(&mut self, words: u64) -> Result<u32> {
        let (at, end) = (self.next, u64::from(self.next) + words);
        if end > self.words.words() {
            return Err(Error::Memory { what: "GPU score tables", bytes: 4 * words });
        }
        self.next = end as u32;
        Ok(at)
    }

    /// Room for a table over the slots of a layer, of which no head has more than `live`.
    pub fn slot_table(&mut self, kv: Kv, groups: u32, live: u32) -> Result<TableAt> {
        let at = self.take(u64::from(groups) * u64::from(live))?;
        Ok(TableAt { at, stride: live, ..self.by_slot(kv, groups) })
    }

    /// Room for a table of `columns` columns that are no slots.
    pub fn fixed_table(&mut self, groups: u32, columns: u32) -> Result<TableAt> {
        let at = self.take(u64::from(groups) * u64::from(columns))?;
        Ok(TableAt { at, stride: columns, groups: groups | 1 << 16, count: FIXED | columns })
    }

    /// Room for lists of up to `most` entries.
    pub fn lists(&mut self, groups: u32, most: u32) -> Result<ListsAt> {
        let at = self.take(u64::from(groups) * (u64::from(most) + 1))?;
        Ok(ListsAt { at, stride: most + 1, groups, most })
    }

    /// Grows to `capacity` slots a KV head between passes; what is there is kept.
    pub fn grow(&mut self, device: &Rc<Device>, query_heads: u32, capacity: u32) -> Result<()> {
        let mut new = Memory::new(device, self.layers, self.heads, query_heads, capacity)?;
        let rows = self.layers * self.heads;
        let burst: Burst = device.burst();
        let mut copies = vec![(0, 0, 2 * rows)];
        let [from, to] = [&*self, &new].map(|m| (2 * rows, m.capacity));
        copies.extend((0..rows * (1 + COLUMNS as u32)).map(|i| (from.0 + i * from.1, to.0 + i * to.1, self.capacity)));
        burst.copy(&self.words, &new.words, &copies)?;
        (new.side, new.columns, new.made) =
            (std::mem::take(&mut self.side), std::mem::take(&mut self.columns), std::mem::take(&mut self.made));
        std::mem::replace(self, new).words.destroy();
        self.begin_pass();
        Ok(())
    }
}
