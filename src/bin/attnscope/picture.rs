//! Pictures on the command line: files, and the projector that makes rows of them.

use crate::Failure;
use attnscope::{
    Error,
    picture::{Drawing, MARK, Projector},
};
use image::{ImageReader, Limits};
use std::path::PathBuf;

const PROJECTOR: &[u8] = include_bytes!("../../../data/picture_projector.safetensors");
/// What stands in a prompt for the next picture.
const PLACE: &str = "{picture}";
/// Points on a side, above which a picture is made smaller before anything else; and above which it is refused.
const LARGE: u32 = 1024;
const MOST: u32 = 16384;
/// Bytes that reading one may take.
const MOST_BYTES: u64 = 1 << 30;

/// The pictures of a prompt.
#[derive(clap::Args)]
pub struct PictureArgs {
    /// Picture of a drawn digit, PNG or JPEG, for the next {picture} in the prompt; may be given several times
    #[arg(long = "picture", value_name = "FILE", conflicts_with = "ids")]
    files: Vec<PathBuf>,
}

impl PictureArgs {
    /// The prompt with the library's own mark for the places of pictures, if there are any, and the rows of all of them.
    ///
    /// # Errors
    /// For a file that is no picture, and one with nothing on it.
    pub fn rows(&self, prompt: &str, width: u32) -> Result<(String, Vec<f32>), Failure> {
        if self.files.is_empty() {
            let places = prompt.matches(PLACE).count();
            let none = || Error::Picture(format!("the prompt has places for {places}; give each with --picture FILE"));
            return if places == 0 { Ok((prompt.to_owned(), Vec::new())) } else { Err(none().into()) };
        }
        let projector = projector()?;
        if projector.width() != width {
            let (got, supported) = (format!("of width {width}"), format!("{}, SmolLM2-135M's", projector.width()));
            return Err(Error::Unsupported { what: "pictures for a model", got, supported }.into());
        }
        let mut rows = Vec::new();
        for file in &self.files {
            let drawing = read(file).map_err(|why| Failure::file(file.display(), why))?;
            rows.extend(projector.rows(&drawing));
        }
        Ok((prompt.replace(PLACE, &MARK.to_string()), rows))
    }
}

/// The projector that comes with the program.
///
/// # Errors
/// None, unless the program was built with another file.
pub fn projector() -> attnscope::Result<Projector> {
    Projector::new(PROJECTOR)
}

fn read(file: &PathBuf) -> Result<Drawing, String> {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MOST), Some(MOST));
    limits.max_alloc = Some(MOST_BYTES);
    let reader = ImageReader::open(file).and_then(ImageReader::with_guessed_format);
    let mut reader = reader.map_err(|why| why.to_string())?;
    reader.limits(limits);
    let mut picture = reader.decode().map_err(|why| format!("{why}; wants a PNG or JPEG picture"))?;
    if picture.width().max(picture.height()) > LARGE {
        picture = picture.thumbnail(LARGE, LARGE);
    }
    let picture = picture.into_rgba8();
    Drawing::from_rgba(&picture, picture.width(), picture.height()).map_err(|why| why.to_string())
}
