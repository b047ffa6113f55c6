// Dropped rows go into a kept one; HOW says with which weights (`Fold`). No dropped row changes, so all are as before.
//
// Workgroup (place in the list of kept slots, KV head). Invocations look through the moves together; then each has two
// channels of the key or the value, and adds the rows in the order of the moves.

const AVERAGED: u32 = 0u;
const PIVOTAL: u32 = 1u;
const WEIGHTED: u32 = 2u;
const NORMALISED: u32 = 3u;

struct Params {
    kept: Lists,
    moves: Lists, // by KV head, two entries a move: a dropped slot, and the kept one it goes into
    cosines: Table, // by KV head, of the i-th move
    heads: u32, // KV heads
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    pairs: u32, // of a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> k: array<Pair>; // [cache rows, pairs]
@group(0) @binding(3) var<storage, read_write> v: array<Pair>;

// A bit a move of the tile at hand: it goes into this row.
var<workgroup> hits: array<atomic<u32>, LANES / 32u>;

fn two_channels(is_value: bool, at: u32) -> vec2<f32> {
    if is_value {
        return loaded(v[at]);
    }
    return loaded(k[at]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let head = workgroup.y;
    let kept = params.kept.at + shared_group(head, params.heads, params.kept.groups) * params.kept.stride;
    if workgroup.x >= same_word(own, kept) {
        return;
    }
    let to = memory[kept + 1u + workgroup.x];
    let list = params.moves.at + head * params.moves.stride;
    let n = same_word(own, list) / 2u;
    let has_channels = own < 2u * params.pairs;
    let is_value = own >= params.pairs;
    let rows = params.kv_first + head * params.kv_stride;
    let at = (rows + to) * params.pairs + own % params.pairs;
    var old = vec2<f32>();
    if has_channels {
        old = two_channels(is_value, at);
    }
    var sum = old;
    var total = 1.0;
    var is_changed = false;
    for (var tile = 0u; tile < n; tile += LANES) {
        if own < LANES / 32u {
            atomicStore(&hits[own], 0u);
        }
        workgroupBarrier();
        if tile + own < n && memory[list + 2u + 2u * (tile + own)] == to {
            atomicOr(&hits[own / 32u], 1u << (own % 32u));
        }
        workgroupBarrier();
        for (var word = 0u; word < LANES / 32u && has_channels; word++) {
            var bits = atomicLoad(&hits[word]);
            while bits != 0u {
                let i = tile + 32u * word + firstTrailingBit(bits);
                bits &= bits - 1u;
                let row = rows + memory[list + 1u + 2u * i];
                let x = two_channels(is_value, row * params.pairs + own % params.pairs);
                var weight = 1.0;
                var counts = 1.0;
                if HOW == WEIGHTED {
                    weight = score(params.cosines, head, i);
                } else if HOW == NORMALISED {
                    weight = max(0.5 * (score(params.cosines, head, i) + 1.0), 1e-6);
                    counts = weight;
                }
                if HOW == PIVOTAL {
                    sum += 0.5 * x + 0.5 * old;
                } else {
                    sum += weight * x;
                }
                total += counts;
                is_changed = true;
            }
        }
        workgroupBarrier();
    }
    if has_channels && is_changed {
        let stored = to_store(sum / total);
        if is_value {
            v[at] = stored;
        } else {
            k[at] = stored;
        }
    }
}
