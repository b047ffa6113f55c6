// Parts of an attention as one, by their largest scores and sums: tiles of a decode step, or hosts of Star Attention,
// whose part is their normalised output with the sum 1 and their log-sum-exp in place of the largest score.
//
// Workgroup (query head of a row): an invocation has the channels c, c + LANES, ...

const NONE: f32 = -3.0e38;
const LANES: u32 = 64u;

struct Params {
    parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>; // [rows * heads, parts, HEAD + 2]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [rows * heads, HEAD]
@group(0) @binding(3) var<storage, read_write> lse: array<f32>; // [rows * heads], NONE where nothing was read

var<workgroup> tops: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let first = group.x * params.parts * (HEAD + 2u) + HEAD;
    var top = NONE;
    for (var part = own; part < params.parts; part += LANES) {
        top = max(top, partials[first + part * (HEAD + 2u) + 1u]);
    }
    tops[own] = top;
    workgroupBarrier();
    for (var i = 0u; i < LANES; i++) {
        top = max(top, tops[i]);
    }
    var sum = 0.0;
    for (var part = 0u; part < params.parts; part++) {
        let at = first + part * (HEAD + 2u);
        sum += partials[at] * exp(partials[at + 1u] - top);
    }
    for (var c = own; c < HEAD; c += LANES) {
        var value = 0.0;
        for (var part = 0u; part < params.parts; part++) {
            let at = first + part * (HEAD + 2u);
            // What a tile that read nothing left there is no number of this step.
            if partials[at + 1u] > NONE {
                value += exp(partials[at + 1u] - top) * partials[at - HEAD + c];
            }
        }
        out[group.x * HEAD + c] = select(0.0, value / sum, sum > 0.0);
    }
    if own == 0u {
        lse[group.x] = select(NONE, top + log(sum), sum > 0.0);
    }
}
