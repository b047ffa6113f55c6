// A table made of another, column by column; `op` says how.
//
// A step.

const SUM: u32 = 0u; // of the groups that share one of the result,
const MEAN: u32 = 1u; // their mean,
const LARGEST: u32 = 2u; // the largest
const USED: u32 = 3u; // 1 where a score is at least `number / columns`, but 0 in the newest
const PER_QUERY: u32 = 4u; // divided by the queries that could see the slot, of the newest `count`
const NEAR_MEAN: u32 = 5u; // mean over `count` columns, the newest apart,
const NEAR_LARGEST: u32 = 6u; // the largest
const TILT: u32 = 7u; // column c times exp(number * c)
const BLOCK: u32 = 8u; // sum of `count` consecutive columns

struct Derive {
    source: Table,
    result: Table,
    number: f32,
    count: u32,
    newest: u32,
}

// Of some columns from a word on the sum, or the largest.
fn joined(op: u32, at: u32, first: u32, end: u32) -> u32 {
    var joint = select(0u, 0xff800000u, op == NEAR_LARGEST);
    for (var i = first; i < end; i++) {
        if op == NEAR_LARGEST {
            joint = larger(joint, memory[at + i]);
        } else {
            joint = plus(joint, memory[at + i]);
        }
    }
    return joint;
}

// The heads of a group as one.
fn reduced(params: Derive, op: u32, group: u32, column: u32) -> u32 {
    let per = groups_of(params.source) / groups_of(params.result);
    let at = params.source.at + group * per * params.source.stride + column;
    var joint = memory[at];
    for (var i = 1u; i < per; i++) {
        let next = memory[at + i * params.source.stride];
        if op == LARGEST {
            joint = larger(joint, next);
        } else {
            joint = plus(joint, next);
        }
    }
    if op == MEAN && per > 1u {
        return divided(joint, f32(per));
    }
    return joint;
}

fn derived(params: Derive, op: u32, group: u32, column: u32) -> u32 {
    let columns = columns_of(params.source, group);
    let at = params.source.at + group * params.source.stride;
    let recent = columns - min(columns, params.newest);
    let half = params.count / 2u;
    switch op {
        case SUM, MEAN, LARGEST: {
            return reduced(params, op, group, column);
        }
        case USED: {
            let cut = params.number / f32(columns);
            let is_used = column < recent && rank_of(memory[at + column]) >= rank_of(bitcast<u32>(cut));
            return bitcast<u32>(f32(is_used));
        }
        case PER_QUERY: {
            return divided(memory[at + column], f32(max(min(params.count, columns - column), 1u)));
        }
        case TILT: {
            return times(memory[at + column], exponential(params.number * f32(column)));
        }
        case BLOCK: {
            return joined(op, at, min(column * params.count, columns), min((column + 1u) * params.count, columns));
        }
        default: {
            if column >= recent {
                return 0u;
            }
            let near = joined(op, at, column - min(column, half), min(column + half + 1u, recent));
            if op == NEAR_MEAN {
                return divided(near, f32(params.count));
            }
            return near;
        }
    }
}

fn derive(params: Derive, op: u32, group: u32, own: u32) {
    let to = params.result.at + group * params.result.stride;
    for (var column = own; column < columns_of(params.result, group); column += LANES) {
        memory[to + column] = derived(params, op, group, column);
    }
}
