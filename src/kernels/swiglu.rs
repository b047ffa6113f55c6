//! The gate of the feed-forward block (SwiGLU, arXiv:2002.05202).

use fearless_simd::{dispatch, prelude::*};

use super::exp::exp;
use crate::lanes;

/// `gate = silu(gate) * up`, with `silu(g) = g / (1 + exp(-g))`.
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    debug_assert_eq!(gate.len(), up.len(), "gate");
    dispatch!(lanes::level(), simd => run(simd, gate, up));
}

#[inline(always)]
fn run<S: Simd>(simd: S, gate: &mut [f32], up: &[f32]) {
    lanes::map2(
        simd,
        gate,
        up,
        #[inline(always)]
        |gate, up| gate * up / (exp(simd, -gate) + 1.0),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn gates_open_with_the_sigmoid() {
        lanes::each::run(|name| {
            let gate: Vec<f32> = (-1000..1003).map(|i| i as f32 / 10.0).collect();
            let up: Vec<f32> = gate.iter().map(|gate| 1.5 - gate / 100.0).collect();
            let mut out = gate.clone();
            swiglu(&mut out, &up);
            for ((got, gate), up) in out.iter().zip(&gate).zip(&up) {
                let gate = f64::from(*gate);
                let want = gate / (1.0 + (-gate).exp()) * f64::from(*up);
                assert!((f64::from(*got) - want).abs() <= 1e-6 * want.abs() + 1e-30, "{name}: {got} for {want}");
            }
        });
    }
}
