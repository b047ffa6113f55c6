//! Products with weights of every layout, and the model's fused endings.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Device, Embed, Ending, Norm, Product, Stack},
    kernels::{Activations, GemmScratch, Layout, Matrix, Precision, add_assign, matmul, rms_norm, swiglu},
};
use half::f16;
use pollster::block_on;

use super::made::random;
use super::{difference, floats, gpu};

fn matrix(seed: &mut fastrand::Rng, layout: Layout, rows: usize, cols: usize) -> Matrix {
    let mut matrix = Matrix::new(layout, rows, cols).unwrap();
    for row in 0..rows {
        match layout {
            Layout::Half => matrix.set_half(row, &random(seed, cols)),
            Layout::Single => matrix.set_single(row, &random(seed, cols)),
            Layout::Q8 | Layout::Q4 => {
                for block in 0..cols / 32 {
                    let q: [u8; 32] = std::array::from_fn(|_| seed.u8(..));
                    if layout == Layout::Q8 {
                        matrix.set_q8(row, block, f16::from_f32(seed.f32() / 128.0), &q.map(u8::cast_signed));
                    } else {
                        let (scale, least) = (f16::from_f32(seed.f32() / 8.0), f16::from_f32(-seed.f32()));
                        matrix.set_q4(row, block, scale, least, &q.map(|q| q & 15));
                    }
                }
            }
        }
    }
    matrix
}

/// The CPU's product in f32.
fn product(w: &Matrix, x: &[f32], rows: usize) -> Vec<f32> {
    let mut activations = Activations::new(Precision::Exact);
    activations.load(x, rows, w.cols());
    let mut out = vec![0.0; rows * w.rows()];
    matmul(w, &activations, &mut out, &mut GemmScratch::default());
    out
}

/// `cols` products of numbers of about 1, summed in two different orders. A partial sum grows as the root of their number
/// and rounds by half an ulp of itself, and these errors add up as the root again: `cols` ulps of 1 bound a sum's error at
/// four times what is to be expected, on either side.
fn tolerance(cols: usize) -> f32 {
    2.0 * f32::EPSILON * cols as f32
}

fn run(gpu: &Rc<Device>, product: &Product, out: &[f32]) -> Vec<f32> {
    // Behind another's numbers.
    let buffer = gpu.upload("out", &[&[7.0; 3], out].concat()).unwrap();
    let mut burst = gpu.burst();
    product.record(&mut burst, &buffer, 3, None).unwrap();
    burst.read(&buffer, 0..buffer.words()).unwrap();
    let all = floats(&block_on(burst.finish()).unwrap()[0]);
    assert_eq!(all[..3], [7.0; 3]);
    all[3..].to_vec()
}

const LAYOUTS: [Layout; 4] = [Layout::Half, Layout::Single, Layout::Q8, Layout::Q4];

#[test]
fn products_of_every_layout() {
    let Some(gpu) = gpu("products") else { return };
    let mut seed = fastrand::Rng::with_seed(1);
    for layout in LAYOUTS {
        for (rows, outputs, cols) in [(1, 1, 32), (1, 9, 576), (3, 17, 288), (4, 8, 320), (5, 24, 64), (19, 40, 576)] {
            let w = matrix(&mut seed, layout, outputs, cols);
            let x = random(&mut seed, rows * cols);
            let (weights, device) =
                (Stack::upload(&gpu, &[&w]).unwrap(), gpu.upload("x", &[&[3.0; 5], &x[..]].concat()).unwrap());
            let call =
                Product { x: &device, x_first: 5, rows: rows as u32, norm: None, w: &weights, ending: Ending::Store };
            let want = product(&w, &x, rows);
            let error = difference(&run(&gpu, &call, &vec![0.0; want.len()]), &want);
            assert!(error <= tolerance(cols), "{layout:?} [{outputs}, {cols}], {rows} rows: off by {error}");
        }
    }
}

#[test]
fn odd_widths_of_float_matrices() {
    let Some(gpu) = gpu("odd widths") else { return };
    let mut seed = fastrand::Rng::with_seed(2);
    for layout in [Layout::Half, Layout::Single] {
        let (w, x) = (matrix(&mut seed, layout, 5, 37), random(&mut seed, 2 * 37));
        let (weights, device) = (Stack::upload(&gpu, &[&w]).unwrap(), gpu.upload("x", &x).unwrap());
        let call = Product { x: &device, x_first: 0, rows: 2, norm: None, w: &weights, ending: Ending::Store };
        let error = difference(&run(&gpu, &call, &[0.0; 10]), &product(&w, &x, 2));
        assert!(error <= tolerance(37), "{layout:?}: off by {error}");
    }
}

