// Decode attention, split over tiles of what is read: all slots, listed slots, or listed blocks of slots.
//
// Workgroup (tile, reader, row). A reader is GROUP query heads that read the same slots of one KV head.

const ALL: u32 = 0u;
const SLOTS: u32 = 1u;
const BLOCKS: u32 = 2u;

struct Params {
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32, // rows from a KV head to the next
    readers_per_kv: u32,
    readers_per_list: u32,
    list_first: u32, // word of `lists` where list 0 begins: its count, then its entries
    list_stride: u32,
    rows: u32, // of the pass; of ALL, row r does not see the newest rows - 1 - r slots
    window: u32, // of ALL, the newest so many
    live: u32, // of BLOCKS, slots there are
    size: u32, // of BLOCKS, slots of a block
    first_tile: u32, // of this call among all tiles of the merge
    tiles: u32, // of the merge
    heads: u32, // query heads
    scores_stride: u32, // numbers from a query head's scores to the next; 0: they are not kept
    scale: f32,
    q_first: u32, // number where row 0's queries begin
    skipped: u32, // of ALL, the oldest slots, which are elsewhere
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>; // [rows, heads, HEAD]
@group(0) @binding(2) var<storage, read> k: array<Eight>; // [cache rows, WORDS]
@group(0) @binding(3) var<storage, read> v: array<Eight>;
@group(0) @binding(4) var<storage, read> lists: array<u32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>; // [rows, heads, tiles, HEAD + 2]
@group(0) @binding(6) var<storage, read_write> scores: array<f32>; // [heads, scores_stride], by place in the list, of ALL by slot

fn slot_of(list: u32, index: u32) -> u32 {
    if READ == SLOTS {
        return lists[list + 1u + index];
    } else if READ == BLOCKS {
        return lists[list + 1u + index / params.size] * params.size + index % params.size;
    }
    return params.skipped + index;
}

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let reader = group.y;
    let row = group.z;
    let list = params.list_first + reader / params.readers_per_list * params.list_stride;
    let kv = params.kv_first + reader / params.readers_per_kv * params.kv_stride;
    let head = row * params.heads + reader * GROUP;

    var count = lists[list];
    var first = group.x * TILE;
    if READ == ALL {
        count -= min(count, params.skipped + params.rows - 1u - row);
        first += count - min(count, params.window);
    } else if READ == BLOCKS {
        count *= params.size;
    }
    let tile = (head * params.tiles + params.first_tile + group.x) * (HEAD + 2u);
    let next = params.tiles * (HEAD + 2u);
    if first >= count {
        // The merge skips a tile without a largest score.
        if own < GROUP {
            partials[tile + own * next + HEAD] = 0.0;
            partials[tile + own * next + HEAD + 1u] = NONE;
        }
        return;
    }

    for (var i = own; i < HEAD; i += TILE) {
        var heads = vec4<f32>();
        for (var g = 0u; g < GROUP; g++) {
            heads[g] = q[params.q_first + (head + g) * HEAD + i] * params.scale;
        }
        query[i / 4u][i % 4u] = heads;
    }
    workgroupBarrier();
    let index = first + own;
    var score = vec4<f32>(NONE);
    if index < count {
        let slot = slot_of(list, index);
        if READ != BLOCKS || slot < params.live {
            score = vec4<f32>();
            for (var word = 0u; word < WORDS; word++) {
                let stored = k[(kv + slot) * WORDS + word];
                score += query[2u * word] * first_four(stored) + query[2u * word + 1u] * last_four(stored);
            }
        }
        for (var g = 0u; g < GROUP && params.scores_stride > 0u; g++) {
            scores[(head + g) * params.scores_stride + params.skipped + index] = score[g];
        }
    }
    tile_softmax(own, score, 1.0, 0.0);

    let part = own / WORDS;
    if part < PARTS {
        for (var i = part; i < min(TILE, count - first); i += PARTS) {
            let slot = slot_of(list, first + i);
            if READ == BLOCKS && slot >= params.live {
                break;
            }
            let stored = v[(kv + slot) * WORDS + own % WORDS];
            tile_add(weights[i], first_four(stored), last_four(stored));
        }
    }
    tile_share(own);
    tile_write(own, tile, next);
}
