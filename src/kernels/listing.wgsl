// Lists made by a rule: every number below a limit is asked whether it is in, and those that are are listed in order.
//
// A step.

const EXCEPT: u32 = 0u; // slots but those from `low` to `high`
const OUTSIDE: u32 = 1u; // slots but those at positions from `low` to `high`
const EITHER: u32 = 2u; // what is in one of two lists
const OF_GROUP: u32 = 3u; // what is in any list of the group
const AT_POSITIONS: u32 = 4u; // slots at listed positions; where there are none, the newest
const EXPAND: u32 = 5u; // slots of listed pages, and the newest
const CHOOSE: u32 = 6u; // one of two lists, by a score
const PAIRS: u32 = 7u; // block pairs of vertical and slash lines

struct Listing {
    slots: Slots,
    first: Lists,
    second: Lists,
    scores: Table, // of CHOOSE
    lists: Lists,
    limit: u32, // above every number; of slots their count holds
    low: u32,
    high: u32,
    size: u32, // slots of a page
    most: u32, // slots from pages
    recent: u32, // newest slots, in no page
    blocks: u32, // of PAIRS, where a number is row * blocks + column
    cut: f32, // of CHOOSE: below it the first list
}

// Whether a number is in the list of group `group` of as many as the result has.
fn contains(params: Listing, lists: Lists, group: u32, number: u32) -> bool {
    let at = lists.at + shared_group(group, params.lists.groups, lists.groups) * lists.stride;
    return list_contains(at, number);
}

fn position_of(params: Listing, group: u32, slot: u32) -> u32 {
    return memory[params.slots.position + shared_group(group, params.lists.groups, params.slots.heads) * params.slots.stride + slot];
}

fn is_below(params: Listing, group: u32) -> bool {
    return score(params.scores, shared_group(group, params.lists.groups, groups_of(params.scores)), 0u) < params.cut;
}

fn is_in(params: Listing, op: u32, group: u32, number: u32, count: u32) -> bool {
    switch op {
        case EXCEPT: {
            return number < params.low || number >= params.high;
        }
        case OUTSIDE: {
            let position = position_of(params, group, number);
            return position < params.low || position >= params.high;
        }
        case EITHER: {
            return contains(params, params.first, group, number) || contains(params, params.second, group, number);
        }
        case OF_GROUP: {
            let per = params.first.groups / params.lists.groups;
            for (var list = group * per; list < (group + 1u) * per; list++) {
                if list_contains(params.first.at + list * params.first.stride, number) {
                    return true;
                }
            }
            return false;
        }
        case AT_POSITIONS: {
            return contains(params, params.first, group, position_of(params, group, number));
        }
        case EXPAND: {
            return number < count - min(params.recent, count) && contains(params, params.first, group, number / params.size);
        }
        case CHOOSE: {
            if is_below(params, group) {
                return contains(params, params.first, group, number);
            }
            return contains(params, params.second, group, number);
        }
        default: {
            let row = number / params.blocks;
            let column = number % params.blocks;
            let slash = column + params.blocks - 1u - row;
            return column <= row && (contains(params, params.first, group, column) || contains(params, params.second, group, slash));
        }
    }
}

fn listing(params: Listing, op: u32, group: u32, own: u32) {
    var count = params.limit;
    if op == EXCEPT || op == OUTSIDE || op == AT_POSITIONS || op == EXPAND {
        count = memory[params.slots.count + shared_group(group, params.lists.groups, params.slots.heads)];
    }
    count = same(own, count);
    let list = params.lists.at + group * params.lists.stride;
    var length = 0u;
    for (var tile = 0u; tile < count; tile += LANES) {
        let number = tile + own;
        let is_listed = number < count && is_in(params, op, group, number, count);
        let place = length + sum_before(own, u32(is_listed));
        length += same(own, scanned[LANES - 1u]);
        if is_listed && (op != EXPAND || place < params.most) {
            memory[list + 1u + place] = number;
        }
    }
    if op == AT_POSITIONS && length == 0u && count > 0u {
        length = 1u;
        if own == 0u {
            memory[list + 1u] = count - 1u;
        }
    }
    if op == EXPAND {
        length = min(length, params.most);
        let recent = min(params.recent, count);
        for (var i = own; i < recent; i += LANES) {
            memory[list + 1u + length + i] = count - recent + i;
        }
        length += recent;
    }
    if own == 0u {
        memory[list] = length;
    }
}
