// The memory that operations share: counts and positions of slots, score columns, and the tables and lists of a pass.
// It is one buffer, so that an operation may read a table and write another. Floats are stored by their bits: so a table
// can hold infinities, which arithmetic in WGSL may not assume.

@group(0) @binding(1) var<storage, read_write> memory: array<u32>;

const FIXED: u32 = 0x80000000u; // of Table.count: the rest is the number of columns

// f32 scores, [groups, columns].
struct Table {
    at: u32, // word of column 0 of group 0
    stride: u32, // words from a group to the next
    groups: u32, // and in the upper half how many groups share a count
    count: u32, // word where the slots of KV head 0 are counted, or FIXED and the number of columns
}

// Ascending numbers by group: a word with their count, then they.
struct Lists {
    at: u32, // word of the count of group 0
    stride: u32,
    groups: u32,
    most: u32, // entries a list may have
}

// The slots of a layer.
struct Slots {
    count: u32, // word where those of KV head 0 are counted, those of the others behind it
    heads: u32, // KV heads
    position: u32, // word of the original position of slot 0 of KV head 0
    stride: u32, // words from a KV head's positions to the next
}

fn groups_of(table: Table) -> u32 {
    return table.groups & 0xffffu;
}

fn columns_of(table: Table, group: u32) -> u32 {
    if (table.count & FIXED) != 0u {
        return table.count & ~FIXED;
    }
    return memory[table.count + group / (table.groups >> 16u)];
}

// Where group `group` of `groups` finds its own in something that has fewer groups, or more, whole multiples of which
// belong together.
fn shared_group(group: u32, groups: u32, own: u32) -> u32 {
    return group * own / groups;
}

fn score(table: Table, group: u32, column: u32) -> f32 {
    return bitcast<f32>(memory[table.at + group * table.stride + column]);
}

fn put_score(table: Table, group: u32, column: u32, value: f32) {
    memory[table.at + group * table.stride + column] = bitcast<u32>(value);
}

// Whether a list, whose count is at word `at`, has a number.
fn list_contains(at: u32, number: u32) -> bool {
    var low = 0u;
    var high = memory[at];
    while low < high {
        let middle = (low + high) / 2u;
        if memory[at + 1u + middle] < number {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low < memory[at] && memory[at + 1u + low] == number;
}
