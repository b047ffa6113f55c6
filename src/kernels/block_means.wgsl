// The mean keys of blocks of slots, and the mean queries of blocks of rows.
//
// Invocation (two channels of a block, head): KV heads first, then query heads.

struct Params {
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    kv_heads: u32,
    heads: u32, // query heads
    words: u32, // pairs of channels of a head
    size: u32, // of a block
    slots: u32,
    blocks: u32, // of keys
    rows: u32, // of the pass
    first_row: u32, // where the first block of queries begins
    query_blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec2<f32>>; // [rows, heads, words]
@group(0) @binding(2) var<storage, read> k: array<Pair>; // [cache rows, words]
@group(0) @binding(3) var<storage, read_write> means: array<vec2<f32>>; // [KV heads, blocks, words], [heads, ...]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x / params.words;
    let word = id.x % params.words;
    var mean = vec2<f32>();
    if id.y < params.kv_heads {
        if block >= params.blocks {
            return;
        }
        let end = min((block + 1u) * params.size, params.slots);
        let share = 1.0 / f32(end - block * params.size);
        let first = params.kv_first + id.y * params.kv_stride;
        for (var slot = block * params.size; slot < end; slot++) {
            mean += loaded(k[(first + slot) * params.words + word]) * share;
        }
        means[(id.y * params.blocks + block) * params.words + word] = mean;
        return;
    }
    if block >= params.query_blocks {
        return;
    }
    let head = id.y - params.kv_heads;
    let begin = params.first_row + block * params.size;
    let end = min(begin + params.size, params.rows);
    let share = 1.0 / f32(end - begin);
    for (var row = begin; row < end; row++) {
        mean += q[(row * params.heads + head) * params.words + word] * share;
    }
    let queries = params.kv_heads * params.blocks;
    means[(queries + head * params.query_blocks + block) * params.words + word] = mean;
}
