//! The f32 product behind prefill: a register block of rows times two vectors of columns.

use fearless_simd::prelude::*;

/// Columns a register block spans: what rows of `b` are padded to.
pub(super) const fn width<S: Simd>() -> usize {
    2 * S::f32s::LEN
}

/// The most columns [`width`] can be: AVX-512.
pub(super) const WIDEST: usize = 32;

/// A matrix of which only the distance of its rows is known.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
}

/// `out[m, n] = a[m, k] · b[k, n]`, or with `add` that much more. Rows of `b` are padded to a multiple of [`width`],
/// those of `out` are not.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    [m, k, n]: [usize; 3],
    a: Rows,
    b: Rows,
    out: &mut [f32],
    out_stride: usize,
    add: bool,
) {
    let mut row = 0;
    while row < m {
        let a = Rows { data: &a.data[row * a.stride..], ..a };
        let out = &mut out[row * out_stride..];
        // Six rows by two vectors, the factors and the splat fill the 16 registers of AVX2; with vectors of 128 bits
        // four rows leave room for the products, as there is no fused multiply-add.
        let most = if S::f32s::LEN == 4 { 4 } else { 6 };
        let rows = (m - row).min(most);
        match rows {
            1 => strip::<S, 1>(simd, k, n, a, b, out, out_stride, add),
            2 => strip::<S, 2>(simd, k, n, a, b, out, out_stride, add),
            3 => strip::<S, 3>(simd, k, n, a, b, out, out_stride, add),
            4 => strip::<S, 4>(simd, k, n, a, b, out, out_stride, add),
            5 => strip::<S, 5>(simd, k, n, a, b, out, out_stride, add),
            _ => strip::<S, 6>(simd, k, n, a, b, out, out_stride, add),
        }
        row += rows;
    }
}

#[inline(always)]
fn strip<S: Simd, const M: usize>(
    simd: S,
    k: usize,
    n: usize,
    a: Rows,
    b: Rows,
    out: &mut [f32],
    out_stride: usize,
    add: bool,
) {
    let rows: [&[f32]; M] = std::array::from_fn(|i| &a.data[i * a.stride..][..k]);
    let half = S::f32s::LEN;
    for column in (0..n).step_by(width::<S>()) {
        let mut sums = [[S::f32s::splat(simd, 0.0); 2]; M];
        for (at, b) in b.data[column..].chunks(b.stride).take(k).enumerate() {
            let b = [S::f32s::from_slice(simd, &b[..half]), S::f32s::from_slice(simd, &b[half..2 * half])];
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let a = S::f32s::splat(simd, row[at]);
                *sums = [a.mul_add(b[0], sums[0]), a.mul_add(b[1], sums[1])];
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let out = &mut out[i * out_stride + column..i * out_stride + n];
            for (sum, out) in sums.iter().zip(out.chunks_mut(half)) {
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
