//! The f32 product behind prefill: a register block of rows times two vectors of columns.

use fearless_simd::prelude::*;

/// Columns a register block spans.
pub(super) const fn width<S: Simd>() -> usize {
    2 * S::f32s::LEN
}

/// The most columns [`width`] can be: AVX-512.
pub(super) const WIDEST: usize = 32;

/// Terms added per turn of the inner loop, which then has nothing to check.
const UNROLL: usize = 8;

/// A matrix of which only the distance of its rows is known.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
}

/// The same to write to.
pub(super) struct RowsMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) stride: usize,
}

/// A matrix `[k, n]` cut into panels `[k, width]`, the last one padded.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) data: &'a [f32],
    /// Floats from a panel to the next.
    pub(super) stride: usize,
}

/// `out[m, n] = a[m, k] · b[k, n]`, or with `add` that much more.
///
/// Not inlined: it is much code, and has many callers.
pub(super) fn product<S: Simd>(simd: S, shape: [usize; 3], a: Rows, b: Panels, out: RowsMut, add: bool) {
    simd.vectorize(
        #[inline(always)]
        || run(simd, shape, a, b, out, add),
    );
}

#[inline(always)]
fn run<S: Simd>(simd: S, [m, k, n]: [usize; 3], a: Rows, b: Panels, out: RowsMut, add: bool) {
    // Six rows by two vectors, the factors and the splat fill the 16 registers of AVX2; with vectors of 128 bits
    // four rows leave room for the products, as there is no fused multiply-add.
    let most = if S::f32s::LEN == 4 { 4 } else { 6 };
    for row in (0..m).step_by(most) {
        let a = Rows { data: &a.data[row * a.stride..], ..a };
        let out = RowsMut { data: &mut out.data[row * out.stride..], ..out };
        match most.min(m - row) {
            1 => strip::<S, 1>(simd, k, n, a, b, out, add),
            2 => strip::<S, 2>(simd, k, n, a, b, out, add),
            3 => strip::<S, 3>(simd, k, n, a, b, out, add),
            4 => strip::<S, 4>(simd, k, n, a, b, out, add),
            5 => strip::<S, 5>(simd, k, n, a, b, out, add),
            _ => strip::<S, 6>(simd, k, n, a, b, out, add),
        }
    }
}

#[inline(always)]
fn strip<S: Simd, const M: usize>(simd: S, k: usize, n: usize, a: Rows, b: Panels, out: RowsMut, add: bool) {
    let half = S::f32s::LEN;
    let rows: [_; M] = std::array::from_fn(|i| a.data[i * a.stride..][..k].as_chunks::<UNROLL>());
    for column in (0..n).step_by(2 * half) {
        let panel = &b.data[column / (2 * half) * b.stride..][..k * 2 * half];
        let (whole, rest) = panel.split_at(k / UNROLL * UNROLL * 2 * half);
        let mut sums = [[S::f32s::splat(simd, 0.0); 2]; M];
        for (at, lines) in whole.chunks_exact(UNROLL * 2 * half).enumerate() {
            let a: [&[f32; UNROLL]; M] = std::array::from_fn(
                #[inline(always)]
                |i| &rows[i].0[at],
            );
            for (j, line) in lines.chunks_exact(2 * half).enumerate() {
                accumulate(
                    simd,
                    &mut sums,
                    a.map(
                        #[inline(always)]
                        |a| a[j],
                    ),
                    line,
                );
            }
        }
        for (j, line) in rest.chunks_exact(2 * half).enumerate() {
            accumulate(
                simd,
                &mut sums,
                rows.map(
                    #[inline(always)]
                    |a| a.1[j],
                ),
                line,
            );
        }
        for (i, sums) in sums.iter().enumerate() {
            let line = &mut out.data[i * out.stride..][column..n];
            for (sum, out) in sums.iter().zip(line.chunks_mut(half)) {
                if out.len() == half {
                    let sum = if add { *sum + S::f32s::from_slice(simd, out) } else { *sum };
                    sum.store_slice(out);
                } else {
                    for (out, sum) in out.iter_mut().zip(sum.as_slice()) {
                        *out = if add { *out + sum } else { *sum };
                    }
                }
            }
        }
    }
}

/// `sums[i] += a[i] * line`.
#[inline(always)]
fn accumulate<S: Simd, const M: usize>(simd: S, sums: &mut [[S::f32s; 2]; M], a: [f32; M], line: &[f32]) {
    let (first, second) = line.split_at(S::f32s::LEN);
    let line = [S::f32s::from_slice(simd, first), S::f32s::from_slice(simd, second)];
    for (sums, a) in sums.iter_mut().zip(a) {
        let a = S::f32s::splat(simd, a);
        *sums = [a.mul_add(line[0], sums[0]), a.mul_add(line[1], sums[1])];
    }
}
