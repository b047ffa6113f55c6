// Decode attention over the oldest slots of a KV head, which are in two 4-bit planes; the slots after them are another
// call of attend_listed, and the merge makes both one.
//
// A number is code * step + zero. The steps of a key group, which it has by channel, are multiplied into the query once a
// tile; so no tile spans two key groups. BOTH planes: the code is 16 * upper + lower + 8 of a step / 16.
//
// Workgroup (tile, reader, row), as in attend_listed.

struct Params {
    code_first: u32, // row of the planes where KV head 0 begins
    code_stride: u32, // rows from a KV head to the next
    lower: u32, // words from an upper code to the lower one of the same number
    readers_per_kv: u32,
    slots: u32, // in planes, of every KV head; whole key groups
    tokens: u32, // of a key group
    tiles_per_group: u32,
    channels: u32, // of a value group, a multiple of 8
    key_grid_first: u32, // place in `grids`: [key groups, HEAD] of KV head 0
    key_grid_stride: u32,
    value_grid_first: u32, // place in `grids`: [slots, HEAD / channels] of KV head 0
    value_grid_stride: u32,
    first_tile: u32,
    tiles: u32,
    heads: u32,
    scores_stride: u32,
    scale: f32,
    q_first: u32, // number where row 0's queries begin
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>; // [rows, heads, HEAD]
@group(0) @binding(2) var<storage, read> k: array<u32>; // eight codes a word, [rows, WORDS]: upper plane, then lower
@group(0) @binding(3) var<storage, read> v: array<u32>;
@group(0) @binding(4) var<storage, read> grids: array<Pair>; // step and zero
@group(0) @binding(5) var<storage, read_write> partials: array<f32>; // [rows, heads, tiles, HEAD + 2]
@group(0) @binding(6) var<storage, read_write> scores: array<f32>; // [heads, scores_stride], by slot

// What the zeros of the key group add to every score, in as many sums as a tile has slots.
var<workgroup> zeros: array<vec4<f32>, TILE>;

fn nibbles(word: u32) -> array<vec4<f32>, 2> {
    let low = (vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
    let high = (vec4<u32>(word) >> vec4<u32>(16u, 20u, 24u, 28u)) & vec4<u32>(15u);
    return array<vec4<f32>, 2>(vec4<f32>(low), vec4<f32>(high));
}

fn key_codes(at: u32) -> array<vec4<f32>, 2> {
    var codes = nibbles(k[at]);
    if BOTH == 1u {
        let lower = nibbles(k[at + params.lower]);
        codes[0] = 16.0 * codes[0] + lower[0];
        codes[1] = 16.0 * codes[1] + lower[1];
    }
    return codes;
}

fn value_codes(at: u32) -> array<vec4<f32>, 2> {
    var codes = nibbles(v[at]);
    if BOTH == 1u {
        let lower = nibbles(v[at + params.lower]);
        codes[0] = 16.0 * codes[0] + lower[0];
        codes[1] = 16.0 * codes[1] + lower[1];
    }
    return codes;
}

// Step of a code, and what code 0 stands for.
fn grid(at: u32) -> vec2<f32> {
    let stored = loaded(grids[at]);
    if BOTH == 1u {
        return vec2<f32>(stored.x / 16.0, stored.y - 0.5 * stored.x);
    }
    return stored;
}

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let reader = group.y;
    let kv = reader / params.readers_per_kv;
    let codes = params.code_first + kv * params.code_stride;
    let head = group.z * params.heads + reader * GROUP;
    let tile = (head * params.tiles + params.first_tile + group.x) * (HEAD + 2u);
    let next = params.tiles * (HEAD + 2u);
    let key_group = group.x / params.tiles_per_group;
    let offset = group.x % params.tiles_per_group * TILE;
    let first = key_group * params.tokens + offset;
    let count = min(TILE, params.tokens - offset);

    let key_grids = params.key_grid_first + kv * params.key_grid_stride + key_group * HEAD;
    var zero = vec4<f32>();
    for (var i = own; i < HEAD; i += TILE) {
        var heads = vec4<f32>();
        for (var g = 0u; g < GROUP; g++) {
            heads[g] = q[params.q_first + (head + g) * HEAD + i] * params.scale;
        }
        let own_grid = grid(key_grids + i);
        query[i / 4u][i % 4u] = heads * own_grid.x;
        zero += heads * own_grid.y;
    }
    zeros[own] = zero;
    workgroupBarrier();
    var score = vec4<f32>(NONE);
    if own < count {
        score = vec4<f32>();
        for (var i = 0u; i < min(TILE, HEAD); i++) {
            score += zeros[i];
        }
        for (var word = 0u; word < WORDS; word++) {
            let key = key_codes((codes + first + own) * WORDS + word);
            score += query[2u * word] * key[0] + query[2u * word + 1u] * key[1];
        }
        for (var g = 0u; g < GROUP && params.scores_stride > 0u; g++) {
            scores[(head + g) * params.scores_stride + first + own] = score[g];
        }
    }
    tile_softmax(own, score);

    let part = own / WORDS;
    let word = own % WORDS;
    let value_grids = params.value_grid_first + kv * params.value_grid_stride;
    let per_slot = HEAD / params.channels;
    if part < PARTS {
        for (var i = part; i < count; i += PARTS) {
            let value = value_codes((codes + first + i) * WORDS + word);
            let own_grid = grid(value_grids + (first + i) * per_slot + 8u * word / params.channels);
            tile_add(weights[i], value[0] * own_grid.x + own_grid.y, value[1] * own_grid.x + own_grid.y);
        }
    }
    tile_write(own, tile, next);
}
