// Numbers of the host as a list, as many at a time as parameters have room for.
//
// Invocation (number).

const NUMBERS: u32 = 52u;

struct Params {
    list: Lists,
    numbers: array<vec4<u32>, 13>,
    first: u32, // place of the first of these in the list
    count: u32, // of these
    length: u32, // of the list
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(NUMBERS)
fn main(@builtin(local_invocation_index) own: u32) {
    if own < params.count {
        memory[params.list.at + 1u + params.first + own] = params.numbers[own / 4u][own % 4u];
    }
    if own == 0u {
        memory[params.list.at] = params.length;
    }
}
