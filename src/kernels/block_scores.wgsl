// Softmax over key blocks of the scaled products of a mean query with their mean keys.
//
// Workgroup (query block, query head).

const LANES: u32 = 256u;

struct Params {
    result: Table, // [heads, query blocks * blocks]
    kv_heads: u32,
    heads: u32,
    words: u32, // pairs of channels of a head, at most 64
    blocks: u32, // of keys
    query_blocks: u32,
    causal: u32, // 1: a query block sees the key blocks up to its own; else all
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> means: array<vec2<f32>>; // as in `block_means`

var<workgroup> query: array<vec2<f32>, 64>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let block = workgroup.x;
    let head = workgroup.y;
    let keys = shared_group(head, params.heads, params.kv_heads) * params.blocks;
    let queries = params.kv_heads * params.blocks + head * params.query_blocks + block;
    let first = block * params.blocks;
    let seen = select(params.blocks, block + 1u, params.causal == 1u);
    if own < params.words {
        query[own] = means[queries * params.words + own] * params.scale;
    }
    workgroupBarrier();
    var top = -3.0e38;
    for (var key = own; key < params.blocks; key += LANES) {
        var product = vec2<f32>();
        for (var word = 0u; word < params.words; word++) {
            product += query[word] * means[(keys + key) * params.words + word];
        }
        let scaled = product.x + product.y;
        put_score(params.result, head, first + key, scaled);
        if key < seen {
            top = max(top, scaled);
        }
    }
    top = largest_of(own, top);
    var sum = 0.0;
    for (var key = own; key < seen; key += LANES) {
        sum += exp(score(params.result, head, first + key) - top);
    }
    sum = sum_of(own, sum);
    for (var key = own; key < params.blocks; key += LANES) {
        var share = 0.0;
        if key < seen {
            share = exp(score(params.result, head, first + key) - top) / sum;
        }
        put_score(params.result, head, first + key, share);
    }
}
