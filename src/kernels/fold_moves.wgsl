// The rows that are folded: by KV head pairs of a dropped slot and where it goes, ascending, and their cosines.
//
// One workgroup. With a filter (LOOK-M's code: `Fold::PublishedAveraged`) the i-th dropped rows of all heads stay only
// if their mean cosine is at least the mean of all.

const NONE: u32 = 0xffffffffu; // a slot that is kept

struct Params {
    near: Table, // as in `nearest`
    cosines: Table, // by KV head, of the i-th move
    moves: Lists, // by KV head, two entries a move
    slots: Slots,
    filtered: u32,
    mispairs: u32, // 1: what is left is paired with the first dropped slots
}

@group(0) @binding(0) var<uniform> params: Params;

// The dropped slots of a head.
fn collect(own: u32, head: u32) {
    let near = params.near.at + 2u * head * params.near.stride;
    let list = params.moves.at + head * params.moves.stride;
    let live = same_word(own, params.slots.count + head);
    var length = 0u;
    for (var tile = 0u; tile < live; tile += LANES) {
        let slot = tile + own;
        var to = NONE;
        if slot < live {
            to = memory[near + slot];
        }
        let place = length + sum_before(own, u32(to != NONE));
        length += same(own, scanned[LANES - 1u]);
        if to != NONE {
            memory[list + 1u + 2u * place] = slot;
            memory[list + 2u + 2u * place] = to;
            memory[params.cosines.at + head * params.cosines.stride + place] = memory[near + params.near.stride + slot];
        }
    }
    if own == 0u {
        memory[list] = 2u * length;
    }
}

// The cosine of the i-th move, mean over the heads.
fn mean_cosine(i: u32) -> f32 {
    var sum = 0.0;
    for (var head = 0u; head < params.slots.heads; head++) {
        sum += score(params.cosines, head, i);
    }
    return sum / f32(params.slots.heads);
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) own: u32) {
    for (var head = 0u; head < params.slots.heads; head++) {
        collect(own, head);
    }
    if params.filtered == 0u {
        return;
    }
    storageBarrier();
    workgroupBarrier();
    let n = same_word(own, params.moves.at) / 2u;
    var mine = 0.0;
    for (var i = own; i < n; i += LANES) {
        mine += mean_cosine(i);
    }
    let least = sum_of(own, mine) / f32(max(n, 1u));
    // What stays moves up: its place is never behind its old one.
    var length = 0u;
    for (var tile = 0u; tile < n; tile += LANES) {
        let i = tile + own;
        var stays = false;
        if i < n {
            stays = mean_cosine(i) >= least;
        }
        let place = length + sum_before(own, u32(stays));
        length += same(own, scanned[LANES - 1u]);
        for (var head = 0u; head < params.slots.heads; head++) {
            let list = params.moves.at + head * params.moves.stride + 1u;
            var slot = 0u;
            var to = 0u;
            var cosine = 0.0;
            if stays {
                slot = memory[list + 2u * i];
                to = memory[list + 2u * i + 1u];
                cosine = score(params.cosines, head, i);
            }
            storageBarrier();
            workgroupBarrier();
            if stays {
                if params.mispairs == 0u {
                    memory[list + 2u * place] = slot;
                }
                memory[list + 2u * place + 1u] = to;
                put_score(params.cosines, head, place, cosine);
            }
        }
        storageBarrier();
        workgroupBarrier();
    }
    if own < params.slots.heads {
        memory[params.moves.at + own * params.moves.stride] = 2u * length;
    }
}
