//! A device, its buffers and compiled kernels, and bursts of work that wait once.
//!
//! The same code runs natively (Vulkan, Metal, Direct3D 12) and in a page. Only WebGPU's default limits are asked for, so
//! what a software adapter computes in a test is what a graphics card computes. `docs/gpu.md` says how buffers are laid
//! out and how a token is recorded.

mod adapter;
mod buffer;
mod burst;
mod faults;
mod links;
mod pending;
mod pipelines;
mod wait;

pub use adapter::Report;
pub use buffer::Buffer;
pub(crate) use buffer::MOST;
pub use burst::{Burst, Counters};
pub use pending::Pending;
pub use pipelines::Kernel;

use std::cell::{Cell, RefCell};

use faults::Faults;
use pipelines::Pipelines;

/// A device and what is compiled for it.
pub struct Device {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: Report,
    faults: Faults,
    pipelines: RefCell<Pipelines>,
    /// Buffers that results arrive in, those that nobody waits for.
    staging: RefCell<Vec<wgpu::Buffer>>,
    counters: Cell<Counters>,
    /// Bound where a kernel's optional output is not wanted.
    pub(crate) nothing: Buffer,
}

impl Device {
    /// What kind of device this is.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was done since the device was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.get()
    }

    /// Whether the device can be used.
    ///
    /// # Errors
    /// What was wrong first: [`Error::Gpu`](crate::Error::Gpu), [`Error::Memory`](crate::Error::Memory).
    pub fn check(&self) -> crate::Result<()> {
        self.faults.check()
    }

    /// Gives the device up: everything that uses it from now on is [`Error::Gpu`](crate::Error::Gpu), as when a driver
    /// loses it.
    pub fn destroy(&self) {
        self.device.destroy();
        self.faults.lose("the device was destroyed");
    }

    fn count(&self, add: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        add(&mut counters);
        self.counters.set(counters);
    }
}
