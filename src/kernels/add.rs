//! The residual sum.

/// `x += y`.
pub fn add_assign(x: &mut [f32], y: &[f32]) {
    debug_assert_eq!(x.len(), y.len(), "sum");
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
