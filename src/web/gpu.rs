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
#[serde(rename_all = "camelCase")]
struct GpuInfo {
    /// As the browser calls it, often empty.
    name: String,
    /// What it runs on: `"webgpu"` in a browser.
    api: String,
    /// It computes on the CPU: right, but not fast.
    software: bool,
    /// Bytes one binding may have.
    binding_bytes: f64,
    /// Invocations of a workgroup.
    invocations: u32,
    /// Bytes of workgroup memory.
    workgroup_bytes: u32,
    /// Has 16-bit float arithmetic; it is not used.
    half: bool,
    /// Has subgroup operations; they are not used.
    subgroups: bool,
    /// Largest difference from the CPU in the self-test, as a share of what is allowed.
    difference: f32,
}

impl GpuInfo {
    fn of(report: &Report, difference: f32) -> GpuInfo {
        GpuInfo {
            name: report.name.clone(),
            api: report.api.clone(),
            software: report.software,
            binding_bytes: report.binding as f64,
            invocations: report.invocations,
            workgroup_bytes: report.workgroup_memory,
            half: report.half,
            subgroups: report.subgroups,
            difference,
        }
    }
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
    Ok(to_js(&GpuInfo::of(device.report(), difference)))
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
