// Keeps only the listed slots of a layer, or all but a range: their rows, positions and scores move up to the front.
//
// Workgroup (eight words of a row, KV head). A row's new place is never behind its old one, so what a step of SLOTS rows
// overwrites was read in this step or before.

const WORDS: u32 = 8u;
const SLOTS: u32 = LANES / WORDS;

struct Params {
    slots: Slots, // as they were
    kept: Lists, // groups 0: all but those of the range
    columns: vec4<u32>, // of score columns 0 and 1 the word of slot 0 of KV head 0; u32 max: there is none
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    words: u32, // of a row
    new_count: u32, // word of the new count of KV head 0
    low: u32, // the range
    high: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> k: array<u32>;
@group(0) @binding(3) var<storage, read_write> v: array<u32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let head = workgroup.y;
    let is_listed = params.kept.groups > 0u;
    let list = params.kept.at + shared_group(head, params.slots.heads, params.kept.groups) * params.kept.stride;
    var count = same_word(own, select(params.slots.count + head, list, is_listed));
    let low = min(params.low, count);
    let gone = min(max(params.high, low), count) - low;
    if !is_listed {
        count -= gone;
    }
    let word = workgroup.x * WORDS + own % WORDS;
    let first = (params.kv_first + head * params.kv_stride) * params.words + word;
    // One column of invocations of one workgroup moves what there is once a slot.
    let once = word == 0u;
    let position = params.slots.position + head * params.slots.stride;
    let column = params.columns.xy + head * params.slots.stride;
    for (var tile = 0u; tile < count; tile += SLOTS) {
        let to = tile + own / WORDS;
        var key = 0u;
        var value = 0u;
        var at = 0u;
        var scores = vec2<u32>();
        let is_row = to < count && word < params.words;
        if is_row {
            var source = to + select(0u, gone, to >= low);
            if is_listed {
                source = memory[list + 1u + to];
            }
            key = k[first + source * params.words];
            value = v[first + source * params.words];
            if once {
                at = memory[position + source];
                for (var i = 0u; i < 2u; i++) {
                    if params.columns[i] != 0xffffffffu {
                        scores[i] = memory[column[i] + source];
                    }
                }
            }
        }
        storageBarrier();
        workgroupBarrier();
        if is_row {
            k[first + to * params.words] = key;
            v[first + to * params.words] = value;
            if once {
                memory[position + to] = at;
                for (var i = 0u; i < 2u; i++) {
                    if params.columns[i] != 0xffffffffu {
                        memory[column[i] + to] = scores[i];
                    }
                }
            }
        }
        storageBarrier();
        workgroupBarrier();
    }
    if own == 0u && workgroup.x == 0u {
        memory[params.new_count + head] = count;
    }
}
