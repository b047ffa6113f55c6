// A table by KV head that is changed where it is, column by column; `op` says how.
//
// A step.

const FILL: u32 = 0u; // the value
const POSITION: u32 = 1u; // the slot's original position
const ACCUMULATE: u32 = 2u; // the value times itself, plus the source
const STAMP: u32 = 3u; // the value, where the source is not 0
const HALVE: u32 = 4u; // half of it, rounded down
const RANDOM: u32 = 5u; // the number of the slot's original position and the head

struct Change {
    changed: Table,
    source: Table,
    slots: Slots, // of the layer
    value: u32, // bits
}

fn change(params: Change, op: u32, group: u32, own: u32) {
    let to = params.changed.at + group * params.changed.stride;
    let other = params.source.at + group * params.source.stride;
    let position = params.slots.position + group * params.slots.stride;
    for (var column = own; column < columns_of(params.changed, group); column += LANES) {
        let old = memory[to + column];
        var new_bits = params.value;
        if op == POSITION {
            new_bits = bitcast<u32>(f32(memory[position + column]));
        } else if op == RANDOM {
            new_bits = bitcast<u32>(random(memory[position + column], group));
        } else if op == ACCUMULATE {
            let decayed = bitcast<f32>(params.value) * bitcast<f32>(old);
            new_bits = plus(select(bitcast<u32>(decayed), old, is_infinite(old)), memory[other + column]);
        } else if op == STAMP {
            new_bits = select(params.value, old, (memory[other + column] & 0x7fffffffu) == 0u);
        } else if op == HALVE {
            new_bits = select(bitcast<u32>(floor(bitcast<f32>(old) * 0.5)), old, is_infinite(old));
        }
        memory[to + column] = new_bits;
    }
}
