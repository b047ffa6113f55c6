//! Steps that wait to become one dispatch.

use super::{Buffer, burst::SLOT};
use crate::backend::gpu::{Chain, PARAMS, Step};

/// Steps of a chain: what a browser compiles for the longest is still small.
const MOST: usize = 8;
/// Columns of all groups that one workgroup goes through for a step, where the step could have more workgroups.
const MOST_COLUMNS: u64 = 1 << 14;

/// The steps so far.
#[derive(Default)]
pub(super) struct Links {
    chain: Chain,
    params: Vec<u8>,
    /// The memory, then scores and log-sum-exps, if a step reads them.
    buffers: Vec<Buffer>,
    /// Groups of each step.
    groups: Vec<u32>,
    /// Most columns of all groups of a step.
    widest: u64,
}

/// What is dispatched.
pub(super) struct Ready {
    pub chain: Chain,
    /// A slot a step.
    pub params: Vec<u8>,
    pub buffers: Vec<Buffer>,
    /// Workgroups.
    pub cells: u32,
}

impl Links {
    /// Cells, were there also a step of so many groups.
    fn cells(&self, groups: u32) -> u32 {
        self.groups.iter().copied().min().unwrap_or(groups).min(groups)
    }

    /// Whether a step works on a buffer.
    pub fn binds(&self, buffer: &Buffer) -> bool {
        self.buffers.iter().any(|own| own.raw == buffer.raw)
    }

    /// Whether a step may follow: every step must fall into the cells, and none may keep too few workgroups busy.
    pub fn takes(&self, memory: &Buffer, inputs: &[&Buffer], groups: u32, columns: u32) -> bool {
        let cells = self.cells(groups);
        let mut all = self.groups.iter().copied().chain([groups]);
        let (is_even, is_alike) = (all.clone().all(|n| n.is_multiple_of(cells)), all.all(|n| n == cells));
        let widest = self.widest.max(u64::from(groups) * u64::from(columns));
        let same = |at: usize, buffer: &Buffer| self.buffers.get(at).is_none_or(|own| own.raw == buffer.raw);
        self.chain.0.len() < MOST
            && is_even
            && (is_alike || widest <= MOST_COLUMNS * u64::from(cells))
            && same(0, memory)
            && inputs.iter().zip(1..).all(|(input, at)| same(at, input))
    }

    /// Adds a step.
    pub fn add(
        &mut self,
        step: (&'static Step, u32),
        params: &[u8],
        memory: &Buffer,
        inputs: &[&Buffer],
        [groups, columns]: [u32; 2],
    ) {
        let at = self.params.len();
        self.params.extend_from_slice(params);
        self.params.resize(at + SLOT as usize, 0);
        self.chain.0.push(step);
        self.groups.push(groups);
        self.widest = self.widest.max(u64::from(groups) * u64::from(columns));
        let buffers = [memory].into_iter().chain(inputs.iter().copied());
        self.buffers.extend(buffers.skip(self.buffers.len()).cloned());
    }

    /// Takes all, unless there are none.
    pub fn take(&mut self) -> Option<Ready> {
        let cells = self.groups.iter().copied().min()?;
        let Links { chain, mut params, buffers, groups, .. } = std::mem::take(self);
        for (slot, groups) in params.chunks_exact_mut(SLOT as usize).zip(groups) {
            slot[PARAMS..PARAMS + 4].copy_from_slice(&(groups / cells).to_le_bytes());
        }
        Some(Ready { chain, params, buffers, cells })
    }
}
