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
        read_key(params.kv_first + head / per_kv * params.kv_stride + slot);
        var first_sees = params.sees;
        if params.count_at != 0xffffffffu {
            first_sees = max(memory[params.count_at + head / per_kv], params.after) - params.after;
        }
        for (var row = 0u; row < params.rows; row++) {
            let sees = first_sees + params.step * row;
            if slot >= sees || sees - slot > params.window {
                continue;
            }
            let query = row * params.heads + head;
            sum += weight(params.q_first + query * HEAD, params.lse_first + query, params.scale);
        }
    }
    if params.adds == 1u {
        sum += score(params.mass, group, slot);
    }
    put_score(params.mass, group, slot, sum);
}
