//! What a pass reads: counted, and recorded in the trace. Back ends bring the lists, so all count alike.

use super::checks::unlike_heads;
use crate::{
    Error, Result,
    cache::Cache,
    kernels::Blocks,
    ops::{Kv, Read},
    trace::{ALL_HEADS, Detail, Kind, Tracer},
};

/// Rows and bytes read by the running pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadCount {
    pub rows: u64,
    pub bytes: u64,
    /// Bytes moved between the tiers.
    pub moved: u64,
    /// Least signal-to-noise ratio of what was quantised.
    pub noise: Option<f32>,
}

impl ReadCount {
    /// Takes in the noise of what was quantised, if it was measured.
    pub fn hear(&mut self, noise: Option<f32>) {
        self.noise = self.noise.into_iter().chain(noise).reduce(f32::min);
    }
}

/// What the rows of a pass read of one layer.
pub(super) struct Reading<'a> {
    pub kv: Kv,
    pub read: Read,
    /// The lists of the set that `read` names, if it names one; their number divides the query heads.
    pub lists: &'a [Vec<u32>],
    /// Rows of the pass that attended, the newest.
    pub rows: u32,
}

impl Reading<'_> {
    fn list(&self, query: usize, query_heads: usize) -> &[u32] {
        &self.lists[query * self.lists.len() / query_heads]
    }
}

/// Counts reads of a cache.
pub(super) struct Accountant<'a> {
    pub cache: &'a Cache,
    pub query_heads: usize,
    pub count: &'a mut ReadCount,
    pub tracer: &'a mut Tracer,
    /// Room to work in: slots that a group has read.
    pub seen: &'a mut Vec<bool>,
}

impl Accountant<'_> {
    /// Counts and records what was read of a layer.
    ///
    /// # Errors
    /// [`Error::Shape`] for blocks that the layer does not have.
    pub fn count(&mut self, what: &Reading) -> Result<()> {
        let (layer, row_bytes) = (self.cache.layer(what.kv), self.cache.row_bytes());
        let group = self.query_heads / layer.len();
        self.record_whole(what);
        for (h, head) in layer.iter().enumerate() {
            let live = head.len() as u64;
            let unique = match what.read {
                Read::All | Read::Coarse | Read::BottomRight | Read::Rounded(_) => live,
                Read::Window(w) => live.min(u64::from(w) + u64::from(what.rows) - 1),
                Read::Slots(_) => self.listed(what, h),
                Read::Blocks { size, .. } => self.blocks(what, h, size)?,
            };
            let quantised = head.quantised() as u64;
            self.count.bytes += match what.read {
                Read::All | Read::Coarse | Read::BottomRight if quantised > 0 => {
                    let planes = self.cache.plane_bytes(head, matches!(what.read, Read::Coarse));
                    planes + (unique - quantised) * row_bytes
                }
                _ => unique * row_bytes,
            };
            self.count.rows += match what.read {
                Read::All | Read::Coarse | Read::BottomRight | Read::Rounded(_) => live * group as u64,
                Read::Window(w) => live.min(u64::from(w)) * group as u64,
                Read::Slots(_) | Read::Blocks { .. } => 0,
            };
        }
        Ok(())
    }

    /// Records a read that needs no list.
    fn record_whole(&mut self, what: &Reading) {
        if self.tracer.detail < Detail::Sets {
            return;
        }
        let (kind, aux, a) = match what.read {
            Read::All | Read::BottomRight => (Kind::ReadAll, 0, 0),
            Read::Coarse => (Kind::ReadAll, 1, 0),
            Read::Rounded(bits) => (Kind::ReadAll, 2, bits.into()),
            Read::Window(w) => (Kind::ReadWindow, 0, w),
            Read::Slots(_) | Read::Blocks { .. } => return,
        };
        self.tracer.record(kind, what.kv.0, u32::from(ALL_HEADS), aux, a, 0);
    }

    /// Slots of KV head `h` that any of its query heads has read by a list.
    fn listed(&mut self, what: &Reading, h: usize) -> u64 {
        let layer = self.cache.layer(what.kv);
        let (head, group) = (&layer[h], self.query_heads / layer.len());
        // Heads that share a list read its rows once; otherwise each row is looked up.
        let apart = what.lists.len() > layer.len();
        self.seen.clear();
        self.seen.resize(if apart { head.len() } else { 0 }, false);
        let mut unique = 0;
        for query in h * group..(h + 1) * group {
            let list = what.list(query, self.query_heads);
            self.count.rows += list.len() as u64;
            if apart {
                let new = |slot: &&u32| !std::mem::replace(&mut self.seen[**slot as usize], true);
                unique += list.iter().filter(new).count() as u64;
            } else {
                unique = list.len() as u64;
            }
            if self.tracer.detail >= Detail::Sets {
                let positions = list.iter().map(|&slot| head.position[slot as usize]);
                self.tracer.positions(Kind::ReadRun, Kind::ReadBits, what.kv.0, query as u32, positions);
            }
        }
        unique
    }

    /// The same by blocks of `size` slots.
    fn blocks(&mut self, what: &Reading, h: usize, size: u32) -> Result<u64> {
        let (count, size, live) = (block_grid(self.cache, what.kv, size)?, size as usize, self.cache.live(what.kv));
        let layer = self.cache.layer(what.kv);
        let group = self.query_heads / layer.len();
        let from = (live - what.rows as usize) / size;
        let slots = |block: usize| size.min(live - block * size);
        self.seen.clear();
        self.seen.resize(count, false);
        for query in h * group..(h + 1) * group {
            let list = [what.list(query, self.query_heads)];
            let blocks = Blocks { size, count, pairs: &list };
            let newest = blocks.of(0, count - 1);
            self.count.rows += newest.clone().map(slots).sum::<usize>() as u64;
            for query_block in from..count {
                blocks.of(0, query_block).for_each(|block| self.seen[block] = true);
            }
            if self.tracer.detail >= Detail::Sets {
                let (kv, position) = (what.kv.0, &layer[h].position);
                let positions = newest.flat_map(|block| &position[block * size..][..slots(block)]).copied();
                self.tracer.positions(Kind::ReadRun, Kind::ReadBits, kv, query as u32, positions);
                let triangle = |row: usize| row * (row + 1) / 2;
                let active = (from..count).flat_map(|row| blocks.of(0, row).map(move |block| triangle(row) + block));
                let grid = (count << 16 | size) as u32;
                self.tracer.bits(Kind::ReadBlocks, kv, query as u32, grid, triangle(count), active);
            }
        }
        Ok(self.seen.iter().zip(0..).filter(|(seen, _)| **seen).map(|(_, block)| slots(block) as u64).sum())
    }
}

/// Most blocks of a layer and slots of a block, so that a trace record holds both.
pub(super) const MOST_BLOCKS: usize = u16::MAX as usize;

/// Refuses a grid of blocks that this layer does not have; returns the number of blocks.
pub(super) fn block_grid(cache: &Cache, kv: Kv, size: u32) -> Result<usize> {
    let (live, size) = (cache.live(kv), size as usize);
    let count = live.div_ceil(size.max(1));
    if size == 0 || size > MOST_BLOCKS || count > MOST_BLOCKS {
        let want = format!("blocks of 1 to {MOST_BLOCKS} slots, at most {MOST_BLOCKS} of them");
        return Err(Error::Shape { op: "blocks", want, got: format!("{count} of {size} slots") });
    }
    if cache.layer(kv).iter().any(|head| head.len() != live) {
        return Err(unlike_heads("blocks"));
    }
    Ok(count)
}
