//! A loaded model on a GPU.

use std::rc::Rc;

use super::Loaded;
use crate::{
    Error, Result,
    backend::gpu::{Device, DeviceWeights, Gpu},
    cache::Store,
    engine::Engine,
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
        if method.schedule.narrow_guesses() {
            let (got, supported) = ("draft_weights = int4_ffn".to_owned(), "same".to_owned());
            return Err(Error::Unsupported { what: "on a GPU", got, supported });
        }
        let shape = (&self.model.config).into();
        let (weights, positions) = (Some(Rc::clone(&on.weights)), method.retain.positions());
        let gpu = Gpu::new(Rc::clone(&on.device), shape, weights, positions, Store::F16)?;
        Ok(Engine::new(self.model.clone(), Box::new(gpu), method, context))
    }
}
