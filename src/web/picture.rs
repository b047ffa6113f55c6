//! Pictures that become rows of a prompt.

use super::{JsResult, throw};
use crate::picture;
use wasm_bindgen::prelude::*;

/// Makes rows of pictures; see `data/picture_projector.md`.
#[wasm_bindgen]
pub struct Projector(picture::Projector);

#[wasm_bindgen]
impl Projector {
    /// From the bytes of its file.
    ///
    /// # Errors
    /// `picture`.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8]) -> JsResult<Projector> {
        picture::Projector::new(bytes).map(Projector).map_err(throw)
    }

    /// Rows of a picture one after the other, in a buffer of their own. `pixels` are shades, or red, green, blue and alpha.
    ///
    /// # Errors
    /// `picture` for one that is empty, too large, or of another size than its pixels.
    pub fn rows(&self, pixels: &[u8], width: u32, height: u32) -> JsResult<js_sys::Float32Array> {
        let grey = u64::from(width) * u64::from(height) == pixels.len() as u64;
        let from = if grey { picture::Drawing::from_grey } else { picture::Drawing::from_rgba };
        let drawing = from(pixels, width, height).map_err(throw)?;
        Ok(js_sys::Float32Array::from(&self.0.rows(&drawing)[..]))
    }
}
