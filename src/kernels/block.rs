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

/// The same to write to.
pub(super) struct RowsMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) stride: usize,
}

/// `out[m, n] = a[m, k] · b[k, n]`, or with `add` that much more. Rows of `b` are padded to a multiple of [`width`],
/// those of `out` are not.
///
/// Not inlined: it is much code, and has many callers.
pub(super) fn product<S: Simd>(simd: S, shape: [usize; 3], a: Rows, b: Rows, out: RowsMut, add: bool) {
    simd.vectorize(
        #[inline(always)]
        || run(simd, shape, a, b, out, add),
    );
}

#[inline(always)]
fn run<S: Simd>(simd: S, [m, k, n]: [usize; 3], a: Rows, b: Rows, out: RowsMut, add: bool) {
    // Six rows by two vectors, the factors and the splat fill the 16 registers of AVX2; with vectors of 128 bits
    // four rows leave room for the products, as there is no fused multiply-add.
    let most = if S::f32s::LEN == 4 { 4 } else { 6 };
    for row in (0..m).step_by(most) {
        let a = Rows {
            data: &a.data[row * a.stride..],
            ..a
        };
        let out = RowsMut {
            data: &mut out.data[row * out.stride..],
            ..out
        };
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
fn strip<S: Simd, const M: usize>(simd: S, k: usize, n: usize, a: Rows, b: Rows, out: RowsMut, add: bool) {
    let rows: [&[f32]; M] = std::array::from_fn(|i| &a.data[i * a.stride..][..k]);
    let half = S::f32s::LEN;
    for column in (0..n).step_by(width::<S>()) {
        let mut sums = [[S::f32s::splat(simd, 0.0); 2]; M];
        for (at, b) in b.data[column..].chunks(b.stride).take(k).enumerate() {
            let b = [
                S::f32s::from_slice(simd, &b[..half]),
                S::f32s::from_slice(simd, &b[half..2 * half]),
            ];
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let a = S::f32s::splat(simd, row[at]);
                *sums = [a.mul_add(b[0], sums[0]), a.mul_add(b[1], sums[1])];
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let line = &mut out.data[i * out.stride..][column..n];
            for (sum, out) in sums.iter().zip(line.chunks_mut(half)) {
                if out.len() == half {
                    let sum = if add {
                        *sum + S::f32s::from_slice(simd, out)
                    } else {
                        *sum
                    };
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
