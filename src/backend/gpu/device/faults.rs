//! What a device reports outside of any call: that it is lost, out of memory, or was asked something wrong.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, Result};

/// The first fault of a device; it stays, for nothing computed after it can be trusted.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Option<Error>>>);

impl Faults {
    /// Listens to a device; without a listener wgpu panics.
    pub fn watch(device: &wgpu::Device) -> Faults {
        let faults = Faults::default();
        let own = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            own.set(match error {
                // Natively wgpu does not say how much was asked for.
                wgpu::Error::OutOfMemory { .. } => Error::Memory { what: "GPU buffers", bytes: 0 },
                other => Error::Gpu { why: other.to_string() },
            });
        }));
        let own = faults.clone();
        device.set_device_lost_callback(move |_, why| own.lose(&why));
        faults
    }

    /// Notes that the device is gone.
    pub fn lose(&self, why: &str) {
        self.set(Error::Gpu { why: format!("the device is lost: {why}") });
    }

    fn set(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// The fault, if there was one.
    pub fn check(&self) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}
