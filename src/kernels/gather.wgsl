// Copies listed rows of the cache side by side, for the many rows of a prompt that read them.
//
// Invocation (a word of a row), workgroup row (KV head).

struct Params {
    lists: Lists,
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    kv_heads: u32,
    words: u32, // of a row
    stride: u32, // rows from a KV head's copies to the next
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> k: array<u32>;
@group(0) @binding(3) var<storage, read> v: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let list = params.lists.at + shared_group(id.y, params.kv_heads, params.lists.groups) * params.lists.stride;
    let place = id.x / params.words;
    let word = id.x % params.words;
    if place >= memory[list] {
        return;
    }
    let row = params.kv_first + id.y * params.kv_stride + memory[list + 1u + place];
    let to = (id.y * params.stride + place) * params.words + word;
    keys[to] = k[row * params.words + word];
    values[to] = v[row * params.words + word];
}
