//! What a burst was asked for, on its way back.

use std::{ops::Range, rc::Rc};

use wgpu::{BufferAsyncError, BufferUsages};

use super::{
    Buffer, Device,
    wait::{Wait, wait},
};
use crate::{Error, Result};

/// Staging buffers that are kept: what a pass asks for, and what a larger one did.
const MOST: usize = 4;

/// The results of a submitted burst.
pub struct Pending {
    device: Rc<Device>,
    /// Where they arrive; none if nothing was asked for.
    staging: Option<wgpu::Buffer>,
    lengths: Vec<usize>,
    mapped: Wait<std::result::Result<(), BufferAsyncError>>,
}

impl Device {
    /// Records the copies of what is wanted, one behind the other.
    pub(super) fn stage(
        &self,
        reads: &[(Buffer, Range<u64>)],
        encoder: &mut wgpu::CommandEncoder,
    ) -> Option<wgpu::Buffer> {
        let bytes: u64 = reads.iter().map(|(_, range)| 4 * (range.end - range.start)).sum();
        if bytes == 0 {
            return None;
        }
        let staging = self.staging(bytes);
        let mut at = 0;
        for (buffer, range) in reads {
            let size = 4 * (range.end - range.start);
            encoder.copy_buffer_to_buffer(&buffer.raw, 4 * range.start, &staging, at, size);
            at += size;
        }
        self.count(|counters| {
            counters.readbacks += 1;
            counters.downloaded += bytes;
        });
        Some(staging)
    }

    /// A buffer of at least so many bytes: one that was read before, so that a token allocates none.
    fn staging(&self, bytes: u64) -> wgpu::Buffer {
        let mut idle = self.staging.borrow_mut();
        if let Some(fits) = idle.iter().position(|buffer| buffer.size() >= bytes) {
            return idle.swap_remove(fits);
        }
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: bytes.next_power_of_two(),
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Takes back one that has been read.
    fn put_back(&self, staging: &wgpu::Buffer) {
        staging.unmap();
        let mut idle = self.staging.borrow_mut();
        idle.push(staging.clone());
        if idle.len() > MOST {
            idle.swap_remove(0).destroy();
        }
    }
}

/// Bytes of lists of so many numbers.
fn bytes_of(lengths: &[usize]) -> u64 {
    4 * lengths.iter().sum::<usize>() as u64
}

impl Pending {
    pub(super) fn new(device: Rc<Device>, staging: Option<wgpu::Buffer>, lengths: Vec<usize>) -> Pending {
        let (mapped, done) = wait();
        if let Some(staging) = &staging {
            // Of a larger buffer only what was copied.
            staging.map_async(wgpu::MapMode::Read, ..bytes_of(&lengths), done);
        }
        Pending { device, staging, lengths, mapped }
    }

    /// What was asked for, in that order, each its own list; `None` while it is on its way. Natively this waits for it;
    /// in a page it comes when the event loop has had its turn.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device is lost or refused something, [`Error::Memory`].
    pub fn take(&mut self) -> Result<Option<Vec<Vec<u32>>>> {
        self.poll()?;
        if self.staging.is_none() {
            return Ok(Some(vec![Vec::new(); self.lengths.len()]));
        }
        self.mapped.take().map(|mapped| self.unpack(mapped)).transpose()
    }

    /// The same, waiting.
    ///
    /// # Errors
    /// As [`take`](Pending::take).
    pub async fn wait(&mut self) -> Result<Vec<Vec<u32>>> {
        if let Some(there) = self.take()? {
            return Ok(there);
        }
        let mapped = (&mut self.mapped).await;
        self.unpack(mapped)
    }

    /// A page's event loop runs callbacks by itself; natively they run in here.
    fn poll(&self) -> Result<()> {
        let Device { faults, device, .. } = &*self.device;
        let polled = if self.staging.is_some() { device.poll(wgpu::PollType::wait_indefinitely()).err() } else { None };
        faults.check()?;
        polled.map_or(Ok(()), |why| Err(Error::Gpu { why: why.to_string() }))
    }

    fn unpack(&self, mapped: std::result::Result<(), BufferAsyncError>) -> Result<Vec<Vec<u32>>> {
        self.device.faults.check()?;
        let refused = |why: &dyn std::fmt::Display| Error::Gpu {
            why: format!("what it computed cannot be read back, as after a device is lost ({why})"),
        };
        mapped.map_err(|why| refused(&why))?;
        let Some(staging) = &self.staging else { return Ok(Vec::new()) };
        let view = staging.get_mapped_range(..bytes_of(&self.lengths)).map_err(|why| refused(&why))?;
        let mut rest = &view[..];
        let apart = |&length: &usize| {
            let (own, more) = rest.split_at(4 * length);
            rest = more;
            bytemuck::pod_collect_to_vec(own)
        };
        let words = self.lengths.iter().map(apart).collect();
        drop(view);
        self.device.put_back(staging);
        Ok(words)
    }
}
