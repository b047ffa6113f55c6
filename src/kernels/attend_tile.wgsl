// What the split-K decode kernels share: one workgroup has a tile of TILE slots of a KV head and GROUP query heads that
// read it together. An invocation scores one slot; then, for the values, it has eight channels of every PARTS-th slot.
//
// The query heads, at most four, are the components of a vector: what is read of a slot serves all of them, and no array
// is indexed in the inner loops. Of each head a tile leaves the largest score, the sum of exp(score - largest), and the
// values weighted by these.

// Stands for minus infinity, which WGSL cannot write and compilers may assume away.
const NONE: f32 = -3.0e38;
// Invocations that have a slot's channels, eight each.
const WORDS: u32 = HEAD / 8u;
const PARTS: u32 = TILE / WORDS;

var<workgroup> query: array<mat4x4<f32>, HEAD / 4u>; // a column a channel, a row a query head
var<workgroup> weights: array<vec4<f32>, TILE>;
var<workgroup> sums: array<mat4x4<f32>, 2u * TILE>; // [PARTS, HEAD / 4], as `query`
var<workgroup> totals: array<vec4<f32>, PARTS>;

var<private> top: vec4<f32>;
var<private> total: vec4<f32>;
var<private> low: mat4x4<f32>; // sums of the first four channels, as `query`
var<private> high: mat4x4<f32>;

// Turns the scores in `weights`, NONE where no slot is seen, into weights.
fn tile_softmax(own: u32, score: vec4<f32>) {
    weights[own] = score;
    workgroupBarrier();
    top = vec4<f32>(NONE);
    for (var i = 0u; i < TILE; i += 4u) {
        let pair = max(weights[i], weights[i + 1u]);
        top = max(top, max(pair, max(weights[i + 2u], weights[i + 3u])));
    }
    workgroupBarrier();
    weights[own] = select(vec4<f32>(), exp(score - top), score > vec4<f32>(NONE));
    workgroupBarrier();
}

// Adds a slot's eight channels.
fn tile_add(weight: vec4<f32>, first: vec4<f32>, second: vec4<f32>) {
    low += mat4x4<f32>(first.x * weight, first.y * weight, first.z * weight, first.w * weight);
    high += mat4x4<f32>(second.x * weight, second.y * weight, second.z * weight, second.w * weight);
    total += weight;
}

// Adds the parts up, and writes of each query head [HEAD values, sum, largest score]; head 0 at `at`, the others `next`
// numbers apart.
fn tile_write(own: u32, at: u32, next: u32) {
    let part = own / WORDS;
    if part < PARTS {
        sums[2u * own] = low;
        sums[2u * own + 1u] = high;
        if own % WORDS == 0u {
            totals[part] = total;
        }
    }
    workgroupBarrier();
    for (var i = own; i < HEAD / 4u; i += TILE) {
        var sum = sums[i];
        for (var p = 1u; p < PARTS; p++) {
            sum += sums[p * (HEAD / 4u) + i];
        }
        let heads = transpose(sum);
        for (var g = 0u; g < GROUP; g++) {
            for (var c = 0u; c < 4u; c++) {
                partials[at + g * next + 4u * i + c] = heads[g][c];
            }
        }
    }
    if own < GROUP {
        var sum = 0.0;
        for (var p = 0u; p < PARTS; p++) {
            sum += totals[p][own];
        }
        partials[at + own * next + HEAD] = sum;
        partials[at + own * next + HEAD + 1u] = top[own];
    }
}
