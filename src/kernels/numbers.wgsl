// Arithmetic on scores by their bits: an infinity stays what it is, for WGSL may assume that none arises.

fn is_infinite(bits: u32) -> bool {
    return (bits & 0x7fffffffu) == INFINITY;
}

fn plus(a: u32, b: u32) -> u32 {
    if is_infinite(a) {
        return a;
    }
    if is_infinite(b) {
        return b;
    }
    return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}

// By a positive factor.
fn times(a: u32, factor: f32) -> u32 {
    if is_infinite(a) {
        return a;
    }
    return bitcast<u32>(bitcast<f32>(a) * factor);
}

// By a positive divisor, which is rounded less than the product with its inverse.
fn divided(a: u32, divisor: f32) -> u32 {
    if is_infinite(a) {
        return a;
    }
    return bitcast<u32>(bitcast<f32>(a) / divisor);
}

fn larger(a: u32, b: u32) -> u32 {
    return select(a, b, rank_of(b) > rank_of(a));
}
