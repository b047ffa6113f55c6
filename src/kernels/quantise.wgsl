// Moves a group of rows into two 4-bit planes (QuantSpec, arXiv 2502.10424): keys share a grid by channel over the group's
// tokens, values by token over a group of channels (kernels/grid.rs). The rows themselves become what both planes say, so
// that who reads them whole reads the same.
//
// Workgroup (group of rows, KV head).

const LANES: u32 = 256u;

struct Params {
    noise: Table, // [1, KV heads * groups * 6]: of keys and of values the sums of squares of numbers and errors, and the worst
    kv_first: u32, // row of the cache where KV head 0 begins
    kv_stride: u32,
    kv_heads: u32,
    first: u32, // slot of the first group's first row
    tokens: u32, // of a group
    channels: u32, // of a value group
    code_first: u32, // row of the planes where KV head 0 begins
    code_stride: u32,
    lower: u32, // words from an upper code to its lower one
    key_grid_first: u32, // KV head 0's first grid in `grids`
    key_grid_stride: u32,
    value_grid_first: u32,
    value_grid_stride: u32,
    groups: u32, // of rows, in this call
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> k: array<Pair>; // [cache rows, HEAD / 2]
@group(0) @binding(3) var<storage, read_write> v: array<Pair>;
@group(0) @binding(4) var<storage, read_write> key_codes: array<u32>; // [rows of the planes, HEAD / 8], upper, then lower
@group(0) @binding(5) var<storage, read_write> value_codes: array<u32>;
@group(0) @binding(6) var<storage, read_write> grids: array<Pair>; // step and zero

var<workgroup> parts: array<vec3<f32>, LANES>;

fn grid_of(least: f32, most: f32) -> Pair {
    return to_store_nearest(vec2<f32>((most - least) / 15.0, least));
}

fn key(row: u32, c: u32) -> f32 {
    return loaded(k[row * (HEAD / 2u) + c / 2u])[c % 2u];
}

fn value(row: u32, c: u32) -> f32 {
    return loaded(v[row * (HEAD / 2u) + c / 2u])[c % 2u];
}

// Upper and lower code, the lower one plus 8, and what both say.
struct Coded {
    upper: u32,
    lower: u32,
    stored: f32,
}

fn code(x: f32, grid: vec2<f32>) -> Coded {
    if grid.x == 0.0 {
        return Coded(0u, 8u, grid.y);
    }
    let upper = round(clamp((x - grid.y) / grid.x, 0.0, 15.0));
    let rest = x - (upper * grid.x + grid.y);
    let lower = round(clamp(rest / (grid.x / 16.0), -8.0, 7.0));
    return Coded(u32(upper), u32(lower + 8.0), upper * grid.x + lower * (grid.x / 16.0) + grid.y);
}

// Adds a number's share of the noise.
fn noted(noise: vec3<f32>, exact: f32, stored: f32, step: f32) -> vec3<f32> {
    let error = stored - exact;
    let worst = select(noise.z, max(noise.z, 16.0 * abs(error) / step), step > 0.0);
    return vec3<f32>(noise.x + exact * exact, noise.y + error * error, worst);
}

fn write_noise(own: u32, at: u32, noise: vec3<f32>) {
    workgroupBarrier();
    parts[own] = noise;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if own < step {
            let other = parts[own + step];
            parts[own] = vec3<f32>(parts[own].xy + other.xy, max(parts[own].z, other.z));
        }
        workgroupBarrier();
    }
    if own == 0u && params.noise.stride > 0u {
        for (var i = 0u; i < 3u; i++) {
            memory[at + i] = bitcast<u32>(parts[0][i]);
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {
    let head = workgroup.y;
    let slot = params.first + workgroup.x * params.tokens;
    let row = params.kv_first + head * params.kv_stride + slot;
    let key_grids = params.key_grid_first + head * params.key_grid_stride + slot / params.tokens * HEAD;
    for (var c = own; c < HEAD; c += LANES) {
        var least = key(row, c);
        var most = least;
        for (var token = 1u; token < params.tokens; token++) {
            least = min(least, key(row + token, c));
            most = max(most, key(row + token, c));
        }
        grids[key_grids + c] = grid_of(least, most);
    }
    let per_row = HEAD / params.channels;
    let value_grids = params.value_grid_first + head * params.value_grid_stride + slot * per_row;
    for (var i = own; i < params.tokens * per_row; i += LANES) {
        let first = i % per_row * params.channels;
        var least = value(row + i / per_row, first);
        var most = least;
        for (var c = first + 1u; c < first + params.channels; c++) {
            least = min(least, value(row + i / per_row, c));
            most = max(most, value(row + i / per_row, c));
        }
        grids[value_grids + i] = grid_of(least, most);
    }
    storageBarrier();
    workgroupBarrier();

    // Eight channels of a row at a time: a word of codes of each plane, four pairs of the row.
    let words = HEAD / 8u;
    let codes = (params.code_first + head * params.code_stride + slot) * words;
    var key_noise = vec3<f32>();
    var value_noise = vec3<f32>();
    for (var i = own; i < params.tokens * words; i += LANES) {
        let token = i / words;
        let first = i % words * 8u;
        var uppers = vec2<u32>();
        var lowers = vec2<u32>();
        for (var pair = 0u; pair < 4u; pair++) {
            var stored = vec4<f32>();
            for (var odd = 0u; odd < 2u; odd++) {
                let c = first + 2u * pair + odd;
                let shift = 4u * (2u * pair + odd);
                let key_grid = loaded(grids[key_grids + c]);
                let value_grid = loaded(grids[value_grids + token * per_row + c / params.channels]);
                let exact = vec2<f32>(key(row + token, c), value(row + token, c));
                let coded_key = code(exact.x, key_grid);
                let coded_value = code(exact.y, value_grid);
                uppers |= vec2<u32>(coded_key.upper, coded_value.upper) << vec2<u32>(shift);
                lowers |= vec2<u32>(coded_key.lower, coded_value.lower) << vec2<u32>(shift);
                key_noise = noted(key_noise, exact.x, coded_key.stored, key_grid.x);
                value_noise = noted(value_noise, exact.y, coded_value.stored, value_grid.x);
                stored[odd] = coded_key.stored;
                stored[2u + odd] = coded_value.stored;
            }
            let at = (row + token) * (HEAD / 2u) + first / 2u + pair;
            k[at] = to_store_nearest(stored.xy);
            v[at] = to_store_nearest(stored.zw);
        }
        key_codes[codes + i] = uppers.x;
        value_codes[codes + i] = uppers.y;
        key_codes[codes + i + params.lower] = lowers.x;
        value_codes[codes + i + params.lower] = lowers.y;
    }
    let at = params.noise.at + (head * params.groups + workgroup.x) * 6u;
    write_noise(own, at, key_noise);
    write_noise(own, at + 3u, value_noise);
}
