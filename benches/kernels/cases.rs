//! What is timed, in the shapes of SmolLM2-135M: the native benchmark and the one in wasm run the same cases.
#![expect(clippy::expect_used, reason = "a benchmark may panic")]

use std::hint::black_box;

use attnscope::kernels::{
    Activations, AttendScratch, BLOCK, Blocks, Element, GemmScratch, Keys, Layout, Matrix, PlaneCodes, PlaneRows,
    Queries, Span, attend_blocks, attend_listed, attend_planes, attend_span, matmul, rms_norm, swiglu, top_k,
};
use half::f16;

/// Something to time.
pub struct Case {
    /// Kernel, layout and shape.
    pub name: String,
    /// Multiply-adds of one run, or elements where `name` says so.
    pub work: u64,
    /// One run.
    pub run: Box<dyn FnMut()>,
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for layout in [Layout::Q4, Layout::Q8, Layout::Half] {
        cases.push(product(layout, 1, 1536, 576));
    }
    cases.push(product(Layout::Q4, 1, 576, 1536));
    cases.push(product(Layout::Q4, 1, 49152, 576));
    cases.push(product(Layout::Q8, 1, 49152, 576));
    for n in [2, 3, 4, 8, 32] {
        cases.push(product(Layout::Q4, n, 1536, 576));
    }
    for layout in [Layout::Q4, Layout::Q8, Layout::Half] {
        cases.push(product(layout, 128, 1536, 576));
    }
    cases.push(product(Layout::Q4, 128, 576, 1536));
    cases.push(span::<u16>("f16", 1, 330));
    cases.push(span::<u16>("f16", 1, 2048));
    cases.push(span::<f32>("f32", 1, 2048));
    cases.push(listed("shared", |_, slot| slot % 10 == 0));
    cases.push(listed("apart", |head, slot| slot % 10 == head));
    cases.push(span::<u16>("f16", 128, 330));
    cases.push(span::<u16>("f16", 128, 2048));
    cases.push(span::<f32>("f32", 128, 2048));
    for slots in [2048, 4096, 8192] {
        if slots > 2048 {
            cases.push(span::<u16>("f16", 1, slots));
        }
        cases.push(span::<u16>("f16", 5, slots));
        for rows in [1, 5] {
            cases.push(planes("one plane", rows, slots, false));
            cases.push(planes("two planes", rows, slots, true));
        }
    }
    for slots in [4096, 8192] {
        cases.push(span::<u16>("f16", 128, slots));
        cases.push(blocks(slots));
    }
    cases.extend(rows());
    cases
}

