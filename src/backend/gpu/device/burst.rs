//! A burst: dispatches recorded one after the other, submitted and waited for once.
//!
//! All of them are in one compute pass; WebGPU runs each as if the ones before had ended. Their parameters share one
//! buffer, a slot each or a slot a step of a chain, which is written once when they are submitted.

use std::{ops::Range, rc::Rc};

use bytemuck::Pod;
use wgpu::{BindGroupEntry, BindingResource, BufferBinding, ComputePass};

use super::{Buffer, Device, Kernel, Pending, links::Links};
use crate::{
    Error, Result,
    backend::gpu::{PARAMS, Step},
};

/// Bytes from one dispatch's parameters to the next: the least that a dynamic offset may be a multiple of everywhere.
pub(super) const SLOT: u64 = 256;
/// Slots that are submitted at once: some ten tokens of thirty layers, or a good part of a long prompt.
const MOST: u64 = 2048;

/// What was asked of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels run.
    pub dispatches: u64,
    /// Submissions of recorded work.
    pub submits: u64,
    /// Bursts whose results the host waited for.
    pub readbacks: u64,
    /// Bytes sent to the device.
    pub uploaded: u64,
    /// Bytes that came back.
    pub downloaded: u64,
}

/// Work that is being recorded.
pub struct Burst {
    device: Rc<Device>,
    encoder: wgpu::CommandEncoder,
    pass: ComputePass<'static>,
    params: wgpu::Buffer,
    /// Parameters so far, [`SLOT`] bytes a dispatch, or a step of a chain.
    slots: Vec<u8>,
    dispatches: u64,
    /// Steps that wait for one more.
    links: Links,
    reads: Vec<(Buffer, Range<u64>)>,
}

fn record(device: &Device) -> (wgpu::CommandEncoder, ComputePass<'static>) {
    let mut encoder = device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
    (encoder, pass)
}

impl Device {
    /// Begins to record.
    #[must_use]
    pub fn burst(self: &Rc<Device>) -> Burst {
        let (encoder, pass) = record(self);
        let params = self.pipelines.borrow_mut().params(&self.device, SLOT * MOST);
        Burst {
            device: Rc::clone(self),
            encoder,
            pass,
            params,
            slots: Vec::new(),
            dispatches: 0,
            links: Links::default(),
            reads: Vec::new(),
        }
    }
}

impl Burst {
    /// The device it is for.
    #[must_use]
    pub fn device(&self) -> &Rc<Device> {
        &self.device
    }

    /// Records a kernel over `groups` workgroups: `params` at binding 0, then `buffers` in the order of the shader. So
    /// many are submitted at once; what comes after them goes on in the same burst.
    ///
    /// # Errors
    /// [`Error::Shape`] when the buffers are not as many as the kernel's or `groups` are beyond the default limits,
    /// [`Error::Gpu`] when the device is lost.
    pub fn dispatch<P: Pod>(
        &mut self,
        kernel: &Kernel,
        params: &P,
        buffers: &[&Buffer],
        groups: [u32; 3],
    ) -> Result<()> {
        const { assert!(size_of::<P>() as u64 <= SLOT, "parameters fit their slot") };
        // Steps may wait for their next while others work on other buffers.
        if buffers.iter().any(|buffer| self.links.binds(buffer)) {
            self.flush()?;
        }
        self.put(kernel, bytemuck::bytes_of(params), buffers, groups)
    }

