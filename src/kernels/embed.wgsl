// Embeddings of tokens that were picked on the device (pick.wgsl): rows of the embedding table.
//
// Workgroup (row).

struct Params {
    cols: u32, // of the table
    first_picked: u32, // number of the token of row 0 among those that were picked
    x_first: u32, // number where its row of x begins
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> picked: array<u32>; // [tokens, 2]: the id first
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(3) var<storage, read> scales: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>; // [rows, cols]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let id = picked[2u * (params.first_picked + workgroup.x)];
    let lane = id % LANES;
    let blocks = (params.cols + 31u) / 32u;
    for (var four = own; 4u * four < params.cols; four += 64u) {
        let block = id / LANES * blocks + four / 8u;
        let values = quad_of(0u, block, four % 8u, lane, grid_of(0u, block, lane));
        for (var i = 0u; i < 4u && 4u * four + i < params.cols; i++) {
            x[params.x_first + workgroup.x * params.cols + 4u * four + i] = values[i];
        }
    }
}
