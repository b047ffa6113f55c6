// What the split-K decode kernels share: one workgroup has a tile of TILE slots of a KV head and GROUP query heads that
// read it together. An invocation scores one slot; then, for the values, it has eight channels of every PARTS-th slot.
//
// Of each query head a tile leaves the largest score, the sum of exp(score - largest), and the values weighted by these.

// Stands for minus infinity, which WGSL cannot write and compilers may assume away.
const NONE: f32 = -3.0e38;
// Invocations that have a slot's channels, eight each.
const WORDS: u32 = HEAD / 8u;
const PARTS: u32 = TILE / WORDS;
// Parts that the largest score of a tile is looked for in.
const STRIPS: u32 = 8u;

var<workgroup> query: array<vec4<f32>, GROUP * HEAD / 4u>; // [GROUP, HEAD]
var<workgroup> weights: array<f32, GROUP * TILE>; // [GROUP, TILE]
var<workgroup> strips: array<f32, GROUP * STRIPS>; // [GROUP, STRIPS]
var<workgroup> sums: array<vec4<f32>, 2u * TILE>; // [PARTS, HEAD] of one query head
var<workgroup> totals: array<f32, PARTS>; // of one query head

var<private> outputs: array<vec4<f32>, 2u * GROUP>; // [GROUP, 8 channels]
var<private> total: array<f32, GROUP>;

// Turns the scores in `weights` into weights and returns nothing: the largest scores stay in `strips`.
fn tile_softmax(own: u32) {
    workgroupBarrier();
    for (var i = own; i < GROUP * STRIPS; i += TILE) {
        var top = NONE;
        for (var slot = i % STRIPS; slot < TILE; slot += STRIPS) {
            top = max(top, weights[i / STRIPS * TILE + slot]);
        }
        strips[i] = top;
    }
    workgroupBarrier();
    for (var g = 0u; g < GROUP; g++) {
        // Where no slot is seen, all weights are 0.
        let score = weights[g * TILE + own];
        weights[g * TILE + own] = select(0.0, exp(score - tile_top(g)), score > NONE);
    }
    workgroupBarrier();
}

fn tile_top(g: u32) -> f32 {
    var top = NONE;
    for (var i = 0u; i < STRIPS; i++) {
        top = max(top, strips[g * STRIPS + i]);
    }
    return top;
}

// Adds the parts of query head g up, and writes [HEAD values, sum, largest score] from `at` on.
fn tile_write(own: u32, g: u32, at: u32) {
    let part = own / WORDS;
    let word = own % WORDS;
    workgroupBarrier();
    if part < PARTS {
        sums[2u * own] = outputs[2u * g];
        sums[2u * own + 1u] = outputs[2u * g + 1u];
        if word == 0u {
            totals[part] = total[g];
        }
    }
    workgroupBarrier();
    for (var i = own; i < 2u * WORDS; i += TILE) {
        var sum = vec4<f32>();
        for (var p = 0u; p < PARTS; p++) {
            sum += sums[p * 2u * WORDS + i];
        }
        for (var c = 0u; c < 4u; c++) {
            partials[at + 4u * i + c] = sum[c];
        }
    }
    if own == 0u {
        var sum = 0.0;
        for (var p = 0u; p < PARTS; p++) {
            sum += totals[p];
        }
        partials[at + HEAD] = sum;
        partials[at + HEAD + 1u] = tile_top(g);
    }
}
