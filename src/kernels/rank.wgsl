// Floats by their bits, in order.

const INFINITY: u32 = 0x7f800000u; // bits
const SIGN: u32 = 0x80000000u;

// An integer that orders as the floats do, both zeros alike and what is no number below all (kernels/select.rs).
fn rank_of(bits: u32) -> u32 {
    if (bits & ~SIGN) > INFINITY {
        return 0u;
    }
    if (bits & ~SIGN) == 0u {
        return SIGN;
    }
    return select(bits | SIGN, ~bits, (bits & SIGN) != 0u);
}
