//! Device memory.

use bytemuck::Pod;
use wgpu::BufferUsages;

use super::Device;
use crate::{Error, Result};

/// Numbers of 32 bits on the device: f32, u32, or pairs of f16.
#[derive(Clone)]
pub struct Buffer {
    pub(crate) raw: wgpu::Buffer,
}

impl Buffer {
    /// Gives its memory back when what was submitted has ended; in a page dropping it does not.
    pub(crate) fn destroy(&self) {
        self.raw.destroy();
    }

    /// How many numbers of 32 bits it holds.
    #[must_use]
    pub fn words(&self) -> u64 {
        self.raw.size() / 4
    }
}

/// Largest buffer that can be bound whole: the default limit, 128 MiB.
pub(crate) const MOST: u64 = 128 << 20;

impl Device {
    /// A buffer of `words` zeros; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Memory`] when it cannot be had or is above 128 MiB, [`Error::Gpu`] when the device is lost. In a page an
    /// allocation fails late: then the next burst has the error.
    pub fn buffer(&self, what: &'static str, words: u64) -> Result<Buffer> {
        let bytes = words.saturating_mul(4).max(4);
        if bytes > MOST {
            return Err(Error::Memory { what, bytes });
        }
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match self.faults.check() {
            Err(Error::Memory { .. }) => Err(Error::Memory { what, bytes }),
            other => other.map(|()| Buffer { raw }),
        }
    }

    /// A buffer that holds `values`, whose bytes are whole numbers of 32 bits.
    ///
    /// # Errors
    /// As [`buffer`](Device::buffer).
    pub fn upload<T: Pod>(&self, what: &'static str, values: &[T]) -> Result<Buffer> {
        let buffer = self.buffer(what, size_of_val(values).div_ceil(4) as u64)?;
        self.write(&buffer, 0, values)?;
        Ok(buffer)
    }

    /// Writes `values` from number `first` of a buffer on, before whatever a later burst does.
    ///
    /// # Errors
    /// [`Error::Shape`] when they do not fit or are no whole numbers of 32 bits, [`Error::Gpu`] when the device is lost.
    pub fn write<T: Pod>(&self, buffer: &Buffer, first: u64, values: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let end = first.saturating_mul(4).saturating_add(bytes.len() as u64);
        if end > buffer.raw.size() || !bytes.len().is_multiple_of(4) {
            let want = format!("whole words within {} bytes", buffer.raw.size());
            return Err(Error::Shape { op: "device write", want, got: format!("{} up to {end}", bytes.len()) });
        }
        self.queue.write_buffer(&buffer.raw, 4 * first, bytes);
        self.count(|counters| counters.uploaded += bytes.len() as u64);
        self.faults.check()
    }
}
