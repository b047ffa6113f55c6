// Places that groups compete for (AdaKV): their free columns side by side in one row, and what each has won there.

const JOIN: u32 = 0u; // a row of all groups' free columns, weighed. Invocation (column), workgroup row (group)
const WON: u32 = 1u; // columns each group takes. Workgroup (group)

struct Params {
    scores: Table,
    tops: Lists, // of JOIN: each group's best free columns, counted from the first free one; stride 0: unweighed
    joined: Table, // [1, groups * width]
    winners: Lists, // of WON
    counts: Table, // [groups, 1]
    sinks: u32, // not free,
    recent: u32, // nor these
    width: u32, // columns of the row from a group's first to the next group's
    base: u32, // places of an even part
    floor: f32, // share of it that every group gets
}

@group(0) @binding(0) var<uniform> params: Params;

var<workgroup> sums: array<vec2<f32>, LANES>;
var<workgroup> shared_weight: f32;

// The share of a group's free scores that its best ones have.
fn weight_of(own: u32, group: u32, end: u32) -> f32 {
    var sum = vec2<f32>();
    for (var column = params.sinks + own; column < end; column += LANES) {
        sum.y += score(params.scores, group, column);
    }
    let list = params.tops.at + group * params.tops.stride;
    for (var i = own; i < memory[list]; i += LANES) {
        sum.x += score(params.scores, group, memory[list + 1u + i]);
    }
    sums[own] = sum;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if own < step {
            sums[own] += sums[own + step];
        }
        workgroupBarrier();
    }
    if own == 0u {
        shared_weight = select(0.0, sums[0].x / sums[0].y, sums[0].y > 0.0);
    }
    return workgroupUniformLoad(&shared_weight);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let group = workgroup.x;
    let n = same(own, columns_of(params.scores, group));
    let sinks = min(params.sinks, n);
    let end = n - min(params.recent, n - sinks);
    if OP == JOIN {
        var weight = 1.0;
        if params.tops.stride > 0u {
            weight = weight_of(own, group, end);
        }
        for (var i = own; i < params.width; i += LANES) {
            // What is no number is taken last.
            var bits = 0x7fc00000u;
            if sinks + i < end {
                bits = bitcast<u32>(score(params.scores, group, sinks + i) * weight);
            }
            memory[params.joined.at + group * params.width + i] = bits;
        }
        return;
    }
    var won = 0u;
    for (var i = own; i < memory[params.winners.at]; i += LANES) {
        // Where there are fewer free columns than places, some are won by the gaps between the groups.
        let winner = memory[params.winners.at + 1u + i];
        won += u32(winner / params.width == group && winner % params.width < end - sinks);
    }
    _ = sum_before(own, won);
    if own == 0u {
        let free = end - sinks;
        let own_part = floor(f32(params.base) * params.floor);
        var places = u32(round(f32(scanned[LANES - 1u]) * (1.0 - params.floor) + own_part));
        if params.base > free {
            places = free;
        }
        put_score(params.counts, group, 0u, f32(places + params.sinks + params.recent));
    }
}
