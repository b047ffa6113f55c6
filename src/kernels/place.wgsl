// The places of columns in an order.
//
// A step.

const RANK: u32 = 0u; // among all of a group, by one table, then another, then the column itself
const BEST: u32 = 1u; // minus the best place in any group's order, among the columns that its list has

struct Place {
    first: Table, // groups 0: not there
    then: Table,
    lists: Lists, // of BEST, by group of the first table
    places: Table,
}

// An integer that orders as the bits of floats do, minus zero before zero.
fn total_order(table: Table, group: u32, column: u32) -> u32 {
    let bits = memory[table.at + group * table.stride + column];
    return select(bits | SIGN, ~bits, (bits & SIGN) != 0u);
}

fn precedes(params: Place, group: u32, a: u32, b: u32) -> bool {
    if groups_of(params.first) > 0u {
        let of_a = total_order(params.first, group, a);
        let of_b = total_order(params.first, group, b);
        if of_a != of_b {
            return of_a < of_b;
        }
    }
    if groups_of(params.then) > 0u {
        let of_a = total_order(params.then, group, a);
        let of_b = total_order(params.then, group, b);
        if of_a != of_b {
            return of_a < of_b;
        }
    }
    return a < b;
}

// The place of a column among those that a list has, the best score first; of equals the lower column.
fn place_in_list(params: Place, group: u32, list: u32, column: u32) -> u32 {
    let first = params.first.at + group * params.first.stride;
    let own = rank_of(memory[first + column]);
    var place = 0u;
    for (var i = 0u; i < memory[list]; i++) {
        let other = memory[list + 1u + i];
        let rank = rank_of(memory[first + other]);
        place += u32(rank > own || (rank == own && other < column));
    }
    return place;
}

fn place_of(params: Place, op: u32, group: u32, column: u32, count: u32) -> f32 {
    if op == RANK {
        var rank = 0u;
        for (var other = 0u; other < count; other++) {
            rank += u32(precedes(params, group, other, column));
        }
        return f32(rank);
    }
    // Places are below 2^24, so they are exact as the scores they become.
    var best = 0x1000000u;
    for (var other = 0u; other < groups_of(params.first); other++) {
        let list = params.lists.at + other * params.lists.stride;
        if list_contains(list, column) {
            best = min(best, place_in_list(params, other, list, column));
        }
    }
    return -f32(best);
}

fn place(params: Place, op: u32, group: u32, own: u32) {
    let count = columns_of(params.places, group);
    for (var column = own; column < count; column += LANES) {
        put_score(params.places, group, column, place_of(params, op, group, column, count));
    }
}
