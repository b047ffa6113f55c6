//! Advice for JavaScript: what of a method and its parameters fits into memory.

use super::{
    JsResult, Model, from_js,
    options::{Memory, refuse_unknown_keys},
    throw, to_js,
};
use crate::{
    Error,
    advisor::{self, Advice, Ask, Device, Scenario, Text},
};
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::*;

/// What is to be run, and where.
#[derive(Default, Deserialize, Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
struct AdviseOptions {
    /// Memory for keys and values, as bytes or as "64MB"; default: what a WebAssembly memory has beside the weights.
    #[tsify(optional, type = "number | string")]
    memory: Option<Memory>,
    /// Tokens of prompt and answer together; default: the model's context.
    #[tsify(optional)]
    context: Option<u32>,
    /// Tokens of the answer; default: an eighth of the context.
    #[tsify(optional)]
    generate: Option<u32>,
    /// Tokens of the prompt that belong to pictures; default 0.
    #[tsify(optional)]
    pictures: Option<u32>,
    /// What matters most; default: `any`.
    #[tsify(optional, type = "\"any\" | \"long-sequence\" | \"tight-memory\" | \"multimodal\" | \"real-time\"")]
    scenario: Option<String>,
    /// Bytes of the device's memory, e.g. `navigator.deviceMemory * 2 ** 30`.
    #[tsify(optional)]
    device_memory: Option<f64>,
    /// Threads of the device, `navigator.hardwareConcurrency`.
    #[tsify(optional)]
    threads: Option<u32>,
    /// Bytes of the largest WebGPU buffer, `adapter.limits.maxBufferSize`.
    #[tsify(optional)]
    webgpu_buffer: Option<f64>,
}

/// Methods for a text and a memory, best first.
#[derive(Serialize, Tsify)]
struct AdviceList {
    /// Bytes for keys and values.
    memory: f64,
    /// What follows from the device.
    notes: Vec<String>,
    /// The methods that suit the scenario.
    advice: Vec<Advice>,
}

#[wasm_bindgen]
impl Model {
    /// Methods and budgets for a text and a memory, with the arithmetic.
    ///
    /// # Errors
    /// `param`.
    #[wasm_bindgen(unchecked_return_type = "AdviceList")]
    pub fn advise(
        &self,
        #[wasm_bindgen(unchecked_param_type = "AdviseOptions")] options: JsValue,
    ) -> JsResult<JsValue> {
        refuse_unknown_keys(&options, &to_js(&AdviseOptions::default()))?;
        let options: AdviseOptions = from_js("options", options)?;
        let memory = options.memory.as_ref().map(Memory::bytes).transpose()?;
        Ok(to_js(&self.advice(&options, memory).map_err(throw)?))
    }
}

impl Model {
    fn advice(&self, options: &AdviseOptions, asked: Option<u64>) -> Result<AdviceList, Error> {
        let config = &self.loaded.model.config;
        let here = Device::here();
        let told = options.device_memory.map(|n| n as u64);
        let device = Device {
            memory: here.memory.into_iter().chain(told).min(),
            threads: options.threads.or(here.threads),
            webgpu_buffer: options.webgpu_buffer.map(|n| n as u64),
            ..here
        };
        let memory = device.room(asked, self.loaded.weights.bytes() as u64)?;
        let context = options.context.unwrap_or(config.context);
        let text = Text::of(context, options.generate, options.pictures.unwrap_or(0))?;
        let scenario = options.scenario.as_deref().map_or(Ok(Scenario::Any), Scenario::find)?;
        let advice = advisor::advise(&Ask { memory, text, scenario }, config, &[])?;
        let most = advice.iter().find(|advice| advice.advised).map_or(memory, |advice| advice.account.bytes);
        Ok(AdviceList { memory: memory as f64, notes: device.notes(config, &text, most), advice })
    }
}
