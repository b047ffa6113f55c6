//! Attention over several shares of the keys as one, by their log-sum-exps.

/// `lse = ln(sum of exp(lse_p))`, `out = sum of exp(lse_p - lse) * out_p`, the exponents shifted by the largest so that no
/// gap between parts overflows. Parts and results are `[rows * heads, dim]` and `[rows * heads]`; a part with minus
/// infinity counts nothing, and without any other the output is 0. Order matters in the last bits only.
pub fn merge<'a>(
    dim: usize,
    parts: impl Iterator<Item = (&'a [f32], &'a [f32])> + Clone,
    out: &mut [f32],
    lse: &mut [f32],
) {
    for (i, (out, lse)) in out.chunks_exact_mut(dim).zip(lse).enumerate() {
        let top = parts.clone().map(|(_, lse)| lse[i]).fold(f32::NEG_INFINITY, f32::max);
        out.fill(0.0);
        *lse = top;
        if top == f32::NEG_INFINITY {
            continue;
        }
        let sum: f32 = parts.clone().map(|(_, lse)| (lse[i] - top).exp()).sum();
        *lse = top + sum.ln();
        for (part, own) in parts.clone() {
            let weight = (own[i] - top).exp() / sum;
            out.iter_mut().zip(&part[i * dim..]).for_each(|(out, x)| *out += weight * x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matrix::tests::Random;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const DIM: usize = 5;

    /// Softmax over some scores and its log-sum-exp, in f64.
    fn attend(scores: &[f32], values: &[f32]) -> (Vec<f32>, f32) {
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = scores.iter().map(|s| f64::from(s - top).exp()).sum();
        let component = |c: usize| {
            let weighted =
                scores.iter().zip(values.chunks_exact(DIM)).map(|(s, v)| f64::from(s - top).exp() * f64::from(v[c]));
            (weighted.sum::<f64>() / sum) as f32
        };
        ((0..DIM).map(component).collect(), (f64::from(top) + sum.ln()) as f32)
    }

    #[test]
    fn shares_merge_to_the_softmax_over_all_in_any_order_whatever_their_gap() {
        let mut random = Random(3);
        for gap in [0.0, 30.0, 200.0, -200.0] {
            let (mut scores, values) = (random.floats(30), random.floats(30 * DIM));
            scores[..11].iter_mut().for_each(|s| *s += gap);
            let (want, want_lse) = attend(&scores, &values);
            let mut parts: Vec<_> = [0..11, 11..12, 12..12, 12..30]
                .map(|at| match at.len() {
                    0 => (vec![7.0; DIM], f32::NEG_INFINITY),
                    _ => attend(&scores[at.clone()], &values[at.start * DIM..at.end * DIM]),
                })
                .into();
            for _ in 0..parts.len() {
                parts.rotate_left(1);
                let (mut out, mut lse) = ([9.0; DIM], [9.0]);
                merge(DIM, parts.iter().map(|(o, l)| (&o[..], std::slice::from_ref(l))), &mut out, &mut lse);
                assert!((lse[0] - want_lse).abs() <= 2e-5 * want_lse.abs().max(1.0), "{gap}: {lse:?}, want {want_lse}");
                for (got, want) in out.iter().zip(&want) {
                    assert!((got - want).abs() < 2e-6, "{gap}: {got}, want {want}");
                }
            }
        }
        let (mut out, mut lse) = ([9.0; DIM], [9.0]);
        let nothing = (&[1.0; DIM][..], &[f32::NEG_INFINITY][..]);
        merge(DIM, [nothing; 2].into_iter(), &mut out, &mut lse);
        assert_eq!((out, lse), ([0.0; DIM], [f32::NEG_INFINITY]));
    }
}
