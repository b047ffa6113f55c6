// Weights as the CPU lays them out (kernels/matrix.rs): eight rows interleaved, in blocks of 32 columns. A kernel says the
// LAYOUT and binds `weights`, [groups of eight rows, blocks] of words, and `scales`, [groups, blocks] of 8 f16, or of 8
// scales and 8 minima.

const LANES: u32 = 8u; // weight rows of a group

// LAYOUT
const HALF: u32 = 0u;
const SINGLE: u32 = 1u;
const Q8: u32 = 2u;
const Q4: u32 = 3u;

fn eighth(at: u32, lane: u32) -> f32 {
    return unpack2x16float(scales[at + lane / 2u])[lane & 1u];
}

// Scale and minimum of a lane's row of block `block`, whose scales begin at a word.
fn grid_of(first: u32, block: u32, lane: u32) -> vec2<f32> {
    if LAYOUT == Q8 {
        return vec2<f32>(eighth(first + block * 4u, lane), 0.0);
    } else if LAYOUT == Q4 {
        return vec2<f32>(eighth(first + block * 8u, lane), eighth(first + block * 8u + 4u, lane));
    }
    return vec2<f32>(1.0, 0.0);
}

// Columns 4 * quad.. of a lane's row of block `block`; the weights begin at a word.
fn quad_of(first: u32, block: u32, quad: u32, lane: u32, grid: vec2<f32>) -> vec4<f32> {
    if LAYOUT == HALF {
        let at = first + (block * 32u + 4u * quad) * 4u + lane / 2u;
        let pick = lane & 1u;
        return vec4<f32>(
            unpack2x16float(weights[at])[pick],
            unpack2x16float(weights[at + 4u])[pick],
            unpack2x16float(weights[at + 8u])[pick],
            unpack2x16float(weights[at + 12u])[pick],
        );
    } else if LAYOUT == SINGLE {
        let at = first + (block * 32u + 4u * quad) * 8u + lane;
        return bitcast<vec4<f32>>(vec4<u32>(weights[at], weights[at + 8u], weights[at + 16u], weights[at + 24u]));
    } else if LAYOUT == Q8 {
        // A word has columns 0, 2, 1, 3.
        let word = bitcast<i32>(weights[first + (block * 8u + quad) * LANES + lane]);
        return grid.x * vec4<f32>((vec4<i32>(word) << vec4<u32>(24u, 8u, 16u, 0u)) >> vec4<u32>(24u));
    }
    // A word has columns 0, 2, 4, 6, 1, 3, 5, 7.
    let word = weights[first + (block * 4u + quad / 2u) * LANES + lane] >> (8u * (quad & 1u));
    return grid.x * vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 16u, 4u, 20u)) & vec4<u32>(15u)) + grid.y;
}
