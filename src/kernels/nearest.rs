//! Nearest rows by cosine.

/// For every row of `of` the row of `among` (both `[rows, width]`) with the largest cosine, and that cosine, into
/// `out`. Of equals the lower row wins; a row of zeros has cosine 0 to all. Nothing when `among` is empty.
pub fn nearest(of: &[f32], among: &[f32], width: usize, out: &mut Vec<(u32, f32)>) {
    out.clear();
    let unit = |rows: &[f32]| -> Vec<f32> {
        let scaled = rows.chunks_exact(width).flat_map(|row| {
            let norm = dot(row, row).sqrt();
            row.iter().map(move |x| if norm > 0.0 { x / norm } else { 0.0 })
        });
        scaled.collect()
    };
    let (of, among) = (unit(of), unit(among));
    for row in of.chunks_exact(width) {
        let cosines = among.chunks_exact(width).map(|other| dot(row, other));
        let best = (0..).zip(cosines).fold(None, |best: Option<(u32, f32)>, (i, cosine)| match best {
            Some((_, top)) if cosine <= top => best,
            _ => Some((i, cosine)),
        });
        out.extend(best);
    }
}

/// Sum of products in eight parts: fast without a dispatch, and rounded less than in one.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(s, (a, b))| *s += a * b);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_is_the_definition() {
        let mut random = crate::kernels::matrix::tests::Random(9);
        for width in [1, 3, 8, 21, 64] {
            let mut rows = |n: usize| (0..n * width).map(|_| random.float() - 0.5).collect::<Vec<f32>>();
            let (of, among) = (rows(7), rows(11));
            let mut out = Vec::new();
            nearest(&of, &among, width, &mut out);
            assert_eq!(out.len(), 7);
            for (row, &(index, cosine)) in of.chunks_exact(width).zip(&out) {
                let naive = |other: &[f32]| {
                    let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
                    sum(row, other) / (sum(row, row) * sum(other, other)).sqrt()
                };
                let all: Vec<f64> = among.chunks_exact(width).map(naive).collect();
                let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                assert!((f64::from(cosine) - best).abs() < 1e-6 && best - all[index as usize] < 1e-6, "width {width}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_row_and_zeros_have_cosine_zero() {
        let mut out = vec![(9, 9.0)];
        nearest(&[1.0, 0.0, 0.0, 0.0], &[0.0, 0.0, 2.0, 0.0, 3.0, 0.0], 2, &mut out);
        assert_eq!(out, [(1, 1.0), (0, 0.0)]);
        nearest(&[1.0, 0.0], &[], 2, &mut out);
        assert!(out.is_empty());
    }
}
