// Tables and lists from lists, number by number.
//
// Invocation (column, or place in the list), workgroup row (group).

const MARK: u32 = 0u; // one value for the columns in a list, another for all others
const POSITIONS: u32 = 1u; // the positions of listed slots

struct Params {
    slots: Slots,
    lists: Lists,
    table: Table, // of MARK
    positions: Lists, // of POSITIONS
    inside: u32, // bits
    outside: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let group = id.y;
    let list = params.lists.at + group * params.lists.stride;
    if OP == MARK {
        if id.x < columns_of(params.table, group) {
            let value = select(params.outside, params.inside, list_contains(list, id.x));
            memory[params.table.at + group * params.table.stride + id.x] = value;
        }
        return;
    }
    let count = memory[list];
    let to = params.positions.at + group * params.positions.stride;
    if id.x == 0u {
        memory[to] = count;
    }
    if id.x < count {
        let head = shared_group(group, params.lists.groups, params.slots.heads);
        let slot = memory[list + 1u + id.x];
        memory[to + 1u + id.x] = memory[params.slots.position + head * params.slots.stride + slot];
    }
}
