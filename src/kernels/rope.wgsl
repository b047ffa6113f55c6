// Rotates a pass's queries and keys (RoPE, arXiv 2104.09864) and appends its keys and values to the cache as f16.
//
// An invocation has a pair of channels of one head of one row: of the query heads, then of the keys, then of the values.

struct Params {
    rows: u32,
    heads: u32, // query heads
    kv_heads: u32,
    dim: u32,
    rotated: u32, // channels of a head that are rotated; 0: none
    halves: u32, // 1: pairs are i and i + rotated / 2; else 2i and 2i + 1
    first: u32, // position of row 0
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32, // rows from a KV head to the next
    counts_first: u32, // word of `counts`: slots of KV head 0, those of this pass included
    counts_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<f32>; // [rows, (heads + 2 * kv_heads) * dim]
@group(0) @binding(2) var<storage, read> table: array<vec2<f32>>; // [positions, rotated / 2] of cosine and sine
@group(0) @binding(3) var<storage, read> counts: array<u32>;
@group(0) @binding(4) var<storage, read_write> q: array<f32>; // [rows, heads, dim]
@group(0) @binding(5) var<storage, read_write> k: array<u32>; // [cache rows, dim / 2] of two f16
@group(0) @binding(6) var<storage, read_write> v: array<u32>;

// Channel c of a head, rotated.
fn turned(at: u32, row: u32, c: u32) -> f32 {
    let half = params.rotated / 2u;
    if c >= params.rotated {
        return qkv[at + c];
    }
    var pair = c / 2u;
    var second = c % 2u == 1u;
    var other = c ^ 1u;
    if params.halves == 1u {
        pair = c % half;
        second = c >= half;
        other = select(c + half, pair, second);
    }
    let angle = table[(params.first + row) * half + pair];
    let sine = select(-angle.y, angle.y, second);
    return qkv[at + c] * angle.x + qkv[at + other] * sine;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pairs = params.dim / 2u;
    let all = params.heads + 2u * params.kv_heads;
    let index = id.x;
    if index >= all * pairs {
        return;
    }
    let row = id.y;
    let head = index / pairs;
    let pair = index % pairs;
    let at = (row * all + head) * params.dim;
    if head < params.heads {
        let to = (row * params.heads + head) * params.dim + 2u * pair;
        q[to] = turned(at, row, 2u * pair);
        q[to + 1u] = turned(at, row, 2u * pair + 1u);
        return;
    }
    let kv = (head - params.heads) % params.kv_heads;
    let slot = counts[params.counts_first + kv * params.counts_stride] - params.rows + row;
    let to = (params.kv_first + kv * params.kv_stride + slot) * pairs + pair;
    if head < params.heads + params.kv_heads {
        k[to] = pack2x16float(vec2<f32>(turned(at, row, 2u * pair), turned(at, row, 2u * pair + 1u)));
    } else {
        v[to] = pack2x16float(vec2<f32>(qkv[at + 2u * pair], qkv[at + 2u * pair + 1u]));
    }
}
