// Minus the L2 norm of every stored key: the shortest is the best.
//
// Invocation (slot, KV head).

struct Params {
    norms: Table, // by KV head
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32, // rows from a KV head to the next
    pairs: u32, // of a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> k: array<Pair>; // [cache rows, pairs]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    let head = id.y;
    if slot >= columns_of(params.norms, head) {
        return;
    }
    let row = (params.kv_first + head * params.kv_stride + slot) * params.pairs;
    var sum = 0.0;
    for (var i = 0u; i < params.pairs; i++) {
        let pair = loaded(k[row + i]);
        sum += pair.x * pair.x;
        sum += pair.y * pair.y;
    }
    put_score(params.norms, head, slot, -sqrt(sum));
}
