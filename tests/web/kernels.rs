//! The kernels as simd128 against plain loops.

use attnscope::kernels::{
    Activations, AttendScratch, GemmScratch, Keys, Layout, MassOut, Matrix, Queries, Span, attend_listed, attend_span,
    encode, matmul, rms_norm, swiglu, top_k,
};
use half::f16;
use wasm_bindgen_test::wasm_bindgen_test;

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| 2.0 * random.f32() - 1.0).collect()
}

fn close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance, "{what}[{i}]: {g}, want {w}");
    }
}

// Without it the kernels would be slow, and tested on scalar code.
const _: () = assert!(cfg!(target_feature = "simd128"), "build with the flags of .cargo/config.toml");

#[wasm_bindgen_test]
fn products_are_those_of_the_unpacked_rows() {
    let mut random = fastrand::Rng::with_seed(1);
    for layout in [Layout::Half, Layout::Q8, Layout::Q4] {
        for (rows, cols, n) in [(1, 32, 1), (7, 64, 1), (24, 96, 3), (33, 160, 4), (64, 576, 13), (40, 64, 128)] {
            let mut w = Matrix::new(layout, rows, cols).unwrap();
            for row in 0..rows {
                if layout == Layout::Half {
                    w.set_half(row, &numbers(cols, row as u64));
                    continue;
                }
                for block in 0..cols / 32 {
                    let (scale, min) = (f16::from_f32(0.01 + 0.01 * random.f32()), f16::from_f32(-0.1));
                    match layout {
                        Layout::Q8 => w.set_q8(row, block, scale, &std::array::from_fn(|_| random.i8(-127..=127))),
                        _ => w.set_q4(row, block, scale, min, &std::array::from_fn(|_| random.u8(0..16))),
                    }
                }
            }
            let x = numbers(n * cols, 77);
            let (mut activations, mut out) = (Activations::default(), vec![0.0; n * rows]);
            activations.load(&x, n, cols);
            matmul(&w, &activations, &mut out, &mut GemmScratch::default());
            let mut row = vec![0.0; cols];
            let mut want = vec![0.0; n * rows];
            for r in 0..rows {
                w.row(r, &mut row);
                for i in 0..n {
                    want[i * rows + r] = x[i * cols..][..cols].iter().zip(&row).map(|(a, b)| a * b).sum();
                }
            }
            // 8-bit activations: half a step of 1/127 a number, random signs.
            let tolerance = 0.006 * (cols as f32).sqrt() * row.iter().fold(0f32, |m, x| m.max(x.abs()));
            close(&out, &want, tolerance, &format!("{layout:?} {rows} x {cols}, {n} rows"));
        }
    }
}

#[wasm_bindgen_test]
fn attention_is_that_of_the_definition() {
    let (dim, group) = (16, 3);
    for (live, rows) in [(1, 1), (5, 5), (70, 1), (200, 1), (150, 33)] {
        let (q, k, v) = (numbers(rows * group * dim, 1), numbers(live * dim, 2), numbers(live * dim, 3));
        let queries = Queries { q: &q, stride: group * dim, rows, group, head_dim: dim, scale: 0.25 };
        for window in [usize::MAX, 7] {
            let mut out = vec![0.0; rows * group * dim];
            let mut columns = vec![0.0; group * live];
            let span = Span { sees: live - rows + 1, window, fixed: false };
            let mass = MassOut { columns: &mut columns, stride: live, first_row: 0 };
            let keys = Keys { k: &k, v: &v, rotate: None };
            attend_span(&queries, &keys, span, &mut out, group * dim, Some(mass), &mut AttendScratch::default());
            let (want, mass) = naive(&queries, &k, &v, |row| (span.of(row)).collect());
            close(&out, &want, 1e-5, "span");
            close(&columns, &mass, 1e-4, "mass");
            // f16 rows, without mass: the other path.
            let half = |x: &[f32]| {
                let mut bits = vec![0; x.len()];
                encode(x, &mut bits);
                bits
            };
            let (hk, hv) = (half(&k), half(&v));
            let keys = Keys { k: &hk, v: &hv, rotate: None };
            attend_span(&queries, &keys, span, &mut out, group * dim, None, &mut AttendScratch::default());
            close(&out, &want, 2e-3, "span of f16");
        }
        if rows == 1 {
            let lists: Vec<Vec<u32>> =
                (0..group).map(|g| (0..live as u32).filter(|s| s % (g as u32 + 2) == 0).collect()).collect();
            let lists: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
            let mut out = vec![0.0; group * dim];
            let keys = Keys { k: &k, v: &v, rotate: None };
            attend_listed(&queries, &keys, &lists, &mut out, None, &mut AttendScratch::default());
            for (g, list) in lists.iter().enumerate() {
                let (want, _) = naive(&queries, &k, &v, |_| list.iter().map(|&s| s as usize).collect());
                close(&out[g * dim..][..dim], &want[g * dim..][..dim], 1e-5, "lists");
            }
        }
    }
}

fn naive(q: &Queries, k: &[f32], v: &[f32], slots: impl Fn(usize) -> Vec<usize>) -> (Vec<f32>, Vec<f32>) {
    let (dim, live) = (q.head_dim, k.len() / q.head_dim);
    let (mut out, mut mass) = (vec![0.0; q.rows * q.group * dim], vec![0.0; q.group * live]);
    for row in 0..q.rows {
        for head in 0..q.group {
            let query = &q.q[row * q.stride + head * dim..][..dim];
            let slots = slots(row);
            let p: Vec<f32> = slots
                .iter()
                .map(|s| (q.scale * query.iter().zip(&k[s * dim..]).map(|(a, b)| a * b).sum::<f32>()).exp())
                .collect();
            let total: f32 = p.iter().sum();
            for (s, p) in slots.iter().zip(p) {
                mass[head * live + s] += p / total;
                for d in 0..dim {
                    out[(row * q.group + head) * dim + d] += p / total * v[s * dim + d];
                }
            }
        }
    }
    (out, mass)
}

#[wasm_bindgen_test]
fn small_kernels_are_those_of_their_definition() {
    for n in [1, 4, 31, 64, 577] {
        let (x, w) = (numbers(n, 4), numbers(n, 5));
        let mut out = vec![0.0; n];
        rms_norm(&x, &w, 1e-5, &mut out);
        let rms = (x.iter().map(|x| x * x).sum::<f32>() / n as f32 + 1e-5).sqrt();
        close(&out, &x.iter().zip(&w).map(|(x, w)| x / rms * w).collect::<Vec<_>>(), 1e-5, "norm");
        let mut gate: Vec<f32> = x.iter().map(|x| 8.0 * x).collect();
        let want: Vec<f32> = gate.iter().zip(&w).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
        swiglu(&mut gate, &w);
        close(&gate, &want, 1e-5, "swiglu");
        let (mut best, mut work) = (Vec::new(), Vec::new());
        top_k(&x, n / 3, &mut best, &mut work);
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by(|&a, &b| x[b as usize].total_cmp(&x[a as usize]).then(a.cmp(&b)));
        let mut want = order[..n / 3].to_vec();
        want.sort_unstable();
        assert_eq!(best, want);
    }
}
