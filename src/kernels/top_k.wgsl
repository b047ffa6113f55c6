// The best columns of every group, ascending: pins first, then by score, of equal scores the lower column; a score of
// plus infinity is always taken, minus infinity never (kernels/select.rs).
//
// A step. The k-th largest rank is found digit by digit, then the columns are listed in order.

struct TopK {
    scores: Table,
    counts: Table, // [groups, 1]: how many each group takes; groups 0: `most`
    lists: Lists,
    sinks: u32,
    recent: u32,
    extra: i32, // added to the count,
    unit: u32, // which is then divided,
    least: u32, // and then bounded
    most: u32,
    mode: u32,
}

// Of `mode`: infinities are scores like others; and pins are neither counted nor listed.
const PLAIN: u32 = 1u;
const FREE: u32 = 2u;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> always: atomic<u32>;
// Of a digit: what was chosen, and how many are wanted of those that begin so.
var<workgroup> chosen: vec2<u32>;

fn wanted(params: TopK, group: u32) -> u32 {
    let groups = groups_of(params.counts);
    if groups == 0u {
        return params.most;
    }
    let count = i32(score(params.counts, shared_group(group, params.lists.groups, groups), 0u));
    return min(max(u32(max(count + params.extra, 0)) / params.unit, params.least), params.most);
}

fn top_k(params: TopK, op: u32, group: u32, own: u32) {
    let source = shared_group(group, params.lists.groups, groups_of(params.scores));
    let n = same(own, columns_of(params.scores, source));
    var k = min(same(own, wanted(params, group)), n);
    var sinks = min(params.sinks, k);
    var recent = min(params.recent, k - sinks);
    if params.mode == FREE {
        sinks = min(params.sinks, n);
        recent = min(params.recent, n - sinks);
        k = min(k, n - sinks - recent) + sinks + recent;
    }
    let first = params.scores.at + source * params.scores.stride;
    let end = n - recent;

    // A step before this one may have counted too.
    if own == 0u {
        atomicStore(&always, 0u);
    }
    workgroupBarrier();
    for (var column = sinks + own; column < end; column += LANES) {
        if params.mode == 0u && memory[first + column] == INFINITY {
            atomicAdd(&always, 1u);
        }
    }
    workgroupBarrier();
    let want = min(max(same(own, atomicLoad(&always)), k - sinks - recent), end - sinks);

    // Digit by digit: the prefix of the want-th largest rank, and how many of that rank are taken.
    var prefix = 0u;
    var left = want;
    for (var shift = 24u; want > 0u; shift -= 8u) {
        atomicStore(&histogram[own], 0u);
        workgroupBarrier();
        for (var column = sinks + own; column < end; column += LANES) {
            let rank = rank_of(memory[first + column]);
            if shift == 24u || (rank >> (shift + 8u)) == prefix {
                atomicAdd(&histogram[(rank >> shift) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if own == 0u {
            var digit = 255u;
            var above = 0u;
            loop {
                let here = atomicLoad(&histogram[digit]);
                if above + here >= left || digit == 0u {
                    break;
                }
                above += here;
                digit -= 1u;
            }
            chosen = vec2<u32>(digit, left - above);
        }
        let found = workgroupUniformLoad(&chosen);
        prefix = (prefix << 8u) | found.x;
        left = found.y;
        if shift == 0u {
            break;
        }
    }

    let list = params.lists.at + group * params.lists.stride;
    let pinned = params.mode != FREE;
    for (var i = own; i < sinks && pinned; i += LANES) {
        memory[list + 1u + i] = i;
    }
    var length = select(0u, sinks, pinned);
    var equal_before = 0u;
    for (var tile = sinks; tile < end; tile += LANES) {
        let column = tile + own;
        var bits = 0u;
        var rank = 0u;
        if column < end && want > 0u {
            bits = memory[first + column];
            rank = rank_of(bits);
        }
        let is_there = column < end && want > 0u;
        let is_equal = is_there && rank == prefix;
        let equals = equal_before + sum_before(own, u32(is_equal));
        equal_before += same(own, scanned[LANES - 1u]);
        let is_in = is_there && (bits != 0xff800000u || params.mode != 0u) && (rank > prefix || (is_equal && equals < left));
        let place = length + sum_before(own, u32(is_in));
        length += same(own, scanned[LANES - 1u]);
        if is_in {
            memory[list + 1u + place] = column;
        }
    }
    if !pinned {
        recent = 0u;
    }
    for (var i = own; i < recent; i += LANES) {
        memory[list + 1u + length + i] = end + i;
    }
    if own == 0u {
        memory[list] = length + recent;
    }
}
