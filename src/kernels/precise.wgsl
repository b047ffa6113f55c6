// Exponential and logarithm to about two units in the last place: WGSL's own may be off by 2^-21, and by more the
// larger the argument of `exp` is.

// Of what is within -87 and 88; beyond, of the nearer end.
fn exponential(x: f32) -> f32 {
    let within = clamp(x, -87.0, 88.0);
    let power = round(within * 1.44269504);
    // The logarithm of 2 in two parts, the first of which has few digits.
    let rest = (within - power * 0.693359375) + power * 2.12194440e-4;
    var sum = 1.0 / 5040.0;
    sum = sum * rest + 1.0 / 720.0;
    sum = sum * rest + 1.0 / 120.0;
    sum = sum * rest + 1.0 / 24.0;
    sum = sum * rest + 1.0 / 6.0;
    sum = sum * rest + 0.5;
    return ldexp(sum * rest * rest + rest + 1.0, i32(power));
}

// Natural, of a positive normal number.
fn logarithm(x: f32) -> f32 {
    // A power of two times what is within the root of 1/2 and that of 2.
    let bits = bitcast<u32>(x) - 0x3f3504f3u;
    let power = f32(bitcast<i32>(bits) >> 23u);
    let rest = bitcast<f32>((bits & 0x7fffffu) + 0x3f3504f3u);
    let ratio = (rest - 1.0) / (rest + 1.0);
    let square = ratio * ratio;
    var sum = 1.0 / 9.0;
    sum = sum * square + 1.0 / 7.0;
    sum = sum * square + 0.2;
    sum = sum * square + 1.0 / 3.0;
    let near = 2.0 * ratio * (square * sum) + 2.0 * ratio;
    return power * 0.693359375 + (near - power * 2.12194440e-4);
}
