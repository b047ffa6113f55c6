//! f32 to f16 and back, f16 as its bits.

/// Rounds `values` to f16, ties to even; beyond f16's range gives an infinity.
pub fn encode(values: &[f32], bits: &mut [u16]) {
    debug_assert_eq!(values.len(), bits.len(), "f16 encode");
    for (bits, value) in bits.iter_mut().zip(values) {
        *bits = ::half::f16::from_f32(*value).to_bits();
    }
}

/// The exact value of every finite f16.
pub fn decode(bits: &[u16], values: &mut [f32]) {
    debug_assert_eq!(values.len(), bits.len(), "f16 decode");
    for (value, bits) in values.iter_mut().zip(bits) {
        *value = ::half::f16::from_bits(*bits).to_f32();
    }
}
