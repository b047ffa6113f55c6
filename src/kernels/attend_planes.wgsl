// Decode attention over the oldest slots of a KV head, which are in two 4-bit planes; the slots after them are another
// call of attend_listed, and the merge makes both one.
//
// A number is code * step + zero. The steps of a key group, which it has by channel, are multiplied into the query once a
// tile; so no tile spans two key groups. A slot's values have GRIDS grids. BOTH planes: the code is 16 * upper + lower + 8 of a
// step / 16. SCORED: scores are kept.
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
    key_grid_first: u32, // place in `grids`: [key groups, HEAD] of KV head 0
    key_grid_stride: u32,
    value_grid_first: u32, // place in `grids`: [slots, GRIDS] of KV head 0
    value_grid_stride: u32,
    first_tile: u32,
    tiles: u32,
    heads: u32,
    scores_stride: u32, // of SCORED
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

// What the zeros of the key group add to every score, in as many sums as a tile has slots. Weights are the same without, so
// only what leaves the tile needs it.
var<workgroup> zeros: array<vec4<f32>, TILE>;

// The sum of `count` of them.
fn zero_score(count: u32) -> vec4<f32> {
    var sum = zeros[0];
    for (var i = 1u; i < count; i++) {
        sum += zeros[i];
    }
    return sum;
}

// Eight codes, those of channel c of each four times 16^c: so one shift serves all, and UNIT takes the powers out again,
// which are exact.
const MASKS: vec4<u32> = vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
const UNIT: vec4<f32> = vec4<f32>(1.0, 0.0625, 0.00390625, 0.000244140625);

fn nibbles(word: u32) -> array<vec4<f32>, 2> {
    let low = vec4<i32>(vec4<u32>(word) & MASKS);
    let high = vec4<i32>(vec4<u32>(word >> 16u) & MASKS);
    return array<vec4<f32>, 2>(vec4<f32>(low), vec4<f32>(high));
}

fn in_units(sum: mat4x4<f32>, zero: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(sum[0] + zero, sum[1] * UNIT.y + zero, sum[2] * UNIT.z + zero, sum[3] * UNIT.w + zero);
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
        query[i / 4u][i % 4u] = heads * (own_grid.x / f32(1u << (4u * (i % 4u))));
        zero += heads * own_grid.y;
    }
    zeros[own] = zero;
    workgroupBarrier();
    var score = vec4<f32>(NONE);
    if own < count {
        score = vec4<f32>();
        for (var word = 0u; word < WORDS; word++) {
            let key = key_codes((codes + first + own) * WORDS + word);
            score += query[2u * word] * key[0] + query[2u * word + 1u] * key[1];
        }
        if SCORED == 1u {
            let kept = score + zero_score(TILE);
            for (var g = 0u; g < GROUP; g++) {
                scores[(head + g) * params.scores_stride + first + own] = kept[g];
            }
        }
    }
    let part = own / WORDS;
    let word = own % WORDS;
    let value_grids = params.value_grid_first + kv * params.value_grid_stride + first * GRIDS;
    // One grid a slot goes with its weight, and a code is multiplied once.
    var slot_grid = vec2<f32>(1.0, 0.0);
    if GRIDS == 1u && own < count {
        slot_grid = grid(value_grids + own);
    }
    tile_softmax(own, score, slot_grid.x, slot_grid.y);

    if part < PARTS && GRIDS == 1u {
        for (var i = part; i < count; i += PARTS) {
            let value = value_codes((codes + first + i) * WORDS + word);
            tile_add(weights[i], value[0], value[1]);
        }
    }
    var zero_sum = vec4<f32>();
    if part < PARTS && GRIDS > 1u {
        let own_grids = value_grids + 8u * word / (HEAD / GRIDS);
        for (var i = part; i < count; i += PARTS) {
            let value = value_codes((codes + first + i) * WORDS + word);
            let own_grid = grid(own_grids + i * GRIDS);
            tile_add(weights[i] * own_grid.x, value[0], value[1]);
            zero_sum += weights[i] * own_grid.y;
        }
    }
    low = in_units(low, zero_sum);
    high = in_units(high, zero_sum);
    if own < WORDS {
        // Nobody else reads these any more.
        for (var i = own + WORDS; i < TILE; i += WORDS) {
            zeros[own] += zeros[i];
        }
    }
    tile_share(own);
    if own < GROUP {
        top += zero_score(WORDS);
    }
    tile_write(own, tile, next);
}
