// Rotates a pass's queries and keys (RoPE, arXiv 2104.09864), appends its keys and values to the cache, and counts
// them: position, and what new slots start with in score columns.
//
// An invocation has a pair of channels of one head of one row: of the query heads, then of the keys, then of the values.
// The count from before is left as it is, for other invocations read it; the new one has its own word.

struct Column {
    at: u32, // word of slot 0 of KV head 0
    fresh: u32, // bits of a new slot's score
    kind: u32, // 0: these bits, 1: the position instead, 2: the number of the position and the KV head
    unused: u32,
}

struct Params {
    slots: Slots, // as they were before the pass
    columns: array<Column, 2>,
    rows: u32, // of this call
    heads: u32, // query heads
    dim: u32,
    rotated: u32, // channels of a head that are rotated; 0: none
    halves: u32, // 1: pairs are i and i + rotated / 2; else 2i and 2i + 1
    position: u32, // of row 0
    angle: u32, // row of the table that rotates row 0
    row: u32, // row 0 of this call in the pass
    pass_rows: u32,
    stores: u32, // 0: another host stores the keys and values
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32, // rows from a KV head to the next
    new_count: u32, // word of the new count of KV head 0
    columns_used: u32,
    q_first: u32, // number where row 0's queries go
    keys_unrotated: u32, // 1: keys are rotated when they are read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> qkv: array<f32>; // [rows, (heads + 2 * kv_heads) * dim]
@group(0) @binding(3) var<storage, read> table: array<vec2<f32>>; // [positions, rotated / 2] of cosine and sine
@group(0) @binding(4) var<storage, read_write> q: array<f32>; // [rows of the pass, heads, dim]
@group(0) @binding(5) var<storage, read_write> k: array<Pair>; // [cache rows, dim / 2]
@group(0) @binding(6) var<storage, read_write> v: array<Pair>;

// Channel c of a head, rotated.
fn turned(at: u32, row: u32, c: u32) -> f32 {
    if c >= params.rotated {
        return qkv[at + c];
    }
    let partner = partner_of(c, params.rotated, params.halves);
    let angle = table[(params.angle + row) * (params.rotated / 2u) + partner.pair];
    return qkv[at + c] * angle.x + qkv[at + partner.channel] * (partner.sign * angle.y);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pairs = params.dim / 2u;
    let kv_heads = params.slots.heads;
    let all = params.heads + 2u * kv_heads;
    let index = id.x;
    if index >= all * pairs {
        return;
    }
    let row = id.y;
    let head = index / pairs;
    let pair = index % pairs;
    let at = (row * all + head) * params.dim;
    if head < params.heads {
        let to = params.q_first + (row * params.heads + head) * params.dim + 2u * pair;
        q[to] = turned(at, row, 2u * pair);
        q[to + 1u] = turned(at, row, 2u * pair + 1u);
        return;
    }
    if params.stores == 0u {
        return;
    }
    let kv = (head - params.heads) % kv_heads;
    let before = memory[params.slots.count + kv];
    let slot = before + params.row + row;
    let to = (params.kv_first + kv * params.kv_stride + slot) * pairs + pair;
    var pair_of = vec2<f32>(qkv[at + 2u * pair], qkv[at + 2u * pair + 1u]);
    if head >= params.heads + kv_heads {
        v[to] = to_store(pair_of);
        return;
    }
    if params.keys_unrotated == 0u {
        pair_of = vec2<f32>(turned(at, row, 2u * pair), turned(at, row, 2u * pair + 1u));
    }
    k[to] = to_store(pair_of);
    if pair > 0u {
        return;
    }
    let position = params.position + row;
    memory[params.slots.position + kv * params.slots.stride + slot] = position;
    for (var i = 0u; i < params.columns_used; i++) {
        let column = params.columns[i];
        var fresh = column.fresh;
        if column.kind == 1u {
            fresh = bitcast<u32>(f32(position));
        } else if column.kind == 2u {
            fresh = bitcast<u32>(random(position, kv));
        }
        memory[column.at + kv * params.slots.stride + slot] = fresh;
    }
    if row == 0u {
        memory[params.new_count + kv] = before + params.pass_rows;
    }
}
