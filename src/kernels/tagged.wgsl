// A table with one value for the slots of pictures, or of some rounds, and another for all others.
//
// Invocation (slot, KV head).

const PICTURES: u32 = 0u;
const ROUNDS: u32 = 1u; // the listed ones and the newest

struct Params {
    result: Table, // by KV head
    slots: Slots,
    listed: Lists,
    tags: Tags,
    inside: u32, // bits
    outside: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> tags: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    let head = id.y;
    if slot >= columns_of(params.result, head) {
        return;
    }
    let position = memory[params.slots.position + head * params.slots.stride + slot];
    var is_inside = false;
    if OP == PICTURES {
        is_inside = position < params.tags.known && (tags[min(position, params.tags.known - 1u)] >> 16u) > 0u;
    } else {
        let own_list = shared_group(head, params.slots.heads, params.listed.groups);
        let list = params.listed.at + own_list * params.listed.stride;
        let round = round_at(params.tags, position);
        is_inside = round == params.tags.newest || list_contains(list, round);
    }
    memory[params.result.at + head * params.result.stride + slot] = select(params.outside, params.inside, is_inside);
}
