//! Finding an adapter and opening its device.

use std::cell::{Cell, RefCell};

use serde::Serialize;
use wgpu::{Adapter, DeviceType, Features, Limits};

use super::{Buffer, Counters, Device, faults::Faults, pipelines::Pipelines};
use crate::{Error, Result};

/// What the adapter is and can do; kernels need no more than WebGPU's default limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// As the driver calls it; empty in browsers that do not tell.
    pub name: String,
    /// What wgpu runs on: `vulkan`, `metal`, `dx12` or `webgpu`.
    pub api: String,
    /// It computes on the CPU: results are right, times say nothing about graphics cards. A browser need not tell.
    pub software: bool,
    /// Bytes one binding may have on this adapter.
    pub binding_bytes: u64,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Has 16-bit float arithmetic; it is not used.
    pub half: bool,
    /// Has subgroup operations; they are not used.
    pub subgroups: bool,
}

impl Report {
    fn of(adapter: &Adapter) -> Report {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        Report {
            api: info.backend.to_string(),
            software: info.device_type == DeviceType::Cpu || info.name.contains("SwiftShader"),
            name: info.name,
            binding_bytes: limits.max_storage_buffer_binding_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            half: features.contains(Features::SHADER_F16),
            subgroups: features.contains(Features::SUBGROUP),
        }
    }
}

impl Device {
    /// Opens the fastest adapter with WebGPU's default limits.
    ///
    /// # Errors
    /// [`Error::Gpu`] when there is none, or it refuses.
    pub async fn open() -> Result<Device> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        };
        let adapter = instance.request_adapter(&options).await.map_err(|why| refused(&why))?;
        let wanted = wgpu::DeviceDescriptor { required_limits: Limits::default(), ..wgpu::DeviceDescriptor::default() };
        let (device, queue) = adapter.request_device(&wanted).await.map_err(|why| refused(&why))?;
        let faults = Faults::watch(&device);
        let nothing = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("nothing"),
            size: 16,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        Ok(Device {
            nothing: Buffer { raw: nothing },
            staging: RefCell::default(),
            pipelines: RefCell::new(Pipelines::default()),
            report: Report::of(&adapter),
            counters: Cell::new(Counters::default()),
            device,
            queue,
            faults,
        })
    }

    /// The same, waiting.
    ///
    /// # Errors
    /// As [`open`](Device::open).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_now() -> Result<Device> {
        pollster::block_on(Device::open())
    }
}

fn refused(why: &dyn std::fmt::Display) -> Error {
    Error::Gpu { why: why.to_string() }
}
