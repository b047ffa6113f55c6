// Tables and lists from lists, number by number.
//
// A step.

const MARK: u32 = 0u; // one value for the columns in a list, another for all others
const POSITIONS: u32 = 1u; // the positions of listed slots

struct Mark {
    slots: Slots,
    lists: Lists,
    table: Table, // of MARK
    positions: Lists, // of POSITIONS
    inside: u32, // bits
    outside: u32,
}

fn mark(params: Mark, op: u32, group: u32, own: u32) {
    let list = params.lists.at + group * params.lists.stride;
    if op == MARK {
        for (var column = own; column < columns_of(params.table, group); column += LANES) {
            let value = select(params.outside, params.inside, list_contains(list, column));
            memory[params.table.at + group * params.table.stride + column] = value;
        }
        return;
    }
    let count = memory[list];
    let to = params.positions.at + group * params.positions.stride;
    if own == 0u {
        memory[to] = count;
    }
    let head = shared_group(group, params.lists.groups, params.slots.heads);
    for (var i = own; i < count; i += LANES) {
        let slot = memory[list + 1u + i];
        memory[to + 1u + i] = memory[params.slots.position + head * params.slots.stride + slot];
    }
}