    /// Records a step over `groups` groups of at most `columns` columns; `inputs` are its scores and log-sum-exps. It joins
    /// those before it where it can.
    ///
    /// # Errors
    /// As [`dispatch`](Burst::dispatch).
    pub(crate) fn step<P: Pod>(
        &mut self,
        step: (&'static Step, u32),
        params: &P,
        memory: &Buffer,
        inputs: &[&Buffer],
        [groups, columns]: [u32; 2],
    ) -> Result<()> {
        const { assert!(size_of::<P>() <= PARAMS, "parameters fit a step's") };
        if groups == 0 {
            return Ok(());
        }
        if !self.links.takes(memory, inputs, groups, columns) {
            self.flush()?;
        }
        self.links.add(step, bytemuck::bytes_of(params), memory, inputs, [groups, columns]);
        Ok(())
    }

    /// Dispatches the steps that wait.
    fn flush(&mut self) -> Result<()> {
        let Some(ready) = self.links.take() else { return Ok(()) };
        let kernel = self.device.chain(&ready.chain)?;
        let buffers: Vec<&Buffer> = ready.buffers.iter().collect();
        self.put(&kernel, &ready.params, &buffers, [ready.cells, 1, 1])
    }

    fn put(&mut self, kernel: &Kernel, params: &[u8], buffers: &[&Buffer], groups: [u32; 3]) -> Result<()> {
        let size = kernel.slots * SLOT;
        if buffers.len() != kernel.buffers || groups.iter().any(|&n| n > 65535) || params.len() as u64 > size {
            let want = format!("{} buffers, at most 65535 groups", kernel.buffers);
            return Err(Error::Shape { op: kernel.name, want, got: format!("{} buffers, {groups:?}", buffers.len()) });
        }
        if groups.contains(&0) {
            return Ok(());
        }
        if self.slots.len() as u64 + size > SLOT * MOST {
            self.submit_some()?;
        }
        let params_binding = BufferBinding { buffer: &self.params, offset: 0, size: wgpu::BufferSize::new(size) };
        let resources = buffers.iter().map(|buffer| buffer.raw.as_entire_binding());
        let resources = [BindingResource::Buffer(params_binding)].into_iter().chain(resources);
        let entries: Vec<_> =
            resources.zip(0..).map(|(resource, binding)| BindGroupEntry { binding, resource }).collect();
        let group = self.device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &kernel.layout,
            entries: &entries,
        });
        let at = self.slots.len();
        self.slots.extend_from_slice(params);
        self.slots.resize(at + size as usize, 0);
        self.pass.set_pipeline(&kernel.pipeline);
        self.pass.set_bind_group(0, &group, &[at as u32]);
        self.pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
        self.dispatches += 1;
        Ok(())
    }

    /// Asks for the numbers `range` of a buffer as they are at the end of the burst.
    ///
    /// # Errors
    /// [`Error::Shape`] when they are not there.
    pub fn read(&mut self, buffer: &Buffer, range: Range<u64>) -> Result<()> {
        if range.start > range.end || range.end > buffer.words() {
            let want = format!("a range within {} numbers", buffer.words());
            return Err(Error::Shape { op: "gpu read", want, got: format!("{range:?}") });
        }
        self.reads.push((buffer.clone(), range));
        Ok(())
    }

    /// Writes `values` from number `first` of a buffer on, after all that was recorded before.
    ///
    /// # Errors
    /// As [`Device::write`].
    pub fn write<T: Pod>(&mut self, buffer: &Buffer, first: u64, values: &[T]) -> Result<()> {
        self.flush()?;
        if self.dispatches > 0 {
            self.submit_some()?;
        }
        self.device.write(buffer, first, values)
    }

    /// Submits what is recorded and then copies: of each from number, to number, how many.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device is lost or refused something.
    pub fn copy(mut self, from: &Buffer, to: &Buffer, ranges: &[(u32, u32, u32)]) -> Result<()> {
        self.flush()?;
        let (mut encoder, pass) = record(&self.device);
        drop(std::mem::replace(&mut self.pass, pass));
        std::mem::swap(&mut encoder, &mut self.encoder);
        for &(first, into, words) in ranges {
            let [first, into, size] = [first, into, words].map(|n| 4 * u64::from(n));
            encoder.copy_buffer_to_buffer(&from.raw, first, &to.raw, into, size);
        }
        self.hand_over(encoder)
    }

    /// Submits what is recorded and goes on in a new pass.
    fn submit_some(&mut self) -> Result<()> {
        let (encoder, pass) = record(&self.device);
        drop(std::mem::replace(&mut self.pass, pass));
        let encoder = std::mem::replace(&mut self.encoder, encoder);
        self.hand_over(encoder)
    }

    fn hand_over(&mut self, encoder: wgpu::CommandEncoder) -> Result<()> {
        let device = &self.device;
        device.faults.check()?;
        device.queue.write_buffer(&self.params, 0, &self.slots);
        device.queue.submit([encoder.finish()]);
        device.count(|counters| {
            counters.dispatches += self.dispatches;
            counters.submits += 1;
            counters.uploaded += self.slots.len() as u64;
        });
        self.slots.clear();
        self.dispatches = 0;
        Ok(())
    }

    /// Submits the rest. What was asked for is on its way.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device is lost or refused something, [`Error::Memory`].
    pub fn submit(mut self) -> Result<Pending> {
        self.flush()?;
        let (mut encoder, pass) = record(&self.device);
        // The copies must come after the pass has ended, in its own encoder.
        drop(std::mem::replace(&mut self.pass, pass));
        std::mem::swap(&mut encoder, &mut self.encoder);
        let reads = std::mem::take(&mut self.reads);
        let staging = self.device.stage(&reads, &mut encoder);
        self.hand_over(encoder)?;
        let lengths = reads.iter().map(|(_, range)| (range.end - range.start) as usize).collect();
        Ok(Pending::new(self.device, staging, lengths))
    }

    /// Submits the burst; waits only if something was asked for. What was, in the order it was asked for, each its own
    /// list.
    ///
    /// # Errors
    /// As [`submit`](Burst::submit).
    pub async fn finish(self) -> Result<Vec<Vec<u32>>> {
        self.submit()?.wait().await
    }
}
