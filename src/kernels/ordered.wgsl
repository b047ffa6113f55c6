// What kernels share that write lists: workgroups of LANES invocations count what the ones before them have.

const LANES: u32 = 256u;

var<workgroup> scanned: array<u32, LANES>;
var<workgroup> shared_word: u32;

// The sum of `mine` over the invocations before this one; afterwards scanned[LANES - 1] is that of all. Every invocation
// must ask.
fn sum_before(own: u32, mine: u32) -> u32 {
    workgroupBarrier();
    scanned[own] = mine;
    workgroupBarrier();
    for (var step = 1u; step < LANES; step *= 2u) {
        var more = 0u;
        if own >= step {
            more = scanned[own - step];
        }
        workgroupBarrier();
        scanned[own] += more;
        workgroupBarrier();
    }
    return scanned[own] - mine;
}

// A word of the memory that is the same for all invocations, and known to be.
fn same_word(own: u32, at: u32) -> u32 {
    if own == 0u {
        shared_word = memory[at];
    }
    return workgroupUniformLoad(&shared_word);
}

// A number that is the same for all invocations, and known to be.
fn same(own: u32, value: u32) -> u32 {
    if own == 0u {
        shared_word = value;
    }
    return workgroupUniformLoad(&shared_word);
}
