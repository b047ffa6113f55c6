//! The page's GPU: opened once, tested, shared by all sessions of this thread.

use super::{JsResult, Model, throw, to_js};
use crate::{
    Error, Result,
    backend::gpu::{Device, Report},
    loader::OnDevice,
};
use serde::Serialize;
use std::{cell::RefCell, rc::Rc};
use tsify::Tsify;
use wasm_bindgen::prelude::*;

thread_local! {
    static DEVICE: RefCell<Option<Rc<Device>>> = const { RefCell::new(None) };
}

/// What the adapter is and can do.
#[derive(Serialize, Tsify)]
struct GpuInfo<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Largest difference from the CPU in the self-test, as a share of what is allowed.
    difference: f32,
}

/// Opens the GPU, or tests the one that is open; sessions with `backend: "gpu"` need it.
///
/// # Errors
/// `gpu` when there is none, or it does not compute what the CPU computes.
#[wasm_bindgen(js_name = openGpu, unchecked_return_type = "GpuInfo")]
pub async fn open_gpu() -> JsResult<JsValue> {
    let open = DEVICE.with_borrow(Clone::clone).filter(|device| device.check().is_ok());
    let device = match open {
        Some(device) => device,
        None => Rc::new(Device::open().await.map_err(throw)?),
    };
    let difference = device.self_test().await.map_err(throw)?;
    DEVICE.set(Some(Rc::clone(&device)));
    Ok(to_js(&GpuInfo { report: device.report(), difference }))
}

/// Gives the GPU up, as when the browser takes it away: runs on it fail with `gpu`.
#[wasm_bindgen(js_name = loseGpu)]
pub fn lose_gpu() {
    if let Some(device) = DEVICE.take() {
        device.destroy();
    }
}

impl Model {
    /// The model on the GPU that is open.
    pub(super) fn on_gpu(&self) -> Result<OnDevice> {
        let none = || Error::Gpu { why: "not open: call openGpu first".to_owned() };
        let device = DEVICE.with_borrow(Clone::clone).ok_or_else(none)?;
        let mut there = self.on_device.borrow_mut();
        // What was on a device that is lost is lost with it.
        if let Some(there) = there.as_ref().filter(|there| Rc::ptr_eq(there.device(), &device)) {
            return Ok(there.clone());
        }
        let new = OnDevice::new(&device, &self.loaded)?;
        Ok(there.insert(new).clone())
    }
}
