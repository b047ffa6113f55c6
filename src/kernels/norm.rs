//! RMS normalisation.

/// `out = x / sqrt(mean(x²) + eps) * weight`, one row `[width]`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    debug_assert!(x.len() == weight.len() && x.len() == out.len(), "norm of {} values", x.len());
    let square: f32 = x.iter().map(|x| x * x).sum();
    let inverse = 1.0 / (square / x.len() as f32 + eps).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * inverse * weight;
    }
}
