// Keys and values rounded for a read: each row to the nearest of 2^bits even steps between its least and largest number.
//
// Invocation (slot), workgroup row (KV head).

struct Params {
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    pairs: u32, // of a row
    slots: u32, // that any KV head has; as many rows lie from a KV head's copies to the next
    most: f32, // steps
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<Pair>;
@group(0) @binding(2) var<storage, read> v: array<Pair>;
@group(0) @binding(3) var<storage, read_write> keys: array<vec2<f32>>; // [KV heads, slots, pairs]
@group(0) @binding(4) var<storage, read_write> values: array<vec2<f32>>;

// The least and largest number so far, given two more.
fn wider(ends: vec2<f32>, numbers: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(min(ends.x, min(numbers.x, numbers.y)), max(ends.y, max(numbers.x, numbers.y)));
}

// Equal numbers stay as they are.
fn rounded(numbers: vec2<f32>, ends: vec2<f32>) -> vec2<f32> {
    let step = (ends.y - ends.x) / params.most;
    if !(step > 0.0) {
        return numbers;
    }
    let steps = round(clamp((numbers - ends.x) / step, vec2<f32>(), vec2<f32>(params.most)));
    return steps * step + ends.x;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.slots {
        return;
    }
    let first = (params.kv_first + id.y * params.kv_stride + id.x) * params.pairs;
    var of_keys = loaded(k[first]).xx;
    var of_values = loaded(v[first]).xx;
    for (var i = 0u; i < params.pairs; i++) {
        of_keys = wider(of_keys, loaded(k[first + i]));
        of_values = wider(of_values, loaded(v[first + i]));
    }
    let to = (id.y * params.slots + id.x) * params.pairs;
    for (var i = 0u; i < params.pairs; i++) {
        keys[to + i] = rounded(loaded(k[first + i]), of_keys);
        values[to + i] = rounded(loaded(v[first + i]), of_values);
    }
}
