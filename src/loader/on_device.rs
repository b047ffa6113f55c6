//! A loaded model on a GPU.

use std::rc::Rc;

use super::Loaded;
use crate::{
    Result,
    backend::{
        Paired,
        gpu::{Device, DeviceWeights, Gpu},
        paired::Agreed,
    },
    cache::Store,
    engine::Engine,
    kernels::Precision,
    method::Method,
    methods::Spec,
};

/// A model's weights on a device, for any number of engines.
#[derive(Clone)]
pub struct OnDevice {
    device: Rc<Device>,
    weights: Rc<DeviceWeights>,
}

impl OnDevice {
    /// Moves the weights of a model to a device.
    ///
    /// # Errors
    /// As [`DeviceWeights::upload`].
    pub fn new(device: &Rc<Device>, loaded: &Loaded) -> Result<OnDevice> {
        let weights = Rc::new(DeviceWeights::upload(device, &loaded.model, &loaded.weights)?);
        Ok(OnDevice { device: Rc::clone(device), weights })
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Rc<Device> {
        &self.device
    }
}

impl Loaded {
    /// As [`compose`](Loaded::compose), on a GPU.
    ///
    /// # Errors
    /// The same, [`Error::Memory`], [`Error::Gpu`].
    pub fn compose_on(&self, on: &OnDevice, spec: &Spec, context: Option<u32>) -> Result<Engine> {
        self.engine_on(on, self.profile.build(spec, &self.shape())?, context)
    }

    /// As [`engine_for`](Loaded::engine_for), on a GPU.
    ///
    /// # Errors
    /// The same, [`Error::Memory`], [`Error::Gpu`].
    pub fn engine_on(&self, on: &OnDevice, method: Method, context: Option<u32>) -> Result<Engine> {
        let context = self.context(context)?;
        let gpu = self.gpu(on, &method)?;
        Ok(Engine::new(self.model.clone(), Box::new(gpu), method, context))
    }

    fn gpu(&self, on: &OnDevice, method: &Method) -> Result<Gpu> {
        self.narrow_for(method)?;
        let (weights, positions) = (Some(Rc::clone(&on.weights)), method.retain.positions());
        Gpu::new(Rc::clone(&on.device), (&self.model.config).into(), weights, positions, Store::F16)
    }

    /// As [`compose_on`](Loaded::compose_on), on the CPU and the GPU in lock-step: the first operation on which they do not
    /// agree ends the run. Besides the engine what agreed so far, which grows as it runs.
    ///
    /// # Errors
    /// The same.
    pub fn compose_paired(&self, on: &OnDevice, spec: &Spec, context: Option<u32>) -> Result<(Engine, Agreed)> {
        let method = self.profile.build(spec, &self.shape())?;
        let context = self.context(context)?;
        let gpu = self.gpu(on, &method)?;
        let cpu = self.cpu(method.retain.positions(), Store::F16, Precision::Exact)?;
        let paired = Paired::new(cpu, gpu);
        let agreed = paired.agreed().clone();
        Ok((Engine::new(self.model.clone(), Box::new(paired), method, context), agreed))
    }
}
