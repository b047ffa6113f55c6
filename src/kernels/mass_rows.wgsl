// The attention mass that slots got from several rows: exp(q * k - log-sum-exp), summed over rows and the heads of a
// group. Reads the keys once more, for the attention before it keeps no weights.
//
// Invocation (slot), workgroup row (group of the table).

struct Params {
    mass: Table,
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    kv_heads: u32,
    heads: u32, // query heads
    rows: u32, // of this call
    q_first: u32, // number where the first row's queries begin
    lse_first: u32, // number where its log-sum-exps begin
    sees: u32, // slots that the first row sees
    step: u32, // 1: every further row sees one more
    window: u32, // newest so many of these
    adds: u32, // 1: to what is there
    scale: f32,
    count_at: u32, // word of KV head 0's count, of which the first row does not see `after`; u32 max: `sees` holds
    after: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> q: array<f32>; // [rows, heads, HEAD]
@group(0) @binding(3) var<storage, read> k: array<u32>; // [cache rows, HEAD / 2] of two f16
@group(0) @binding(4) var<storage, read> lse: array<f32>; // [rows, heads]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    let group = id.y;
    if slot >= columns_of(params.mass, group) {
        return;
    }
    let per = params.heads / groups_of(params.mass);
    let per_kv = params.heads / params.kv_heads;
    var sum = 0.0;
    for (var head = group * per; head < (group + 1u) * per; head++) {
        let row_of = (params.kv_first + head / per_kv * params.kv_stride + slot) * (HEAD / 2u);
        var key: array<vec2<f32>, HEAD / 2u>;
        for (var i = 0u; i < HEAD / 2u; i++) {
            key[i] = unpack2x16float(k[row_of + i]);
        }
        var first_sees = params.sees;
        if params.count_at != 0xffffffffu {
            first_sees = max(memory[params.count_at + head / per_kv], params.after) - params.after;
        }
        for (var row = 0u; row < params.rows; row++) {
            let sees = first_sees + params.step * row;
            if slot >= sees || sees - slot > params.window {
                continue;
            }
            let at = params.q_first + (row * params.heads + head) * HEAD;
            var product = vec2<f32>();
            for (var i = 0u; i < HEAD / 2u; i++) {
                product += key[i] * vec2<f32>(q[at + 2u * i], q[at + 2u * i + 1u]);
            }
            let scaled = (product.x + product.y) * params.scale;
            sum += exp(scaled - lse[params.lse_first + row * params.heads + head]);
        }
    }
    if params.adds == 1u {
        sum += score(params.mass, group, slot);
    }
    put_score(params.mass, group, slot, sum);
}
