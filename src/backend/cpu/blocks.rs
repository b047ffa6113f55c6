//! Reads by blocks: what they must fit, what they cost, and their record in the trace.

use super::Cpu;
use crate::{
    Error, Result,
    kernels::Blocks,
    ops::{Kv, Set},
    trace::{Detail, Kind},
};

/// Most blocks of a layer and slots of a block, so that a trace record holds both.
const MOST: usize = u16::MAX as usize;

impl Cpu {
    /// Refuses a grid of blocks that this layer does not have; returns the number of blocks.
    pub(super) fn block_grid(&self, kv: Kv, size: u32) -> Result<usize> {
        let (live, size) = (self.cache.live(kv), size as usize);
        let count = live.div_ceil(size.max(1));
        if size == 0 || size > MOST || count > MOST {
            let want = format!("blocks of 1 to {MOST} slots, at most {MOST} of them");
            return Err(Error::Shape { op: "blocks", want, got: format!("{count} of {size} slots") });
        }
        if self.cache.layer(kv).iter().any(|head| head.len() != live) {
            let (want, got) = ("KV heads that keep the same rows", "KV heads of different lengths");
            return Err(Error::Shape { op: "blocks", want: want.to_owned(), got: got.to_owned() });
        }
        Ok(count)
    }

    /// Counts and records what the rows from `first` of the pass on read of a layer by blocks; returns its slots that
    /// any head of KV head `head` has read.
    pub(super) fn account_blocks(&mut self, kv: Kv, head: usize, pairs: Set, size: u32, first: u32) -> Result<u64> {
        let (count, size, live) = (self.block_grid(kv, size)?, size as usize, self.cache.live(kv));
        let (query_heads, kv_heads) = (self.shape.query_heads, self.shape.kv_heads);
        let group = query_heads / kv_heads;
        let from = (live - (self.pass.rows - first) as usize) / size;
        let slots = |block: usize| size.min(live - block * size);
        let lists = self.tables.set(pairs)?;
        self.seen.clear();
        self.seen.resize(count, false);
        for query in head * group..(head + 1) * group {
            let list = [lists.list(query * lists.groups() / query_heads)];
            let blocks = Blocks { size, count, pairs: &list };
            let newest = blocks.of(0, count - 1);
            self.read.rows += newest.clone().map(slots).sum::<usize>() as u64;
            for query_block in from..count {
                blocks.of(0, query_block).for_each(|block| self.seen[block] = true);
            }
            if self.tracer.detail >= Detail::Sets {
                let position = &self.cache.layer(kv)[head].position;
                let positions = newest.flat_map(|block| &position[block * size..][..slots(block)]).copied();
                self.tracer.positions(Kind::ReadRun, Kind::ReadBits, kv.0, query as u32, positions);
                let triangle = |row: usize| row * (row + 1) / 2;
                let active = (from..count).flat_map(|row| blocks.of(0, row).map(move |block| triangle(row) + block));
                let grid = (count << 16 | size) as u32;
                self.tracer.bits(Kind::ReadBlocks, kv.0, query as u32, grid, triangle(count), active);
            }
        }
        Ok(self.seen.iter().zip(0..).filter(|(seen, _)| **seen).map(|(_, block)| slots(block) as u64).sum())
    }
}
