//! One layer of random weights on both back ends: a device that does not compute what the CPU computes is not used.

use std::{rc::Rc, sync::Arc};

use half::f16;

use super::{Device, DeviceWeights, Gpu};
use crate::{
    Error, Result,
    backend::{Cpu, Shape, WeightData, Weights},
    cache::Store,
    kernels::{BLOCK, Layout, Matrix, Precision, RopeStyle},
    method::Positions,
    model::{Config, Layer, Model, RopeConfig},
    ops::{Dense, Kv, Read, Weight},
};

const WIDTH: u32 = 192;
const HIDDEN: u32 = 256;
const VOCABULARY: u32 = 128;
/// Rows of the prompt: enough for several tiles of every kernel.
const PROMPT: u32 = 70;
/// Most that a logit may be off. They are of size 1; keys and values are rounded to f16 on both sides, which WGSL lets
/// round either way: 2^-11 of each, averaged over the prompt.
const TOLERANCE: f32 = 5e-3;

impl Device {
    /// Runs the test; how far the largest difference is from what is allowed, 0 to 1.
    ///
    /// # Errors
    /// [`Error::Gpu`] when results differ by more.
    pub async fn self_test(self: &Rc<Device>) -> Result<f32> {
        let (model, weights) = model()?;
        let weights = Arc::new(weights);
        let shape = Shape::from(&model.config);
        let cpu = Cpu::new(shape.clone(), Arc::clone(&weights), Positions::Text, Store::F16)?;
        let mut cpu = cpu.with_precision(Precision::Exact);
        let on_device = Rc::new(DeviceWeights::upload(self, &model, &weights)?);
        let mut gpu = Gpu::new(Rc::clone(self), shape, Some(on_device), Positions::Text, Store::F16)?;
        let mut worst = 0.0_f32;
        for ids in [(0..PROMPT).map(|i| i * 37 % VOCABULARY).collect::<Vec<_>>(), vec![5]] {
            pass(&model, &ids, &mut cpu)?;
            pass(&model, &ids, &mut gpu)?;
            gpu.finish().await?;
            for (a, b) in cpu.answer().iter().zip(gpu.answer()) {
                let off = (a - b).abs();
                worst = worst.max(if off.is_nan() { f32::INFINITY } else { off });
            }
        }
        if worst > TOLERANCE {
            let why = format!("a layer's output is off by {worst}, allowed: {TOLERANCE}");
            return Err(Error::Gpu { why });
        }
        Ok(worst / TOLERANCE)
    }
}

/// One pass of full attention, up to the newest row's logits.
fn pass(model: &Model, ids: &[u32], on: &mut dyn Dense) -> Result<()> {
    let (kv, rows) = (Kv(0), 0..ids.len() as u32);
    let first = on.live(kv);
    model.embed(ids, first, on)?;
    model.project(0, rows.clone(), true, on)?;
    on.attend(kv, Read::All, rows.clone(), &[None; 2])?;
    model.absorb(0, rows.clone(), on)?;
    model.logits(rows.end - 1..rows.end, true, on)?;
    on.submit()
}

/// The model: its shape, and weights as model files have them.
fn model() -> Result<(Model, Weights)> {
    let (heads, head_dim) = (3, 64);
    let config = Config {
        layers: 1,
        width: WIDTH,
        query_heads: heads,
        kv_heads: 1,
        head_dim,
        hidden: HIDDEN,
        vocabulary: VOCABULARY,
        context: 2 * PROMPT,
        eps: 1e-5,
        rope: RopeConfig { dim: head_dim, base: 1e4, linear: 1.0, divisors: Vec::new(), style: RopeStyle::Interleaved },
    };
    let mut seed = fastrand::Rng::with_seed(3);
    let mut list = Vec::new();
    let mut put = |weight| {
        list.push(weight);
        Weight(list.len() as u32 - 1)
    };
    let norm = || WeightData::Vector(vec![1.0; WIDTH as usize]);
    let mut matrix = |layout, rows, cols| random(&mut seed, layout, rows, cols).map(WeightData::Matrix);
    let embedding = put(matrix(Layout::Q8, VOCABULARY, WIDTH)?);
    let layer = Layer {
        attention_norm: put(norm()),
        qkv: [
            put(matrix(Layout::Q4, WIDTH, WIDTH)?),
            put(matrix(Layout::Q4, head_dim, WIDTH)?),
            put(matrix(Layout::Q8, head_dim, WIDTH)?),
        ],
        output: put(matrix(Layout::Q4, WIDTH, WIDTH)?),
        mlp_norm: put(norm()),
        gate: put(matrix(Layout::Q4, HIDDEN, WIDTH)?),
        up: put(matrix(Layout::Q4, HIDDEN, WIDTH)?),
        down: put(matrix(Layout::Half, WIDTH, HIDDEN)?),
    };
    let model = Model { config, embedding, layers: vec![layer], norm: put(norm()), head: embedding };
    Ok((model, Weights { list, ..Weights::default() }))
}

/// A matrix whose products of rows of size 1 are of size 1.
fn random(seed: &mut fastrand::Rng, layout: Layout, rows: u32, cols: u32) -> Result<Matrix> {
    let mut matrix = Matrix::new(layout, rows as usize, cols as usize)?;
    let size = 1.7 / (cols as f32).sqrt();
    for row in 0..rows as usize {
        match layout {
            Layout::Half | Layout::Single => {
                let values: Vec<f32> = (0..cols).map(|_| size * (2.0 * seed.f32() - 1.0)).collect();
                if layout == Layout::Half { matrix.set_half(row, &values) } else { matrix.set_single(row, &values) }
            }
            Layout::Q8 => (0..cols as usize / BLOCK).for_each(|block| {
                matrix.set_q8(row, block, f16::from_f32(size / 128.0), &std::array::from_fn(|_| seed.i8(..)));
            }),
            Layout::Q4 => (0..cols as usize / BLOCK).for_each(|block| {
                let (scale, least) = (f16::from_f32(size / 7.5), f16::from_f32(-size));
                matrix.set_q4(row, block, scale, least, &std::array::from_fn(|_| seed.u8(0..16)));
            }),
        }
    }
    Ok(matrix)
}
