// A table by KV head that is changed where it is, column by column; OP says how.
//
// Invocation (column, KV head).

const FILL: u32 = 0u; // the value
const POSITION: u32 = 1u; // the slot's original position
const ACCUMULATE: u32 = 2u; // the value times itself, plus the source
const STAMP: u32 = 3u; // the value, where the source is not 0
const HALVE: u32 = 4u; // half of it, rounded down

struct Params {
    changed: Table,
    source: Table,
    slots: Slots, // of the layer
    value: u32, // bits
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    let head = id.y;
    if column >= columns_of(params.changed, head) {
        return;
    }
    let to = params.changed.at + head * params.changed.stride + column;
    let other = params.source.at + head * params.source.stride + column;
    let old = memory[to];
    var new_bits = params.value;
    if OP == POSITION {
        new_bits = bitcast<u32>(f32(memory[params.slots.position + head * params.slots.stride + column]));
    } else if OP == ACCUMULATE {
        let decayed = bitcast<f32>(params.value) * bitcast<f32>(old);
        new_bits = plus(select(bitcast<u32>(decayed), old, is_infinite(old)), memory[other]);
    } else if OP == STAMP {
        new_bits = select(params.value, old, (memory[other] & 0x7fffffffu) == 0u);
    } else if OP == HALVE {
        new_bits = select(bitcast<u32>(floor(bitcast<f32>(old) * 0.5)), old, is_infinite(old));
    }
    memory[to] = new_bits;
}