fn numbers(len: usize) -> Vec<f32> {
    let mut state = len as u32 | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn product(layout: Layout, n: usize, rows: usize, cols: usize) -> Case {
    let mut w = Matrix::new(layout, rows, cols).expect("fits");
    for row in 0..rows {
        match layout {
            Layout::Half => w.set_half(row, &numbers(cols)),
            Layout::Single => w.set_single(row, &numbers(cols)),
            Layout::Q8 => (0..cols / BLOCK).for_each(|b| w.set_q8(row, b, f16::from_f32(0.01), &[row as i8; BLOCK])),
            Layout::Q4 => (0..cols / BLOCK).for_each(|b| {
                w.set_q4(row, b, f16::from_f32(0.01), f16::from_f32(-0.05), &[row as u8 & 15; BLOCK]);
            }),
        }
    }
    let values = numbers(n * cols);
    let (mut x, mut out, mut scratch) = (Activations::default(), vec![0.0; n * rows], GemmScratch::default());
    Case {
        name: format!("{} {layout:?} {rows}x{cols}, {n} rows", if n <= 3 { "gemv" } else { "gemm" }),
        work: (n * rows * cols) as u64,
        run: Box::new(move || {
            x.load(&values, n, cols);
            matmul(&w, &x, &mut out, &mut scratch);
            black_box(&out);
        }),
    }
}

const GROUP: usize = 3;
const HEAD: usize = 64;
const QUERIES: Queries = Queries { q: &[], stride: GROUP * HEAD, rows: 1, group: GROUP, head_dim: HEAD, scale: 0.125 };

fn stored<E: Element>(slots: usize) -> Vec<E> {
    let mut stored = vec![E::default(); slots * HEAD];
    E::store(&numbers(slots * HEAD), &mut stored);
    stored
}

fn span<E: Element>(element: &str, rows: usize, slots: usize) -> Case {
    let (k, v) = (stored::<E>(slots), stored::<E>(slots));
    let q = numbers(rows * GROUP * HEAD);
    let (mut out, mut scratch) = (vec![0.0; q.len()], AttendScratch::default());
    Case {
        name: format!("attend {element}, {rows} rows, {slots} slots"),
        work: (0..rows).map(|row| (slots - row) * GROUP * HEAD * 2).sum::<usize>() as u64,
        run: Box::new(move || {
            let span = Span::causal(slots - rows + 1);
            let kv = Keys { k: &k, v: &v, rotate: None };
            attend_span(&Queries { q: &q, rows, ..QUERIES }, &kv, span, &mut out, GROUP * HEAD, None, &mut scratch);
            black_box(&out);
        }),
    }
}

/// All slots but the newest 64 in planes, whose grids span 64 tokens or 64 channels.
fn planes(name: &str, rows: usize, slots: usize, fine: bool) -> Case {
    let quantised = slots - HEAD;
    let codes: [Vec<u8>; 4] = [1.0, 2.0, 3.0, 4.0]
        .map(|f| numbers(quantised * HEAD / 2).iter().map(|x| (f * 30.0 * (x + 1.0)) as u8).collect());
    let (steps, zeros) = (vec![0.1; quantised], numbers(quantised));
    let (tail_k, tail_v) = (stored::<u16>(HEAD), stored::<u16>(HEAD));
    let q = numbers(rows * GROUP * HEAD);
    let (mut out, mut scratch) = (vec![0.0; q.len()], AttendScratch::default());
    Case {
        name: format!("attend {name}, {rows} rows, {slots} slots"),
        work: (0..rows).map(|row| (slots - row) * GROUP * HEAD * 2).sum::<usize>() as u64,
        run: Box::new(move || {
            let [k, v] = [0, 2].map(|plane| PlaneCodes {
                upper: &codes[plane],
                lower: fine.then_some(&codes[plane + 1][..]),
                steps: &steps,
                zeros: &zeros,
            });
            let planes = PlaneRows { k, v, rows: quantised, tokens: HEAD, channels: HEAD };
            let (tail, q) = (Keys { k: &tail_k, v: &tail_v, rotate: None }, Queries { q: &q, rows, ..QUERIES });
            attend_planes(&q, &planes, &tail, slots - rows + 1, &mut out, GROUP * HEAD, None, &mut scratch);
            black_box(&out);
        }),
    }
}

fn listed(name: &str, keep: impl Fn(usize, usize) -> bool) -> Case {
    let slots = 2048;
    let (k, v) = (stored::<u16>(slots), stored::<u16>(slots));
    let q = numbers(GROUP * HEAD);
    let lists: Vec<Vec<u32>> =
        (0..GROUP).map(|head| (0..slots as u32).filter(|slot| keep(head, *slot as usize)).collect()).collect();
    let (mut out, mut scratch) = (vec![0.0; q.len()], AttendScratch::default());
    Case {
        name: format!("attend f16, lists {name}, 10% of {slots} slots"),
        work: lists.iter().map(|list| (list.len() * HEAD * 2) as u64).sum(),
        run: Box::new(move || {
            let kv = Keys { k: &k, v: &v, rotate: None };
            let lists: [&[u32]; GROUP] = std::array::from_fn(|head| &lists[head][..]);
            attend_listed(&Queries { q: &q, ..QUERIES }, &kv, &lists, &mut out, None, &mut scratch);
            black_box(&out);
        }),
    }
}

/// The newest 128 rows of a prompt; each head reads 30% of the blocks: the first, its own, and others.
fn blocks(slots: usize) -> Case {
    let (rows, size) = (128, 64);
    let (k, v) = (stored::<u16>(slots), stored::<u16>(slots));
    let q = numbers(rows * GROUP * HEAD);
    let (count, first) = (slots / size, slots - rows);
    let lists: Vec<Vec<u32>> = (0..GROUP)
        .map(|head| {
            let keep = |a: usize, j: usize| j == 0 || j == a || (7 * j + 3 * a + 5 * head) % 10 < 3;
            let row = |a| (0..=a).filter(move |j| keep(a, *j)).map(move |j| (a * count + j) as u32);
            (first / size..count).flat_map(row).collect()
        })
        .collect();
    let (mut out, mut scratch) = (vec![0.0; q.len()], AttendScratch::default());
    Case {
        name: format!("attend f16, {rows} rows, 30% of {slots} slots by blocks of {size}"),
        work: lists.iter().map(|list| (list.len() * size * size * HEAD * 2) as u64).sum(),
        run: Box::new(move || {
            let kv = Keys { k: &k, v: &v, rotate: None };
            let pairs: [&[u32]; GROUP] = std::array::from_fn(|head| &lists[head][..]);
            let q = Queries { q: &q, rows, ..QUERIES };
            let blocks = Blocks { size, count, pairs: &pairs };
            attend_blocks(&q, &kv, first, blocks, &mut out, GROUP * HEAD, None, &mut scratch);
            black_box(&out);
        }),
    }
}

fn rows() -> [Case; 3] {
    let (x, weight, mut out) = (numbers(576), numbers(576), vec![0.0; 576]);
    let (mut gate, up) = (numbers(1536), numbers(1536));
    let (scores, mut chosen, mut scratch) = (numbers(2048), Vec::new(), Vec::new());
    [
        Case {
            name: "rms_norm, elements".into(),
            work: 576,
            run: Box::new(move || rms_norm(&x, &weight, 1e-5, black_box(&mut out))),
        },
        Case { name: "swiglu, elements".into(), work: 1536, run: Box::new(move || swiglu(black_box(&mut gate), &up)) },
        Case {
            name: "top_k 205 of 2048, elements".into(),
            work: 2048,
            run: Box::new(move || top_k(&scores, 205, black_box(&mut chosen), &mut scratch)),
        },
    ]
}
