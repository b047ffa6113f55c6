// What `random.rs` gives, bit by bit.

fn random(position: u32, head: u32) -> f32 {
    var x = position ^ (head * 0x9e3779b9u);
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return f32((x ^ (x >> 16u)) >> 8u) / 16777216.0;
}
