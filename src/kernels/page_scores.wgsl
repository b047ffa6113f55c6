// The most that a key of each page of slots could score with a query: the sum over components of the larger product
// with the page's smallest and largest. Bounds are not kept: they are taken from the keys, which costs a read of each.
//
// Workgroup (some pages, KV head). An invocation has two channels of a page.

const LANES: u32 = 64u;
const NONE: u32 = 0xff800000u; // minus infinity, for pages that are not there

struct Params {
    result: Table, // [heads, pages]
    slots: Slots,
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    heads: u32, // query heads
    words: u32, // pairs of channels of a head, at most LANES
    page: u32, // slots of a page
    newest: u32, // slots that are in no page
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> q: array<vec2<f32>>; // [heads, words]
@group(0) @binding(3) var<storage, read> k: array<Pair>; // [cache rows, words]

var<workgroup> products: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let head = workgroup.y;
    let together = LANES / params.words;
    let word = own % params.words;
    let page = workgroup.x * together + own / params.words;
    let live = memory[params.slots.count + head];
    let end = min((page + 1u) * params.page, live - min(live, params.newest));
    let begin = page * params.page;
    var least = vec2<f32>();
    var most = vec2<f32>();
    for (var slot = begin; slot < end; slot++) {
        let pair = loaded(k[(params.kv_first + head * params.kv_stride + slot) * params.words + word]);
        least = select(min(least, pair), pair, slot == begin);
        most = select(max(most, pair), pair, slot == begin);
    }
    let per = params.heads / params.slots.heads;
    for (var reader = head * per; reader < (head + 1u) * per; reader++) {
        let query = q[reader * params.words + word];
        let larger = max(query * least, query * most);
        workgroupBarrier();
        products[own] = larger.x + larger.y;
        workgroupBarrier();
        if word == 0u && own / params.words < together && page < columns_of(params.result, reader) {
            var sum = 0.0;
            for (var i = 0u; i < params.words; i++) {
                sum += products[own + i];
            }
            let bits = select(NONE, bitcast<u32>(sum), begin < end);
            memory[params.result.at + reader * params.result.stride + page] = bits;
        }
    }
}
