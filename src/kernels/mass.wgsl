// The attention mass that a decode step's slots got: exp(score - log-sum-exp), summed over the heads of a group.
//
// A step. Heads add one after the other, so lists of their own need no atomics.

struct Mass {
    mass: Table,
    lists: Lists, // that the heads read; groups 0: all slots
    heads: u32, // query heads
    scores_stride: u32, // numbers from a query head's scores to the next
    window: u32, // of all slots, the newest so many
    slots: u32, // word where the slots of KV head 0 are counted
    kv_heads: u32,
}

@group(0) @binding(2) var<storage, read> scores: array<f32>; // [heads, scores_stride], by place in the list
@group(0) @binding(3) var<storage, read> lse: array<f32>; // [heads]

fn mass(params: Mass, op: u32, group: u32, own: u32) {
    let per = params.heads / groups_of(params.mass);
    for (var column = own; column < columns_of(params.mass, group); column += LANES) {
        put_score(params.mass, group, column, 0.0);
    }
    for (var head = group * per; head < (group + 1u) * per; head++) {
        storageBarrier();
        workgroupBarrier();
        var first = 0u;
        var count = memory[params.slots + head * params.kv_heads / params.heads];
        var list = 0u;
        if params.lists.groups > 0u {
            list = params.lists.at + shared_group(head, params.heads, params.lists.groups) * params.lists.stride;
            count = memory[list];
        } else {
            first = count - min(count, params.window);
        }
        for (var i = first + own; i < count; i += LANES) {
            var slot = i;
            if params.lists.groups > 0u {
                slot = memory[list + 1u + i];
            }
            let weight = exp(scores[head * params.scores_stride + i] - lse[head]);
            put_score(params.mass, group, slot, score(params.mass, group, slot) + weight);
        }
    }
}
