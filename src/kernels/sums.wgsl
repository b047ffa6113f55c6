// Sums and largest numbers over a workgroup of LANES invocations, which the kernel says. Every invocation must ask; all
// get the same.

var<workgroup> parts: array<f32, LANES>;

fn sum_of(own: u32, mine: f32) -> f32 {
    parts[own] = mine;
    for (var apart = LANES / 2u; apart > 0u; apart /= 2u) {
        workgroupBarrier();
        if own < apart {
            parts[own] += parts[own + apart];
        }
    }
    return workgroupUniformLoad(&parts[0]);
}

fn largest_of(own: u32, mine: f32) -> f32 {
    parts[own] = mine;
    for (var apart = LANES / 2u; apart > 0u; apart /= 2u) {
        workgroupBarrier();
        if own < apart {
            parts[own] = max(parts[own], parts[own + apart]);
        }
    }
    return workgroupUniformLoad(&parts[0]);
}
