// How even a table's distributions are, or how far those of two tables are apart. Sums are over as many parts as there
// are invocations, and these are added in pairs: so they are rounded about as little as in f64 to an f32.
//
// Workgroup (group of the result): the entropy of all groups, or the distance of one.

const ENTROPY: u32 = 0u; // over that of an even distribution, mean over the groups
const DISTANCE: u32 = 1u; // square root of the Jensen-Shannon divergence
const LANES: u32 = 256u;

struct Params {
    a: Table,
    b: Table,
    result: Table,
}

@group(0) @binding(0) var<uniform> params: Params;

fn entropy(own: u32, group: u32) -> f32 {
    let n = columns_of(params.a, group);
    var mass = 0.0;
    for (var column = own; column < n; column += LANES) {
        mass += score(params.a, group, column);
    }
    let total = sum_of(own, mass);
    var sum = 0.0;
    for (var column = own; column < n; column += LANES) {
        let x = score(params.a, group, column);
        // What is below the least normal number of a share adds nothing that counts.
        if x / total > 1.2e-38 {
            sum -= x / total * logarithm(x / total);
        }
    }
    // One column alone is as even as it can be uneven.
    return sum_of(own, sum) / logarithm(f32(max(n, 2u)));
}

// x ln(x / middle) + y ln(y / middle): with d = (x - y) / (x + y) the middle times the sum of (1 + d) ln(1 + d) and
// (1 - d) ln(1 - d).
fn apart_by(x: f32, y: f32) -> f32 {
    let middle = 0.5 * (x + y);
    if !(middle > 1.2e-38) {
        return 0.0;
    }
    let d = abs(0.5 * (x - y) / middle);
    if d >= 0.5 {
        let less = 1.0 - d;
        return middle * ((1.0 + d) * logarithm(1.0 + d) + select(0.0, less * logarithm(max(less, 1e-30)), less > 0.0));
    }
    // The sum of d^2k / (k (2k - 1)): no logarithm of what is near 1.
    let square = d * d;
    var sum = 0.0;
    for (var k = 11.0; k >= 1.0; k -= 1.0) {
        sum = square * (1.0 / (k * (2.0 * k - 1.0)) + sum);
    }
    return middle * sum;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    var result = 0.0;
    if OP == ENTROPY {
        let groups = groups_of(params.a);
        for (var group = 0u; group < groups; group++) {
            result += entropy(own, group) / f32(groups);
        }
    } else {
        var sum = 0.0;
        for (var column = own; column < columns_of(params.a, workgroup.x); column += LANES) {
            sum += apart_by(score(params.a, workgroup.x, column), score(params.b, workgroup.x, column));
        }
        result = sqrt(max(0.5 * sum_of(own, sum), 0.0));
    }
    if own == 0u {
        put_score(params.result, workgroup.x, 0u, result);
    }
}
