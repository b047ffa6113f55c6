// Prefill attention of every row over its span of slots: causal, a window, or the same for all rows.
//
// Workgroup (tile of queries, reader). A reader is GROUP query heads that share a KV head.

@group(0) @binding(4) var<storage, read> counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>; // [rows, heads, HEAD]
@group(0) @binding(6) var<storage, read_write> lse: array<f32>; // [rows, heads], NONE where nothing was read

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    // Whole rows: with three heads to a row a tile of 32 queries leaves two idle.
    let rows_per_tile = max(QUERIES / GROUP, 1u);
    let first_row = group.x * rows_per_tile;
    let end_row = min(first_row + rows_per_tile, params.rows);
    let first_head = group.y * GROUP;
    let kv = params.kv_first + group.y / params.readers_per_kv * params.kv_stride;
    load_queries(own, first_row, end_row, first_head);

    let query = vec4<u32>(own / LANES * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    // Where only the device knows how many slots there are, they are counted by KV head.
    var sees = params.sees;
    if params.count_at != 0xffffffffu {
        let count = counts[params.count_at + group.y / params.readers_per_kv * params.count_stride];
        sees = max(count, params.after) - params.after;
    }
    let ends = sees + min(first_row + query / GROUP, vec4<u32>(end_row - 1u)) * params.step;
    let begins = ends - min(ends, vec4<u32>(params.window));
    let earliest = sees + first_row * params.step;
    let last = sees + (end_row - 1u) * params.step;
    for (var first = earliest - min(earliest, params.window); first < last; first += KEYS) {
        visit(own, kv, first, last, begins, ends);
    }
    write(own, first_row, end_row, first_head);
}
