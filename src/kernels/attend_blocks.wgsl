// Prefill attention of every row over listed blocks of slots, a list per query head and block of queries. What nobody
// lists is neither read nor computed.
//
// Workgroup (tile of queries within their block, query head); GROUP is 1, for each head has a list of its own.

@group(0) @binding(4) var<storage, read> lists: array<u32>; // a list is its count, then ascending pairs
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>; // [rows, heads, HEAD]
@group(0) @binding(6) var<storage, read_write> lse: array<f32>; // [rows, heads], NONE where nothing was read

// The first of `count` pairs from word `first` on that is not below `pair`.
fn lower_bound(first: u32, count: u32, pair: u32) -> u32 {
    var low = first;
    var high = first + count;
    while low < high {
        let middle = (low + high) / 2u;
        if lists[middle] < pair {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    // Rows are at slots from `before` on.
    let before = params.sees - 1u;
    let tiles_per_block = (params.size + QUERIES - 1u) / QUERIES;
    let block = before / params.size + group.x / tiles_per_block;
    let start = block * params.size + group.x % tiles_per_block * QUERIES;
    let end = min(min(start + QUERIES, (block + 1u) * params.size), before + params.rows);
    if max(start, before) >= end {
        return;
    }
    let first_row = max(start, before) - before;
    let end_row = end - before;
    let head = group.y;
    let kv = params.kv_first + head / params.readers_per_kv * params.kv_stride;
    load_queries(own, first_row, end_row, head);

    let query = vec4<u32>(own / LANES * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let ends = params.sees + min(first_row + query, vec4<u32>(end_row - 1u));
    let list = params.list_first + head / params.readers_per_list * params.list_stride;
    let last = list + 1u + lists[list];
    let row_of_pairs = block * params.blocks;
    for (var at = lower_bound(list + 1u, lists[list], row_of_pairs); at < last; at++) {
        let pair = lists[at];
        if pair > row_of_pairs + block {
            break;
        }
        let begin = (pair - row_of_pairs) * params.size;
        let limit = min(begin + params.size, end);
        for (var first = begin; first < limit; first += KEYS) {
            visit(own, kv, first, limit, vec4<u32>(), ends);
        }
    }
    write(own, first_row, end_row, head);
}
