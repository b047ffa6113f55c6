//! The gate of the feed-forward block.

/// `gate = silu(gate) * up`, with `silu(g) = g / (1 + exp(-g))`.
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    debug_assert_eq!(gate.len(), up.len(), "gate");
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + (-*gate).exp()) * up;
    }
}
