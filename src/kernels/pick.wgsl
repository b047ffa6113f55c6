// A token of every row of logits (kernels/pick.rs). Where the candidates end is found by halving: ranks that are above all
// logits but the best, then below as many as are wanted, or as much of the probability.
//
// Workgroup (row).

const LANES: u32 = 256u;
const GREEDY: u32 = 0u; // of OP; 1: drawn

struct Params {
    columns: u32,
    top_k: u32,
    temperature: f32,
    top_p: f32,
    draw: f32,
    first_picked: u32, // number of row 0's token among those that were picked
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read_write> picked: array<u32>; // [tokens, 2]: the id, and 1 if all logits are finite

// The best of each invocation: its rank, and the lowest column that has it.
var<workgroup> best: array<vec2<u32>, LANES>;
// How many of the last rank, and how much of the weight, there is in each part of the row; then before it.
var<workgroup> equals: array<u32, LANES>;
var<workgroup> weights: array<f32, LANES>;
var<workgroup> last: atomic<u32>;

// The number of a rank that one has.
fn value_of(rank: u32) -> f32 {
    return bitcast<f32>(select(~rank, rank & ~SIGN, (rank & SIGN) != 0u));
}

fn weight_of(rank: u32, top: f32) -> f32 {
    return exp((value_of(rank) - top) / params.temperature);
}

// How many have at least this rank, or how much weight these have together.
fn from_rank(own: u32, first: u32, least: u32, by_weight: bool, top: f32) -> f32 {
    var mine = 0.0;
    for (var column = own; column < params.columns; column += LANES) {
        let rank = rank_of(logits[first + column]);
        if rank >= least {
            mine += select(1.0, weight_of(rank, top), by_weight);
        }
    }
    return sum_of(own, mine);
}

// Candidates: all above a rank, and the first so many that have it.
struct End {
    rank: u32,
    equals: u32,
}

fn end_of(own: u32, first: u32, least: u32, above: u32, wanted: f32, by_weight: bool, top: f32) -> End {
    var low = least; // enough have at least this rank
    var high = above; // and not this
    while high - low > 1u {
        let middle = low + (high - low) / 2u;
        if from_rank(own, first, middle, by_weight, top) >= wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    let missing = wanted - from_rank(own, first, low + 1u, by_weight, top);
    let each = select(1.0, weight_of(low, top), by_weight);
    return End(low, u32(clamp(ceil(missing / each), 1.0, f32(params.columns))));
}

// The number of the candidate in whose share of the weight `draw` falls.
fn drawn(own: u32, first: u32, end: End, top: f32) {
    let part = (params.columns + LANES - 1u) / LANES;
    let begins = min(own * part, params.columns);
    let ends = min(begins + part, params.columns);
    var mine = 0u;
    for (var column = begins; column < ends; column++) {
        mine += u32(rank_of(logits[first + column]) == end.rank);
    }
    equals[own] = mine;
    workgroupBarrier();
    if own == 0u {
        var before = 0u;
        for (var lane = 0u; lane < LANES; lane++) {
            let here = equals[lane];
            equals[lane] = before;
            before += here;
        }
    }
    workgroupBarrier();
    var equal = equals[own];
    var weight = 0.0;
    var candidate = params.columns;
    for (var column = begins; column < ends; column++) {
        let rank = rank_of(logits[first + column]);
        if rank > end.rank || (rank == end.rank && equal < end.equals) {
            weight += weight_of(rank, top);
            candidate = column;
        }
        equal += u32(rank == end.rank);
    }
    if candidate < params.columns {
        atomicMax(&last, candidate);
    }
    weights[own] = weight;
    workgroupBarrier();
    if own == 0u {
        var total = 0.0;
        for (var lane = 0u; lane < LANES; lane++) {
            total += weights[lane];
        }
        var left = params.draw * total;
        var lane = 0u;
        while lane < LANES - 1u && left >= weights[lane] {
            left -= weights[lane];
            lane++;
        }
        // Rounding may leave it beyond all of a part's: then it is the part's last candidate, or that of all.
        var id = atomicLoad(&last);
        equal = equals[lane];
        for (var column = lane * part; column < min(lane * part + part, params.columns); column++) {
            let rank = rank_of(logits[first + column]);
            if rank > end.rank || (rank == end.rank && equal < end.equals) {
                id = column;
                left -= weight_of(rank, top);
                if left < 0.0 {
                    break;
                }
            }
            equal += u32(rank == end.rank);
        }
        picked[2u * (params.first_picked + first / params.columns)] = id;
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let row = workgroup.x;
    let first = row * params.columns;
    var mine = vec2<u32>(0u, 0u);
    var infinite = 0.0;
    for (var column = own; column < params.columns; column += LANES) {
        let bits = logits[first + column];
        let rank = rank_of(bits);
        if rank > mine.x {
            mine = vec2<u32>(rank, column);
        }
        infinite += f32((bits & ~SIGN) >= INFINITY);
    }
    best[own] = mine;
    for (var apart = LANES / 2u; apart > 0u; apart /= 2u) {
        workgroupBarrier();
        if own < apart {
            let other = best[own + apart];
            let mine = best[own];
            if other.x > mine.x || (other.x == mine.x && other.y < mine.y) {
                best[own] = other;
            }
        }
    }
    let top = workgroupUniformLoad(&best[0]);
    let is_finite = sum_of(own, infinite) == 0.0;
    if own == 0u {
        let at = 2u * (params.first_picked + row);
        picked[at] = top.y;
        picked[at + 1u] = u32(is_finite);
    }
    if OP == GREEDY || !is_finite {
        return;
    }
    let value = value_of(top.x);
    // A rank of 0 has none of them.
    var end = End(0u, 0u);
    let k = min(params.top_k, params.columns);
    if k > 0u && k < params.columns {
        end = end_of(own, first, 1u, top.x + 1u, f32(k), false, value);
    }
    if params.top_p < 1.0 {
        let tied = f32(end.equals);
        var all = from_rank(own, first, end.rank + 1u, true, value);
        if end.equals > 0u {
            all += tied * weight_of(end.rank, value);
        }
        let more = end_of(own, first, max(end.rank, 1u), top.x + 1u, params.top_p * all, true, value);
        end = End(more.rank, select(more.equals, min(more.equals, end.equals), more.rank == end.rank));
    }
    drawn(own, first, end, value);
}
