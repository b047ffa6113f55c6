//! Drawings and their rows, by the projector that the project ships.

use super::Case;
use attnscope::picture::{Drawing, Projector, SIDE};

const PROJECTOR: &[u8] = include_bytes!("../../data/picture_projector.safetensors");

pub fn run(case: &Case) {
    let shape = case.shape("ink");
    let drawing = Drawing::from_ink(&case.bytes("ink"), shape[1] as u32, shape[0] as u32);
    let image = case.floats("image");
    let Ok(drawing) = drawing else {
        // What is empty is refused, where the training code goes on with nothing.
        assert_eq!(image, [0.0; SIDE * SIDE], "{}", drawing.unwrap_err());
        return;
    };
    case.close("image", drawing.ink(), &image, 1e-6);
    case.close("rows", &Projector::new(PROJECTOR).unwrap().rows(&drawing), &case.floats("rows"), 1e-4);
}
