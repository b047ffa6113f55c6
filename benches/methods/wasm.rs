//! Methods against full attention in wasm, for JavaScript to run: see `run.mjs` beside this file.
#![cfg(target_arch = "wasm32")]

use attnscope::{
    Result,
    loader::{Loaded, Loader},
};
use serde::Serialize;
use wasm_bindgen::prelude::*;

mod hosts;
mod measure;
mod settings;

#[wasm_bindgen]
extern "C" {
    /// Of processor time, which other programs disturb less than time on the clock.
    #[wasm_bindgen(js_name = processorSeconds)]
    fn seconds() -> f64;
}

/// A result that JavaScript gets as a value or a throw.
type JsResult<T> = std::result::Result<T, JsError>;

fn thrown<T>(result: Result<T>) -> JsResult<T> {
    result.map_err(|why| JsError::new(&why.to_string()))
}

fn lines(rows: &[impl Serialize]) -> Vec<String> {
    rows.iter().filter_map(|row| serde_json::to_string(row).ok()).collect()
}

/// A model.
#[wasm_bindgen]
#[derive(Default)]
pub struct Bench {
    loader: Loader,
    loaded: Option<Loaded>,
}

#[wasm_bindgen]
impl Bench {
    /// Without anything yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Bench {
        Bench::default()
    }

    /// Takes a portion of the model file.
    pub fn push(&mut self, portion: &[u8]) -> JsResult<()> {
        thrown(self.loader.push(portion))
    }

    /// The file is complete.
    pub fn finish(&mut self) -> JsResult<()> {
        self.loaded = Some(thrown(std::mem::take(&mut self.loader).finish())?);
        Ok(())
    }

    /// Measures the settings of these names (all if there are none) and returns a line of JSON for each. `progress` is
    /// told what runs, how much of it is done and how much there is.
    pub fn measure(
        &self,
        only: Vec<String>,
        context: u32,
        prefills: u32,
        turns: u32,
        tokens: u32,
        progress: &js_sys::Function,
    ) -> JsResult<Vec<String>> {
        let loaded = self.loaded()?;
        let size = measure::Size { context, prefills, turns, tokens };
        let report = |what: &str, done: u32, total: u32| {
            // What a listener throws does not stop a measurement.
            let _ = progress.call3(&JsValue::NULL, &what.into(), &done.into(), &total.into());
        };
        let rows = thrown(measure::measure(loaded, &settings::named(&only), size, seconds, report))?;
        Ok(lines(&rows))
    }

    /// What is compared on hosts, a line of JSON for each, if these names ask for it.
    pub fn hosts(&self, only: Vec<String>, context: u32) -> JsResult<Vec<String>> {
        if !hosts::wanted(&only) {
            return Ok(Vec::new());
        }
        Ok(lines(&thrown(hosts::arrangements(self.loaded()?, context))?))
    }

    /// Token ids of the prompt.
    pub fn prompt(&self, context: u32) -> JsResult<Vec<u32>> {
        thrown(measure::prompt(self.loaded()?, context))
    }
}

impl Bench {
    fn loaded(&self) -> JsResult<&Loaded> {
        self.loaded.as_ref().ok_or_else(|| JsError::new("no model is loaded"))
    }
}
