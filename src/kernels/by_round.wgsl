// Sums over the slots of each round before the newest.
//
// Workgroup (round, group).

const LANES: u32 = 256u;

struct Params {
    scores: Table,
    result: Table,
    slots: Slots,
    tags: Tags,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> tags: array<u32>;

var<workgroup> sums: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let group = workgroup.y;
    let scores = params.scores.at + group * params.scores.stride;
    let head = shared_group(group, groups_of(params.scores), params.slots.heads);
    let positions = params.slots.position + head * params.slots.stride;
    var sum = 0u;
    for (var slot = own; slot < columns_of(params.scores, group); slot += LANES) {
        if round_at(params.tags, memory[positions + slot]) == workgroup.x {
            sum = plus(sum, memory[scores + slot]);
        }
    }
    sums[own] = sum;
    for (var apart = LANES / 2u; apart > 0u; apart /= 2u) {
        workgroupBarrier();
        if own < apart {
            sums[own] = plus(sums[own], sums[own + apart]);
        }
    }
    if own == 0u {
        memory[params.result.at + group * params.result.stride + workgroup.x] = sums[0];
    }
}
