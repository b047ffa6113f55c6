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
var<workgroup> tops: array<vec4<f32>, WORDS>;
var<workgroup> sums: array<mat4x4<f32>, 2u * TILE>; // [PARTS, HEAD / 4], as `query`
// Of each slot its weight, and what it adds to every channel; then sums of these.
var<workgroup> shares: array<mat2x4<f32>, TILE>;

var<private> top: vec4<f32>;
var<private> low: mat4x4<f32>; // sums of the first four channels, as `query`
var<private> high: mat4x4<f32>;

// Makes a slot's scores, NONE where it is not seen, its weights. A number of it that is to be weighted is
// `step` times what tile_add gets, plus `zero`.
fn tile_softmax(own: u32, score: vec4<f32>, step: f32, zero: f32) {
    weights[own] = score;
    workgroupBarrier();
    // In two steps: every invocation needs the largest, and reading all scores would cost as much as the keys.
    var best = vec4<f32>(NONE);
    for (var i = own % WORDS; i < TILE; i += WORDS) {
        best = max(best, weights[i]);
    }
    if own < WORDS {
        tops[own] = best;
    }
    workgroupBarrier();
    top = tops[0];
    for (var i = 1u; i < WORDS; i++) {
        top = max(top, tops[i]);
    }
    let weight = select(vec4<f32>(), exp(score - top), score > vec4<f32>(NONE));
    weights[own] = weight * step;
    shares[own] = mat2x4<f32>(weight, weight * zero);
    workgroupBarrier();
}

// Adds a slot's eight channels.
fn tile_add(weight: vec4<f32>, first: vec4<f32>, second: vec4<f32>) {
    low += mat4x4<f32>(first.x * weight, first.y * weight, first.z * weight, first.w * weight);
    high += mat4x4<f32>(second.x * weight, second.y * weight, second.z * weight, second.w * weight);
}

// Lets the others see what this invocation added up.
fn tile_share(own: u32) {
    if own / WORDS < PARTS {
        sums[2u * own] = low;
        sums[2u * own + 1u] = high;
    }
    if own < WORDS {
        var sum = shares[own];
        for (var i = own + WORDS; i < TILE; i += WORDS) {
            sum += shares[i];
        }
        shares[own] = sum;
    }
    workgroupBarrier();
}

// Adds the parts up, and writes of each query head [HEAD values, sum, largest score]; head 0 at `at`, the others `next`
// numbers apart.
fn tile_write(own: u32, at: u32, next: u32) {
    if own >= max(HEAD / 4u, GROUP) {
        return;
    }
    var share = shares[0];
    for (var i = 1u; i < WORDS; i++) {
        share += shares[i];
    }
    for (var i = own; i < HEAD / 4u; i += TILE) {
        var sum = mat4x4<f32>(share[1], share[1], share[1], share[1]);
        for (var p = 0u; p < PARTS; p++) {
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
        partials[at + own * next + HEAD] = share[0][own];
        partials[at + own * next + HEAD + 1u] = top[own];
    }
}
