//! Compiled kernels, each made once per set of constants.

use std::{collections::HashMap, rc::Rc};

use wgpu::{BindGroupLayoutEntry, BindingType, BufferBindingType, BufferUsages, ShaderStages};

use super::{Device, burst::SLOT};
use crate::{
    Result,
    backend::gpu::{Chain, Shader},
};

/// A compiled shader.
pub struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
    /// Slots of parameters.
    pub(super) slots: u64,
    /// Buffers it binds besides its parameters.
    pub(crate) buffers: usize,
}

/// What is compiled, and the parameters' buffer that all bursts write.
#[derive(Default)]
pub(crate) struct Pipelines {
    made: HashMap<(&'static str, Vec<u32>), Rc<Kernel>>,
    chains: HashMap<Chain, Rc<Kernel>>,
    params: Option<wgpu::Buffer>,
}

impl Pipelines {
    /// The buffer of parameters. One is enough: a burst writes it when it is submitted, after all before it.
    pub fn params(&mut self, device: &wgpu::Device, size: u64) -> wgpu::Buffer {
        let make = || {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("parameters"),
                size,
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        self.params.get_or_insert_with(make).clone()
    }
}

impl Device {
    /// The kernel of a shader with these values of its constants.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) when it does not compile or the device is lost; in a page at the next burst.
    pub fn kernel(&self, shader: &'static Shader, constants: &[u32]) -> Result<Rc<Kernel>> {
        let key = (shader.name, constants.to_vec());
        if let Some(kernel) = self.pipelines.borrow().made.get(&key) {
            return Ok(Rc::clone(kernel));
        }
        let buffers = [usize::from(shader.memory), shader.inputs, shader.outputs];
        let kernel = Rc::new(self.compile(shader.name, shader.text(constants), 1, buffers));
        self.faults.check()?;
        self.pipelines.borrow_mut().made.insert(key, Rc::clone(&kernel));
        Ok(kernel)
    }

    /// The kernel of a chain.
    ///
    /// # Errors
    /// As [`kernel`](Device::kernel).
    pub fn chain(&self, chain: &Chain) -> Result<Rc<Kernel>> {
        if let Some(kernel) = self.pipelines.borrow().chains.get(chain) {
            return Ok(Rc::clone(kernel));
        }
        let inputs = if chain.inputs() { 2 } else { 0 };
        let kernel = Rc::new(self.compile("chain", chain.text(), chain.0.len() as u64, [1, inputs, 0]));
        self.faults.check()?;
        self.pipelines.borrow_mut().chains.insert(chain.clone(), Rc::clone(&kernel));
        Ok(kernel)
    }

    /// Compiles what has so many slots of parameters, and buffers: the shared memory, those it reads, those it writes.
    fn compile(&self, name: &'static str, text: String, slots: u64, [memory, inputs, outputs]: [usize; 3]) -> Kernel {
        let label = Some(name);
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let read = (BufferBindingType::Storage { read_only: true }, false, None);
        let written = (BufferBindingType::Storage { read_only: false }, false, None);
        let kinds = std::iter::once((BufferBindingType::Uniform, true, wgpu::BufferSize::new(slots * SLOT)))
            .chain(std::iter::repeat_n(written, memory))
            .chain(std::iter::repeat_n(read, inputs))
            .chain(std::iter::repeat_n(written, outputs));
        let entries: Vec<_> = kinds
            .zip(0..)
            .map(|((ty, has_dynamic_offset, min_binding_size), binding)| BindGroupLayoutEntry {
                binding,
                visibility: ShaderStages::COMPUTE,
                ty: BindingType::Buffer { ty, has_dynamic_offset, min_binding_size },
                count: None,
            })
            .collect();
        let layout =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Kernel { name, pipeline, layout, slots, buffers: memory + inputs + outputs }
    }
}
