// What the prefill kernels share: one workgroup has QUERIES queries that walk over tiles of as many keys, with an online
// softmax (flash attention, arXiv 2205.14135). A query is a row and one of GROUP heads that share a KV head.
//
// An invocation has four queries, of a tile every LANES-th key, and for the values every LANES-th four channels: so each
// number that it takes from workgroup memory serves several products, and a vector holds four queries.

const NONE: f32 = -3.0e38; // stands for minus infinity
const KEYS: u32 = QUERIES;
const LANES: u32 = 16u;
const INVOCATIONS: u32 = QUERIES / 4u * LANES;
const WORDS: u32 = HEAD / 8u; // of a row, eight channels each
const QUADS: u32 = HEAD / 4u;
const OWN_QUADS: u32 = (QUADS + LANES - 1u) / LANES;

struct Params {
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32, // rows from a KV head to the next
    readers_per_kv: u32,
    heads: u32, // query heads
    rows: u32,
    sees: u32, // slots that row 0 sees, its own included
    step: u32, // slots that each further row sees more: 1, or 0 where the rows' own slots are not there
    window: u32, // of these the newest so many
    readers_per_list: u32, // of blocks alone, as what follows
    list_first: u32,
    list_stride: u32,
    size: u32, // slots of a block
    blocks: u32, // of all slots
    scale: f32,
    q_first: u32, // number where row 0's queries begin
    count_at: u32, // word of KV head 0's count, of which row 0 does not see the newest `after`; u32 max: `sees` holds
    count_stride: u32,
    after: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>; // [rows, heads, HEAD]
@group(0) @binding(2) var<storage, read> k: array<Eight>; // [cache rows, WORDS]
@group(0) @binding(3) var<storage, read> v: array<Eight>;

var<workgroup> queries: array<mat4x4<f32>, QUERIES / 4u * QUADS>; // a column a channel, a row a query
var<workgroup> stored: array<Eight, KEYS * WORDS>; // keys, then values
var<workgroup> weights: array<vec4<f32>, KEYS * QUERIES / 4u>; // [KEYS, QUERIES]

var<private> top: vec4<f32>;
var<private> total: vec4<f32>;
var<private> outputs: array<mat4x4<f32>, OWN_QUADS>; // as `queries`

// Takes in the queries: the n-th is head `first_head + n % GROUP` of row `first_row + n / GROUP`.
fn load_queries(own: u32, first_row: u32, end_row: u32, first_head: u32) {
    for (var i = own; i < QUERIES / 4u * HEAD; i += INVOCATIONS) {
        let four = i / HEAD;
        let c = i % HEAD;
        var column = vec4<f32>();
        for (var n = 0u; n < 4u; n++) {
            let query = 4u * four + n;
            let row = first_row + query / GROUP;
            if row < end_row {
                column[n] = q[params.q_first + (row * params.heads + first_head + query % GROUP) * HEAD + c] * params.scale;
            }
        }
        queries[four * QUADS + c / 4u][c % 4u] = column;
    }
    top = vec4<f32>(NONE);
}

fn load_rows(own: u32, values: bool, kv: u32, first: u32, end: u32) {
    for (var i = own; i < KEYS * WORDS; i += INVOCATIONS) {
        let slot = first + i / WORDS;
        var eight: Eight;
        if slot < end {
            let at = (kv + slot) * WORDS + i % WORDS;
            if values {
                eight = v[at];
            } else {
                eight = k[at];
            }
        }
        stored[i] = eight;
    }
}

// Four channels of a row in `stored`.
fn quad(row: u32, c: u32) -> vec4<f32> {
    return four(stored[row * WORDS + c / 2u], (c & 1u) == 1u);
}

// Attends to the slots first..end, at most KEYS, of which the own four queries see those in begins..ends.
fn visit(own: u32, kv: u32, first: u32, end: u32, begins: vec4<u32>, ends: vec4<u32>) {
    let four = own / LANES;
    let lane = own % LANES;
    workgroupBarrier();
    load_rows(own, false, kv, first, end);
    workgroupBarrier();
    for (var key = lane; key < KEYS; key += LANES) {
        var score = vec4<f32>();
        for (var c = 0u; c < QUADS; c++) {
            score += queries[four * QUADS + c] * quad(key, c);
        }
        let slot = vec4<u32>(first + key);
        let seen = (slot >= begins) & (slot < min(ends, vec4<u32>(end)));
        weights[key * (QUERIES / 4u) + four] = select(vec4<f32>(NONE), score, seen);
    }
    workgroupBarrier();
    load_rows(own, true, kv, first, end);
    var highest = top;
    for (var key = 0u; key < KEYS; key++) {
        highest = max(highest, weights[key * (QUERIES / 4u) + four]);
    }
    let fade = exp(top - highest);
    top = highest;
    total *= fade;
    for (var i = 0u; i < OWN_QUADS; i++) {
        let before = outputs[i];
        outputs[i] = mat4x4<f32>(before[0] * fade, before[1] * fade, before[2] * fade, before[3] * fade);
    }
    workgroupBarrier();
    for (var key = lane; key < KEYS; key += LANES) {
        let at = key * (QUERIES / 4u) + four;
        let score = weights[at];
        weights[at] = select(vec4<f32>(), exp(score - highest), score > vec4<f32>(NONE));
    }
    workgroupBarrier();
    for (var key = 0u; key < KEYS; key++) {
        let weight = weights[key * (QUERIES / 4u) + four];
        total += weight;
        for (var i = 0u; i < OWN_QUADS; i++) {
            let c = lane + i * LANES;
            if c < QUADS {
                let value = quad(key, c);
                outputs[i] += mat4x4<f32>(value.x * weight, value.y * weight, value.z * weight, value.w * weight);
            }
        }
    }
}

// Writes the own queries' outputs, zeros where nothing was read, and their log-sum-exps.
fn write(own: u32, first_row: u32, end_row: u32, first_head: u32) {
    let lane = own % LANES;
    for (var n = 0u; n < 4u; n++) {
        let query = own / LANES * 4u + n;
        let row = first_row + query / GROUP;
        if row < end_row {
            let at = row * params.heads + first_head + query % GROUP;
            for (var i = 0u; i < OWN_QUADS; i++) {
                let c = lane + i * LANES;
                if c < QUADS {
                    let value = transpose(outputs[i])[n];
                    out[at * QUADS + c] = select(vec4<f32>(), value / total[n], total[n] > 0.0);
                }
            }
            if lane == 0u {
                lse[at] = select(NONE, top[n] + log(total[n]), total[n] > 0.0);
            }
        }
    }
}
