//! The JavaScript border: a handful of classes and functions. Options and results are plain objects whose TypeScript
//! types are generated from the structs here; errors are `{code, message}`.

mod advise;
#[cfg(feature = "gpu")]
mod gpu;
mod host;
mod model;
mod options;
mod picture;
mod prompt;
mod session;

#[cfg(feature = "gpu")]
pub use gpu::{lose_gpu, open_gpu};
pub use model::{Loader, Model};
pub use picture::Projector;
pub use session::Session;

use crate::{Error, methods};
use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::*;

type JsResult<T> = Result<T, JsValue>;

/// What every call throws.
#[derive(Serialize, Tsify)]
struct Thrown {
    code: &'static str,
    message: String,
}

fn throw(error: Error) -> JsValue {
    to_js(&Thrown { code: error.code(), message: error.to_string() })
}

/// Plain objects; maps as objects too.
fn to_js<T: Serialize>(value: &T) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).unwrap_or_else(|e| JsValue::from_str(&e.to_string()))
}

fn from_js<T: for<'de> Deserialize<'de>>(what: &str, value: JsValue) -> JsResult<T> {
    serde_wasm_bindgen::from_value(value).map_err(|e| {
        let allowed = "the fields and types of its TypeScript declaration".to_owned();
        throw(Error::Param { name: what.to_owned(), got: e.to_string(), allowed })
    })
}

/// Runs once, when the module is made: a panic, which is a mistake of ours, is then at least readable.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Every method of the registry.
#[wasm_bindgen(unchecked_return_type = "MethodInfo[]")]
#[must_use]
pub fn methods() -> JsValue {
    to_js(&methods::listing())
}

/// Bytes of this module's memory. It never shrinks, so this is the peak.
#[wasm_bindgen(js_name = memoryBytes)]
#[must_use]
pub fn memory_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65536.0
}
