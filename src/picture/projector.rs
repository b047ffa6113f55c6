//! The projector: a drawing to embedding rows of the language model that it was trained for.

use super::{
    Drawing, ROWS, SIDE,
    layers::{Conv, Linear, Norm, STRIDE, add, gelu, transpose},
    tensors::{Tensors, damaged},
};
use crate::{Error, Result};

/// Mean and deviation of the drawings it was trained on.
const MEAN: f32 = 0.13;
const DEVIATION: f32 = 0.31;
/// Channels after each convolution.
const CHANNELS: [usize; 3] = [24, 64, 128];
/// What the token mixer and the channel mixer widen to.
const MIXED: usize = 48;
const HIDDEN: usize = 256;
/// Mean norm of the language model's token embeddings; a learned gain changes it.
const NORM: f32 = 3.2;
/// No model of this kind has longer rows.
const MOST_WIDTH: usize = 1 << 14;

/// Three convolutions to a 4 x 4 grid, a mixer over places and one over channels, and two matrices to the model's width.
#[derive(Debug)]
pub struct Projector {
    convs: [Conv; 3],
    /// `[ROWS, CHANNELS[2]]`
    positions: Vec<f32>,
    tokens: Mixer,
    channels: Mixer,
    norm: Norm,
    up: Linear,
    out: Linear,
    gain: f32,
}

/// Two matrices with a norm before them, beside which the input goes on.
#[derive(Debug)]
struct Mixer {
    norm: Norm,
    up: Linear,
    down: Linear,
}

impl Projector {
    /// From the bytes of a `safetensors` file of 32-bit numbers.
    ///
    /// # Errors
    /// [`Error::Picture`] for anything but a projector of this form.
    pub fn new(bytes: &[u8]) -> Result<Projector> {
        let file = Tensors::new(bytes)?;
        let mut previous = 1;
        let mut conv = |name: &str, out, side| {
            let shape = [out, std::mem::replace(&mut previous, out), side, side];
            let (weight, bias) =
                (file.read(&format!("{name}.weight"), &shape)?, file.read(&format!("{name}.bias"), &[out])?);
            Ok::<_, Error>(Conv { weight, bias, side, pad: side / 2 })
        };
        let convs = [conv("conv1", CHANNELS[0], 5)?, conv("conv2", CHANNELS[1], 3)?, conv("conv3", CHANNELS[2], 3)?];
        let linear = |name: &str, out, of| {
            let (weight, bias) =
                (file.read(&format!("{name}.weight"), &[out, of])?, file.read(&format!("{name}.bias"), &[out])?);
            Ok::<_, Error>(Linear { weight, bias })
        };
        let norm = |name: &str, of| {
            let (weight, bias) =
                (file.read(&format!("{name}.weight"), &[of])?, file.read(&format!("{name}.bias"), &[of])?);
            Ok::<_, Error>(Norm { weight, bias })
        };
        let (rows, deep) = (ROWS as usize, CHANNELS[2]);
        let mixer = |name: &str, over, hidden| {
            let (up, down) = (format!("{name}1"), format!("{name}2"));
            let norm = norm(&format!("{name}_norm"), deep)?;
            Ok::<_, Error>(Mixer { norm, up: linear(&up, hidden, over)?, down: linear(&down, over, hidden)? })
        };
        let width = file.first_of("out2.weight");
        if !(1..=MOST_WIDTH).contains(&width) {
            return Err(damaged(format!("out2.weight makes rows of {width}; allowed: 1 to {MOST_WIDTH}")));
        }
        Ok(Projector {
            convs,
            positions: file.read("positions", &[rows, deep])?,
            tokens: mixer("mix", rows, MIXED)?,
            channels: mixer("mlp", deep, HIDDEN)?,
            norm: norm("out_norm", deep)?,
            up: linear("out1", HIDDEN, deep)?,
            out: linear("out2", width, HIDDEN)?,
            gain: file.read("gain", &[1])?[0].exp(),
        })
    }

    /// Width of its rows, which must be the model's.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.out.bias.len() as u32
    }

    /// Rows `[ROWS, width]` of a drawing.
    #[must_use]
    pub fn rows(&self, drawing: &Drawing) -> Vec<f32> {
        let mut grid: Vec<f32> = drawing.ink().iter().map(|ink| (ink - MEAN) / DEVIATION).collect();
        let mut size = SIDE;
        for conv in &self.convs {
            grid = gelu(conv.run(&grid, size));
            size = size.div_ceil(STRIDE);
        }
        let mut x = transpose(&grid, ROWS as usize);
        add(&mut x, &self.positions);
        let Mixer { norm, up, down } = &self.tokens;
        let mixed = down.run(&gelu(up.run(&transpose(&norm.run(&x), CHANNELS[2]))));
        add(&mut x, &transpose(&mixed, ROWS as usize));
        let Mixer { norm, up, down } = &self.channels;
        let mixed = down.run(&gelu(up.run(&norm.run(&x))));
        add(&mut x, &mixed);
        let mut rows = self.out.run(&gelu(self.up.run(&self.norm.run(&x))));
        for row in rows.chunks_exact_mut(self.out.bias.len()) {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            row.iter_mut().for_each(|x| *x *= NORM * self.gain / norm);
        }
        rows
    }
}
