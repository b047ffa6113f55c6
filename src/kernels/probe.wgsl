// Where the newest queries look, as the mean of their softmax rows: what each slot gets, and what each diagonal gets,
// whose last column are the queries' own slots. Their log-sum-exps are known.
//
// Invocation (column, query head).

struct Params {
    vertical: Table, // by query head
    slash: Table,
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    kv_heads: u32,
    heads: u32, // query heads
    rows: u32,
    q_first: u32, // number where the first row's queries begin
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// What a row of a head gives to the key that was read.
fn given(row: u32, head: u32) -> f32 {
    let query = row * params.heads + head;
    return weight(params.q_first + query * HEAD, query, params.scale);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    let head = id.y;
    let slots = columns_of(params.vertical, head);
    if column >= slots {
        return;
    }
    let first = params.kv_first + shared_group(head, params.heads, params.kv_heads) * params.kv_stride;
    var mass = vec2<f32>();
    read_key(first + column);
    for (var row = 0u; row < params.rows; row++) {
        if column + params.rows - 1u - row < slots {
            mass.x += given(row, head);
        }
    }
    for (var row = 0u; row < params.rows; row++) {
        let later = params.rows - 1u - row;
        if column >= later {
            read_key(first + column - later);
            mass.y += given(row, head);
        }
    }
    put_score(params.vertical, head, column, mass.x / f32(params.rows));
    put_score(params.slash, head, column, mass.y / f32(params.rows));
}
