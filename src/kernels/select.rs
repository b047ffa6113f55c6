//! Choosing the largest scores.

/// The indices of the `k` largest `scores`, ascending, into `out`; O(n). Of equal scores the lower index wins; NaN is
/// taken last. `scratch` is reused from call to call.
pub fn top_k(scores: &[f32], k: usize, out: &mut Vec<u32>, scratch: &mut Vec<u32>) {
    out.clear();
    if k >= scores.len() {
        out.extend(0..scores.len() as u32);
        return;
    }
    if k == 0 {
        return;
    }
    scratch.clear();
    scratch.extend(scores.iter().map(|score| rank(*score)));
    // The k-th largest rank: everything above it is in, of those equal to it the first ones.
    let (_, &mut least, above) = {
        let at = scratch.len() - k;
        scratch.select_nth_unstable(at)
    };
    let mut equal = k - above.iter().filter(|rank| **rank > least).count();
    for (index, score) in scores.iter().enumerate() {
        let rank = rank(*score);
        if rank > least {
            out.push(index as u32);
        } else if rank == least && equal > 0 {
            equal -= 1;
            out.push(index as u32);
        }
    }
}

/// The same indices with the best first; `keys` is reused from call to call.
pub fn top_k_in_order(scores: &[f32], k: usize, out: &mut Vec<u32>, keys: &mut Vec<u64>) {
    out.clear();
    let k = k.min(scores.len());
    if k == 0 {
        return;
    }
    // One number to compare: the score, and of equal ones the lower index.
    keys.clear();
    keys.extend(scores.iter().zip(0_u32..).map(|(score, index)| u64::from(rank(*score)) << 32 | u64::from(!index)));
    let at = keys.len() - k;
    keys.select_nth_unstable(at);
    let best = &mut keys[at..];
    best.sort_unstable();
    out.extend(best.iter().rev().map(|key| !(*key as u32)));
}

/// The index of the largest score, the lower one of equals; `None` if there is no number among them.
#[must_use]
pub fn argmax(scores: &[f32]) -> Option<usize> {
    let mut best = None;
    let mut top = f32::NEG_INFINITY;
    for (index, score) in scores.iter().enumerate() {
        if *score > top || (best.is_none() && *score == top) {
            (best, top) = (Some(index), *score);
        }
    }
    best
}

/// An integer that orders as the floats do, both zeros alike and NaN below all.
fn rank(score: f32) -> u32 {
    if score.is_nan() {
        return 0;
    }
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// All indices, the best first.
    fn in_order(scores: &[f32]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let key = |i: &u32| Some(scores[*i as usize]).filter(|s| !s.is_nan());
        order.sort_by(|a, b| key(b).partial_cmp(&key(a)).unwrap());
        order
    }

    #[test]
    fn top_k_is_the_stable_sort() {
        let mut random = crate::kernels::matrix::tests::Random(3);
        let special = [0.0, -0.0, 1.0, -1.0, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        for case in 0..3000 {
            let len = random.bits() as usize % 80;
            // From all different to nearly all equal.
            let scores: Vec<f32> = (0..len)
                .map(|_| match random.bits() as usize % 16 {
                    at @ 0..8 if case % 3 > 0 => special[at],
                    _ if case % 3 == 2 => 1.0,
                    _ => random.float(),
                })
                .collect();
            let k = random.bits() as usize % 90;
            let (mut out, mut scratch, mut keys) = (vec![7], Vec::new(), Vec::new());
            let mut want = in_order(&scores);
            let first = want.first().map(|i| *i as usize).filter(|i| !scores[*i].is_nan());
            want.truncate(k);
            top_k_in_order(&scores, k, &mut out, &mut keys);
            assert_eq!(out, want, "{k} of {scores:?}, in order");
            want.sort_unstable();
            top_k(&scores, k, &mut out, &mut scratch);
            assert_eq!(out, want, "{k} of {scores:?}");
            assert_eq!(argmax(&scores), first, "{scores:?}");
        }
    }
}
