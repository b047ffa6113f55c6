// What a sparse read missed: the share of the full attention that fell on what was read, and how far the output is off.
//
// Workgroup (query head).

const LANES: u32 = 256u;
// Of a norm that is divided by, the least.
const LEAST: f32 = 1e-12;

struct Params {
    missed: Table, // [heads, 2]: recall, error
    lists: Lists, // that the heads read; groups 0: all slots
    heads: u32, // query heads
    scores_stride: u32, // numbers from a query head's scores to the next
    window: u32, // of all slots, the newest so many; u32 max: nothing was missed
    slots: u32, // word where the slots of KV head 0 are counted
    kv_heads: u32,
    dim: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> scores: array<f32>; // of full attention, [heads, scores_stride]
@group(0) @binding(3) var<storage, read> lse: array<f32>; // the same, [heads]
@group(0) @binding(4) var<storage, read> full: array<f32>; // output of full attention, [heads, dim]
@group(0) @binding(5) var<storage, read> output: array<f32>; // of the sparse read

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let head = workgroup.x;
    let count = memory[params.slots + head * params.kv_heads / params.heads];
    var mass = 0.0;
    if params.lists.groups > 0u {
        let list = params.lists.at + shared_group(head, params.heads, params.lists.groups) * params.lists.stride;
        for (var i = own; i < memory[list]; i += LANES) {
            mass += exp(scores[head * params.scores_stride + memory[list + 1u + i]] - lse[head]);
        }
    } else {
        for (var slot = count - min(count, params.window) + own; slot < count; slot += LANES) {
            mass += exp(scores[head * params.scores_stride + slot] - lse[head]);
        }
    }
    let recall = sum_of(own, mass);
    var off = 0.0;
    var length = 0.0;
    for (var i = own; i < params.dim; i += LANES) {
        let want = full[head * params.dim + i];
        let difference = output[head * params.dim + i] - want;
        off += difference * difference;
        length += want * want;
    }
    let error = sqrt(sum_of(own, off)) / max(sqrt(sum_of(own, length)), LEAST);
    if own == 0u {
        put_score(params.missed, head, 0u, select(recall, 1.0, params.window == 0xffffffffu && params.lists.groups == 0u));
        put_score(params.missed, head, 1u, error);
    }
}
