//! A burst: dispatches recorded one after the other, submitted once, waited for once.
//!
//! All of them are in one compute pass; WebGPU runs each as if the ones before had ended. Their parameters share one
//! buffer, a slot each, which is written once at the end.

use std::ops::Range;

use bytemuck::Pod;
use wgpu::{BindGroupEntry, BindingResource, BufferBinding, BufferUsages, ComputePass};

use super::{Buffer, Gpu, Kernel, wait::wait};
use crate::{Error, Result};

/// Bytes from one dispatch's parameters to the next: the least that a dynamic offset may be a multiple of everywhere.
pub(super) const SLOT: u64 = 256;
/// Dispatches of a burst: a dozen tokens of thirty layers.
const MOST: u64 = 4096;

/// What was asked of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels run.
    pub dispatches: u64,
    /// Bursts submitted.
    pub submits: u64,
    /// Bursts whose results the host waited for.
    pub readbacks: u64,
    /// Bytes sent to the device.
    pub uploaded: u64,
    /// Bytes that came back.
    pub downloaded: u64,
}

/// Work that is being recorded.
pub struct Burst<'g> {
    gpu: &'g Gpu,
    encoder: wgpu::CommandEncoder,
    pass: ComputePass<'static>,
    params: wgpu::Buffer,
    /// Parameters so far, [`SLOT`] bytes a dispatch.
    slots: Vec<u8>,
    dispatches: u64,
    reads: Vec<(Buffer, Range<u64>)>,
}

impl Gpu {
    /// Begins to record.
    #[must_use]
    pub fn burst(&self) -> Burst<'_> {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
        let params = self.pipelines.borrow_mut().params(&self.device, SLOT * MOST);
        Burst { gpu: self, encoder, pass, params, slots: Vec::new(), dispatches: 0, reads: Vec::new() }
    }
}

impl Burst<'_> {
    /// The device it is for.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        self.gpu
    }

    /// Records a kernel over `groups` workgroups: `params` at binding 0, then `buffers` in the order of the shader.
    ///
    /// # Errors
    /// [`Error::Shape`] when the buffers are not as many as the kernel's or `groups` are beyond the default limits,
    /// [`Error::State`] when the burst is full.
    pub fn dispatch<P: Pod>(
        &mut self,
        kernel: &Kernel,
        params: &P,
        buffers: &[&Buffer],
        groups: [u32; 3],
    ) -> Result<()> {
        if buffers.len() != kernel.buffers || groups.iter().any(|&n| n > 65535) || size_of::<P>() as u64 > SLOT {
            let want = format!("{} buffers, at most 65535 groups", kernel.buffers);
            return Err(Error::Shape { op: kernel.name, want, got: format!("{} buffers, {groups:?}", buffers.len()) });
        }
        if groups.contains(&0) {
            return Ok(());
        }
        if self.dispatches == MOST {
            return Err(Error::State("a burst holds 4096 dispatches: finish it and begin another"));
        }
        let params_binding = BufferBinding { buffer: &self.params, offset: 0, size: wgpu::BufferSize::new(SLOT) };
        let resources = buffers.iter().map(|buffer| buffer.raw.as_entire_binding());
        let resources = [BindingResource::Buffer(params_binding)].into_iter().chain(resources);
        let entries: Vec<_> =
            resources.zip(0..).map(|(resource, binding)| BindGroupEntry { binding, resource }).collect();
        let group = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &kernel.layout,
            entries: &entries,
        });
        let at = self.slots.len();
        self.slots.extend_from_slice(bytemuck::bytes_of(params));
        self.slots.resize(at + SLOT as usize, 0);
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

    /// Submits the burst; waits only if something was asked for. What was, in the order it was asked for, each its own
    /// list.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device is lost or refused something, [`Error::Memory`].
    pub async fn finish(self) -> Result<Vec<Vec<u32>>> {
        let Burst { gpu, mut encoder, pass, params, slots, dispatches, reads } = self;
        drop(pass);
        gpu.queue.write_buffer(&params, 0, &slots);
        let bytes: u64 = reads.iter().map(|(_, range)| 4 * (range.end - range.start)).sum();
        let staging = (bytes > 0).then(|| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: bytes,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        if let Some(staging) = &staging {
            let mut at = 0;
            for (buffer, range) in &reads {
                let size = 4 * (range.end - range.start);
                encoder.copy_buffer_to_buffer(&buffer.raw, 4 * range.start, staging, at, size);
                at += size;
            }
        }
        gpu.faults.check()?;
        gpu.queue.submit([encoder.finish()]);
        gpu.count(|counters| {
            counters.dispatches += dispatches;
            counters.submits += 1;
            counters.uploaded += slots.len() as u64;
            counters.readbacks += u64::from(staging.is_some());
            counters.downloaded += bytes;
        });
        let Some(staging) = staging else {
            return gpu.faults.check().map(|()| vec![Vec::new(); reads.len()]);
        };
        let (mapped, done) = wait();
        staging.map_async(wgpu::MapMode::Read, .., done);
        // A page's event loop does this by itself; natively the callback runs in here.
        let polled = gpu.device.poll(wgpu::PollType::wait_indefinitely());
        gpu.faults.check()?;
        polled.map_err(|why| Error::Gpu { why: why.to_string() })?;
        let mapped = mapped.await;
        gpu.faults.check()?;
        mapped.map_err(|why| Error::Gpu { why: why.to_string() })?;
        let view = staging.get_mapped_range(..).map_err(|why| Error::Gpu { why: why.to_string() })?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&view[..]);
        let mut rest = &words[..];
        Ok(reads
            .iter()
            .map(|(_, range)| {
                let (own, more) = rest.split_at((range.end - range.start) as usize);
                rest = more;
                own.to_vec()
            })
            .collect())
    }
}
