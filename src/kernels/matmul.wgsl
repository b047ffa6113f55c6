// Products of activations with a weight matrix: out = x * transpose(w), optionally of normalised rows of x, added to what is
// there, or gated (SwiGLU).
//
// Workgroup (group of eight weight rows, tile of ROWS activation rows). An invocation has one of the eight weight rows
// and of every CHUNK columns one block of 32; it unpacks each weight once for ROWS products.

const PARTS: u32 = 8u; // blocks of a chunk
const CHUNK: u32 = PARTS * 32u;
const SUMS: u32 = select(1u, 2u, ENDING == GATE); // matrices at once

// ENDING
const STORE: u32 = 0u;
const ADD: u32 = 1u;
const GATE: u32 = 2u;

struct Params {
    rows: u32, // of x
    cols: u32, // of x and w
    outputs: u32, // rows of w
    x_first: u32, // number where row 0 of x begins
    norm_first: u32, // number where the norm's weights begin; u32 max: x is taken as it is
    weights_first: u32, // word where w begins
    scales_first: u32, // word where its scales begin
    up_weights_first: u32, // of GATE, the second matrix
    up_scales_first: u32,
    out_first: u32, // number where row 0 of out begins
    out_stride: u32, // numbers from a row of out to the next
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [rows, cols]
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read> scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

var<workgroup> chunk: array<vec4<f32>, ROWS * CHUNK / 4u>; // [ROWS, CHUNK]
var<workgroup> parts: array<f32, ROWS * 64u>; // [ROWS, PARTS, LANES]
var<workgroup> inverses: array<f32, ROWS>;

var<private> sums: array<f32, SUMS * ROWS>;

// Adds one block's products to the sums of the `which`-th matrix.
fn add_block(which: u32, first: u32, scales_at: u32, block: u32, part: u32, lane: u32) {
    let grid = grid_of(scales_at, block, lane);
    for (var quad = 0u; quad < 8u; quad++) {
        let weight = quad_of(first, block, quad, lane, grid);
        for (var r = 0u; r < ROWS; r++) {
            sums[which * ROWS + r] += dot(weight, chunk[(r * CHUNK + part * 32u) / 4u + quad]);
        }
    }
}

// The sum over PARTS of the products of row `r` with weight row `lane`, which all invocations must ask for.
fn total(own: u32, which: u32, r: u32, lane: u32) -> f32 {
    workgroupBarrier();
    for (var row = 0u; row < ROWS; row++) {
        parts[row * 64u + own] = sums[which * ROWS + row];
    }
    workgroupBarrier();
    var sum = 0.0;
    if r < ROWS {
        for (var part = 0u; part < PARTS; part++) {
            sum += parts[r * 64u + part * LANES + lane];
        }
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let lane = own % LANES;
    let part = own / LANES;
    let first_row = group.y * ROWS;
    let normed = params.norm_first != 0xffffffffu;
    if normed {
        for (var r = 0u; r < ROWS; r++) {
            var squares = 0.0;
            if first_row + r < params.rows {
                for (var c = own; c < params.cols; c += 64u) {
                    let value = x[params.x_first + (first_row + r) * params.cols + c];
                    squares += value * value;
                }
            }
            parts[r * 64u + own] = squares;
        }
        workgroupBarrier();
        if own < ROWS {
            var squares = 0.0;
            for (var i = 0u; i < 64u; i++) {
                squares += parts[own * 64u + i];
            }
            inverses[own] = inverseSqrt(squares / f32(params.cols) + params.eps);
        }
    }
    let blocks = (params.cols + 31u) / 32u;
    for (var done = 0u; done < blocks; done += PARTS) {
        workgroupBarrier();
        for (var i = own; i < ROWS * CHUNK; i += 64u) {
            let r = i / CHUNK;
            let c = done * 32u + i % CHUNK;
            var value = 0.0;
            if first_row + r < params.rows && c < params.cols {
                value = x[params.x_first + (first_row + r) * params.cols + c];
                if normed {
                    value *= inverses[r] * norms[params.norm_first + c];
                }
            }
            chunk[i / 4u][i % 4u] = value;
        }
        workgroupBarrier();
        if done + part < blocks {
            let block = group.x * blocks + done + part;
            add_block(0u, params.weights_first, params.scales_first, block, part, lane);
            if ENDING == GATE {
                add_block(1u, params.up_weights_first, params.up_scales_first, block, part, lane);
            }
        }
    }
    // From here on an invocation has an output: row `r`, weight row `group.x * 8 + lane`.
    for (var tile = 0u; tile < ROWS; tile += PARTS) {
        let r = tile + part;
        var value = total(own, 0u, r, lane);
        if ENDING == GATE {
            let up = total(own, 1u, r, lane);
            value = value / (1.0 + exp(-value)) * up;
        }
        let column = group.x * LANES + lane;
        if r < ROWS && first_row + r < params.rows && column < params.outputs {
            let at = params.out_first + (first_row + r) * params.out_stride + column;
            if ENDING == ADD {
                value += out[at];
            }
            out[at] = value;
        }
    }
}
