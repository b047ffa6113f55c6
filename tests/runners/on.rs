//! What layers run on: the CPU, or both back ends in lock-step with rows in f32.

use attnscope::{
    Result,
    backend::{Cpu, Shape, Weights},
    cache::{Cache, Store},
    engine::Engine,
    loader::Loaded,
    method::Positions,
    model::Model,
    ops::{Dense, Kv, Scores, Set},
};
use std::{ops::Range, pin::Pin, sync::Arc};

#[cfg(feature = "gpu")]
use attnscope::{
    backend::{
        Paired,
        gpu::{Device, DeviceWeights, Gpu},
    },
    kernels::Precision,
    loader::OnDevice,
    methods::Spec,
};
#[cfg(feature = "gpu")]
use std::rc::Rc;

/// The back end of a run.
#[derive(Clone)]
pub enum On {
    Cpu,
    #[cfg(feature = "gpu")]
    Paired(Rc<Device>),
}

/// A back end that takes queries, keys and values as they are given, and shows what it has.
pub trait Bed: Dense {
    fn begin(&mut self, first: u32, rows: u32);
    fn store(&mut self, kv: Kv, q: &[f32], own: Option<(&mut [f32], &[f32])>, rows: Range<u32>);
    fn given(&mut self, kv: Kv, groups: usize, scores: &[f32]) -> Scores;
    fn scores(&self, scores: Scores, group: usize) -> Result<&[f32]>;
    fn slots(&self, set: Set, head: usize) -> Result<&[u32]>;
    fn output(&self) -> &[f32];
    fn cache(&self) -> &Cache;
    /// Until everything asked for has come back and agrees.
    fn settle(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

impl Bed for Cpu {
    fn begin(&mut self, first: u32, rows: u32) {
        Cpu::begin(self, first, rows);
    }
    fn store(&mut self, kv: Kv, q: &[f32], own: Option<(&mut [f32], &[f32])>, rows: Range<u32>) {
        Cpu::store(self, kv, q, own, rows).unwrap();
    }
    fn given(&mut self, kv: Kv, groups: usize, scores: &[f32]) -> Scores {
        Cpu::given(self, kv, groups, scores)
    }
    fn scores(&self, scores: Scores, group: usize) -> Result<&[f32]> {
        Cpu::scores(self, scores, group)
    }
    fn slots(&self, set: Set, head: usize) -> Result<&[u32]> {
        Cpu::slots(self, set, head)
    }
    fn output(&self) -> &[f32] {
        Cpu::output(self)
    }
    fn cache(&self) -> &Cache {
        Cpu::cache(self)
    }
    fn settle(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {})
    }
}

/// Tables and outputs are the GPU's.
#[cfg(feature = "gpu")]
impl Bed for Paired {
    fn begin(&mut self, first: u32, rows: u32) {
        Paired::begin(self, first, rows).unwrap();
    }
    fn store(&mut self, kv: Kv, q: &[f32], own: Option<(&mut [f32], &[f32])>, rows: Range<u32>) {
        Paired::store(self, kv, q, own, rows).unwrap();
    }
    fn given(&mut self, kv: Kv, groups: usize, scores: &[f32]) -> Scores {
        Paired::given(self, kv, groups, scores).unwrap()
    }
    fn scores(&self, scores: Scores, group: usize) -> Result<&[f32]> {
        Paired::scores(self, scores, group)
    }
    fn slots(&self, set: Set, head: usize) -> Result<&[u32]> {
        Paired::slots(self, set, head)
    }
    fn output(&self) -> &[f32] {
        Paired::output(self)
    }
    fn cache(&self) -> &Cache {
        Paired::cache(self)
    }
    fn settle(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async { Paired::settle(self).await.unwrap() })
    }
}

impl On {
    /// An empty back end with rows in f32, without a model.
    pub fn bed(&self, shape: Shape, positions: Positions) -> Box<dyn Bed> {
        let cpu = Cpu::new(shape.clone(), Arc::new(Weights::default()), positions, Store::F32).unwrap();
        match self {
            On::Cpu => Box::new(cpu),
            #[cfg(feature = "gpu")]
            On::Paired(device) => {
                let gpu = Gpu::new(Rc::clone(device), shape, None, positions, Store::F32).unwrap();
                Box::new(Paired::new(cpu, gpu))
            }
        }
    }

    /// An engine with the real model, whose rows are f16, and how many of `tokens` it is to make.
    pub fn real_model(&self, loaded: &Loaded, tokens: usize) -> (Engine, usize) {
        match self {
            On::Cpu => (loaded.engine("full", &[], None, Store::F16).unwrap(), tokens),
            #[cfg(feature = "gpu")]
            On::Paired(device) => {
                // Its own logits are compared, so it runs alone.
                let on = OnDevice::new(device, loaded).unwrap();
                (loaded.compose_on(&on, &Spec::method("full", &[]), None).unwrap(), tokens.min(4))
            }
        }
    }

    /// An empty back end with rows in f32, with a model.
    pub fn with_model(&self, model: &Model, weights: Weights) -> Box<dyn Dense> {
        let (shape, weights) = (Shape::from(&model.config), Arc::new(weights));
        let cpu = Cpu::new(shape.clone(), Arc::clone(&weights), Positions::Text, Store::F32).unwrap();
        match self {
            On::Cpu => Box::new(cpu),
            #[cfg(feature = "gpu")]
            On::Paired(device) => {
                let cpu = cpu.with_precision(Precision::Exact);
                let weights = Some(Rc::new(DeviceWeights::upload(device, model, &weights).unwrap()));
                let gpu = Gpu::new(Rc::clone(device), shape, weights, Positions::Text, Store::F32).unwrap();
                Box::new(Paired::new(cpu, gpu))
            }
        }
    }
}
