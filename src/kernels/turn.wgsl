// Rotates stored keys by their slots, for methods whose keys are rotated when they are read.
//
// Invocation (a pair of channels of a slot), workgroup row (KV head).

struct Params {
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    dim: u32,
    rotated: u32,
    halves: u32, // 1: pairs are i and i + rotated / 2; else 2i and 2i + 1
    slots: u32, // that any KV head has
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<Pair>; // [cache rows, dim / 2]
@group(0) @binding(2) var<storage, read> table: array<vec2<f32>>; // [slots, rotated / 2] of cosine and sine
@group(0) @binding(3) var<storage, read_write> turned: array<Pair>; // as k

fn channel(row: u32, c: u32) -> f32 {
    return loaded(k[row + c / 2u])[c % 2u];
}

fn rotated(row: u32, slot: u32, c: u32) -> f32 {
    if c >= params.rotated {
        return channel(row, c);
    }
    let partner = partner_of(c, params.rotated, params.halves);
    let angle = table[slot * (params.rotated / 2u) + partner.pair];
    return channel(row, c) * angle.x + channel(row, partner.channel) * (partner.sign * angle.y);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pairs = params.dim / 2u;
    let slot = id.x / pairs;
    let c = 2u * (id.x % pairs);
    if slot >= params.slots {
        return;
    }
    let row = (params.kv_first + id.y * params.kv_stride + slot) * pairs;
    turned[row + c / 2u] = to_store(vec2<f32>(rotated(row, slot, c), rotated(row, slot, c + 1u)));
}
