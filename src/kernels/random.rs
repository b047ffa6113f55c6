//! A number that a slot's position and KV head hash to: what a choice by attention is compared with.

/// From 0 to below 1 in steps of 2^-24: the upper bits of a mix in which every bit of both numbers has its say (two
/// rounds of shift and multiply, with C. Wellons' constants of least bias). The twin in WGSL gives the same bits.
#[must_use]
pub fn random(position: u32, head: u32) -> f32 {
    let mut x = position ^ head.wrapping_mul(0x9e37_79b9);
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    ((x ^ (x >> 16)) >> 8) as f32 / (1 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::random;

    #[test]
    fn numbers_are_spread_and_heads_have_their_own() {
        let of = |head| (0..4000).map(move |position| random(position, head));
        for head in 0..3 {
            let mean = of(head).map(f64::from).sum::<f64>() / 4000.0;
            assert!((mean - 0.5).abs() < 0.02, "{mean}");
            assert!(of(head).all(|x| (0.0..1.0).contains(&x)));
        }
        let both = of(0).zip(of(1)).filter(|(a, b)| *a < 0.2 && *b < 0.2).count();
        assert!((100..220).contains(&both), "{both} of 4000 are in the least fifth of both heads");
    }
}
