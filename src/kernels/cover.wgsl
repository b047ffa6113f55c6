// The fewest best columns of a group whose sum is more than a share of that of all.
//
// Workgroup (group). Digit by digit of the scores' bits, which order as positive scores do: the columns that are summed
// before the share is reached. Sums are whole numbers of 64 bits, so that, as in the CPU's f64, equal scores end a
// share exactly and the order in which they are added does not matter.

struct Params {
    scores: Table,
    counts: Table, // [groups, 1]
    share: u32, // times 2^-shift the share
    shift: u32,
}

const ALL: u32 = 256u;
const FINE: u32 = 23u; // bits below those of the largest score: 2^17 of them do not overflow

@group(0) @binding(0) var<uniform> params: Params;

var<workgroup> largest: atomic<u32>;
// Of each digit the columns and their sum.
var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> high: array<atomic<u32>, 256>;
var<workgroup> low: array<atomic<u32>, 256>;

// Numbers of 64 bits, the upper word first.

fn plus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let sum = a.y + b.y;
    return vec2<u32>(a.x + b.x + u32(sum < a.y), sum);
}

fn at_most(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x < b.x || (a.x == b.x && a.y <= b.y);
}

fn shifted(a: vec2<u32>, by: u32) -> vec2<u32> {
    if by == 0u {
        return a;
    }
    if by >= 32u {
        return vec2<u32>(0u, select(a.x >> (by - 32u), 0u, by >= 64u));
    }
    return vec2<u32>(a.x >> by, (a.y >> by) | (a.x << (32u - by)));
}

// The share of a sum. Pieces are rounded down, each by less than a unit.
fn share_of(total: vec2<u32>) -> vec2<u32> {
    var part = vec2<u32>();
    for (var bit = 0u; bit < 24u; bit++) {
        if ((params.share >> bit) & 1u) != 0u {
            part = plus(part, shifted(total, params.shift - bit));
        }
    }
    return part;
}

fn exponent(bits: u32) -> u32 {
    return max(bits >> 23u, 1u);
}

// A positive score in units of 2^-FINE of the largest one's last bit; what is below a unit is lost.
fn units(bits: u32, top: u32) -> vec2<u32> {
    let mantissa = (bits & 0x7fffffu) | select(0u, 0x800000u, (bits >> 23u) > 0u);
    let down = top - exponent(bits);
    if down >= FINE {
        return vec2<u32>(0u, select(mantissa >> (down - FINE), 0u, down - FINE >= 32u));
    }
    let up = FINE - down;
    return vec2<u32>(mantissa >> (32u - up), mantissa << up);
}

fn is_positive(bits: u32) -> bool {
    return bits > 0u && bits <= INFINITY;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let group = workgroup.x;
    let n = columns_of(params.scores, group);
    let first = params.scores.at + group * params.scores.stride;
    for (var column = own; column < n; column += LANES) {
        let bits = memory[first + column];
        if is_positive(bits) {
            atomicMax(&largest, exponent(bits));
        }
    }
    workgroupBarrier();
    let top = atomicLoad(&largest);

    // Of the invocation that decides: what the columns above the digit are and sum to, and the most they may sum to.
    var above = 0u;
    var sum = vec2<u32>();
    var most = vec2<u32>();
    var prefix = 0u;
    var found = 0u; // the digit within which the share ends; ALL: all of them are within it
    for (var shift = 24u; true; shift -= 8u) {
        atomicStore(&counts[own], 0u);
        atomicStore(&high[own], 0u);
        atomicStore(&low[own], 0u);
        workgroupBarrier();
        for (var column = own; column < n; column += LANES) {
            let bits = memory[first + column];
            if is_positive(bits) && (shift == 24u || (bits >> (shift + 8u)) == prefix) {
                let digit = (bits >> shift) & 255u;
                let value = units(bits, top);
                atomicAdd(&counts[digit], 1u);
                let before = atomicAdd(&low[digit], value.y);
                atomicAdd(&high[digit], value.x + u32(before + value.y < before));
            }
        }
        workgroupBarrier();
        if own == 0u {
            found = ALL;
            if shift == 24u {
                for (var digit = 0u; digit < 256u; digit++) {
                    most = plus(most, vec2<u32>(atomicLoad(&high[digit]), atomicLoad(&low[digit])));
                }
                most = share_of(most);
            }
            for (var digit = 255u; found == ALL; digit -= 1u) {
                let reached = plus(sum, vec2<u32>(atomicLoad(&high[digit]), atomicLoad(&low[digit])));
                if at_most(reached, most) {
                    sum = reached;
                    above += atomicLoad(&counts[digit]);
                } else {
                    found = digit;
                }
                if digit == 0u {
                    break;
                }
            }
        }
        found = same(own, found);
        if found == ALL {
            break;
        }
        prefix = (prefix << 8u) | found;
        if shift == 0u {
            break;
        }
    }
    if own == 0u {
        if found != ALL {
            // What is left are equal scores, more of them than fit.
            let value = units(prefix, top);
            sum = plus(sum, value);
            while at_most(sum, most) {
                above += 1u;
                sum = plus(sum, value);
            }
        }
        put_score(params.counts, group, 0u, f32(min(above + 1u, n)));
    }
}
