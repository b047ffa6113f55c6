// For every slot that is not kept the kept one whose key is nearest by cosine, of equals the lower
// (kernels/nearest.rs).
//
// Workgroup (LANES slots, KV head). Kept keys are read in tiles of KEYS, as unit vectors.

const NONE: u32 = 0xffffffffu; // a slot that is kept
const PAIRS: u32 = HEAD / 2u;
const KEYS: u32 = 1024u / PAIRS;

struct Params {
    near: Table, // by KV head two groups over its slots: the nearest kept slot, as it is, and the cosine
    kept: Lists,
    slots: Slots,
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> k: array<Pair>; // [cache rows, PAIRS]

var<workgroup> keys: array<vec2<f32>, KEYS * PAIRS>;

// What makes a row a unit vector; of a row of zeros 0.
fn inverse_norm(row: u32) -> f32 {
    var sum = vec2<f32>();
    for (var i = 0u; i < PAIRS; i++) {
        let pair = loaded(k[row * PAIRS + i]);
        sum += pair * pair;
    }
    let norm = sqrt(sum.x + sum.y);
    if norm > 0.0 {
        return 1.0 / norm;
    }
    return 0.0;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let head = workgroup.y;
    let slot = workgroup.x * LANES + own;
    let list = params.kept.at + shared_group(head, params.slots.heads, params.kept.groups) * params.kept.stride;
    let count = same_word(own, list);
    let live = memory[params.slots.count + head];
    let first = params.kv_first + head * params.kv_stride;
    let is_gone = slot < live && !list_contains(list, slot);
    var key: array<vec2<f32>, PAIRS>;
    if is_gone {
        let scale = inverse_norm(first + slot);
        for (var i = 0u; i < PAIRS; i++) {
            key[i] = loaded(k[(first + slot) * PAIRS + i]) * scale;
        }
    }
    var best = NONE;
    var top = -2.0;
    for (var tile = 0u; tile < count; tile += KEYS) {
        workgroupBarrier();
        for (var i = own; i < min(KEYS, count - tile); i += LANES) {
            let row = first + memory[list + 1u + tile + i];
            let scale = inverse_norm(row);
            for (var pair = 0u; pair < PAIRS; pair++) {
                keys[i * PAIRS + pair] = loaded(k[row * PAIRS + pair]) * scale;
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < min(KEYS, count - tile) && is_gone; i++) {
            var product = vec2<f32>();
            for (var pair = 0u; pair < PAIRS; pair++) {
                product += key[pair] * keys[i * PAIRS + pair];
            }
            if product.x + product.y > top {
                top = product.x + product.y;
                best = tile + i;
            }
        }
    }
    if slot < live {
        let to = params.near.at + 2u * head * params.near.stride + slot;
        var target_slot = NONE;
        if best != NONE {
            target_slot = memory[list + 1u + best];
        }
        memory[to] = target_slot;
        memory[to + params.near.stride] = bitcast<u32>(top);
    }
}