#[test]
fn fused_with_norm_residual_and_gate() {
    let Some(gpu) = gpu("fused products") else { return };
    let mut seed = fastrand::Rng::with_seed(3);
    for (layout, rows, cols, width) in [(Layout::Q4, 1, 576, 48), (Layout::Q8, 6, 96, 16), (Layout::Half, 9, 64, 8)] {
        let matrices = [(); 3].map(|()| matrix(&mut seed, layout, width, cols));
        let [a, b, c] = &matrices;
        let (x, norm) = (random(&mut seed, rows * cols), random(&mut seed, cols));
        let mut normed = vec![0.0; x.len()];
        for (x, normed) in x.chunks_exact(cols).zip(normed.chunks_exact_mut(cols)) {
            rms_norm(x, &norm, 1e-5, normed);
        }
        let device = gpu.upload("x", &x).unwrap();
        let norms = gpu.upload("norms", &[&norm[..], &norm].concat()).unwrap();
        // Of normalised numbers some are above 1.
        let most = normed.iter().fold(1f32, |most, x| most.max(x.abs()));
        let allowed = tolerance(cols) * most;

        // Q, K and V of a row beside each other.
        let weights = Stack::upload(&gpu, &[a, b, c]).unwrap();
        let norm = Some(Norm { weights: &norms, first: cols as u32, eps: 1e-5 });
        let call = Product { x: &device, x_first: 0, rows: rows as u32, norm, w: &weights, ending: Ending::Store };
        let each = [a, b, c].map(|w| product(w, &normed, rows));
        let want: Vec<f32> =
            (0..rows).flat_map(|row| each.iter().flat_map(move |of| of[row * width..][..width].to_vec())).collect();
        let error = difference(&run(&gpu, &call, &vec![0.0; want.len()]), &want);
        assert!(error <= allowed, "{layout:?}: Q, K and V off by {error}");

        let call = Product { norm: None, ending: Ending::Add, ..call };
        let mut want = random(&mut seed, want.len());
        let before = want.clone();
        let each = [a, b, c].map(|w| product(w, &x, rows));
        let sums: Vec<f32> =
            (0..rows).flat_map(|row| each.iter().flat_map(move |of| of[row * width..][..width].to_vec())).collect();
        add_assign(&mut want, &sums);
        let error = difference(&run(&gpu, &call, &before), &want);
        assert!(error <= allowed, "{layout:?}: residual off by {error}");

        let weights = Stack::upload(&gpu, &[a, b]).unwrap();
        let call = Product { norm, w: &weights, ending: Ending::Gate, ..call };
        let (mut want, up) = (product(a, &normed, rows), product(b, &normed, rows));
        // Errors of gate and up are multiplied by up and gate.
        let largest = want.iter().chain(&up).fold(1f32, |most, x| most.max(x.abs()));
        swiglu(&mut want, &up);
        let error = difference(&run(&gpu, &call, &vec![0.0; want.len()]), &want);
        assert!(error <= 2.0 * largest * allowed, "{layout:?}: gate off by {error}");
    }
}

#[test]
fn matrices_that_do_not_stack_are_refused() {
    let Some(gpu) = gpu("stacks") else { return };
    let mut seed = fastrand::Rng::with_seed(4);
    let [a, b] = [9, 8].map(|rows| matrix(&mut seed, Layout::Q8, rows, 32));
    let other = matrix(&mut seed, Layout::Q4, 8, 32);
    assert!(Stack::upload(&gpu, &[&a, &b]).is_err() && Stack::upload(&gpu, &[&b, &other]).is_err());
    assert_eq!(Stack::upload(&gpu, &[&b, &a]).unwrap().rows(), 17);
}

#[test]
fn embeddings_of_picked_tokens() {
    let Some(gpu) = gpu("embeddings") else { return };
    let mut seed = fastrand::Rng::with_seed(9);
    for layout in LAYOUTS {
        for (outputs, cols) in [(9, 32), (24, 576), (41, 96)] {
            let w = matrix(&mut seed, layout, outputs, cols);
            let table = Stack::upload(&gpu, &[&w]).unwrap();
            let ids: Vec<u32> = (0..5).map(|_| seed.u32(..outputs as u32)).collect();
            // Each with whether its logits were finite, which is none of this kernel's.
            let picked = gpu.upload("picked", &ids.iter().flat_map(|&id| [id, 1]).collect::<Vec<u32>>()).unwrap();
            let x = gpu.upload("x", &vec![7.0f32; 4 + 3 * cols]).unwrap();
            let mut burst = gpu.burst();
            Embed { first: 2, rows: 3, x_first: 4 }.record(&mut burst, &picked, &table, &x).unwrap();
            burst.read(&x, 0..x.words()).unwrap();
            let got = floats(&block_on(burst.finish()).unwrap()[0]);
            let mut want = vec![0.0; 3 * cols];
            want.chunks_exact_mut(cols).zip(&ids[2..]).for_each(|(row, id)| w.row(*id as usize, row));
            assert_eq!(got[..4], [7.0; 4], "{layout:?}: what is before");
            // A product and a sum, perhaps rounded once.
            assert!(difference(&got[4..], &want) <= 2.0 * f32::EPSILON, "{layout:?} [{outputs}, {cols}]");
        }
    }
}
