// What kernels share that weigh stored keys by rows of queries whose log-sum-exps are known.

@group(0) @binding(2) var<storage, read> q: array<f32>; // [rows, heads, HEAD]
@group(0) @binding(3) var<storage, read> k: array<Pair>; // [cache rows, HEAD / 2]
@group(0) @binding(4) var<storage, read> lse: array<f32>; // [rows, heads]

var<private> key: array<vec2<f32>, HEAD / 2u>;

fn read_key(row: u32) {
    for (var i = 0u; i < HEAD / 2u; i++) {
        key[i] = loaded(k[row * (HEAD / 2u) + i]);
    }
}

// What the query that begins at number `at`, whose log-sum-exp is number `sum`, gives to the key that was read.
fn weight(at: u32, sum: u32, scale: f32) -> f32 {
    var product = vec2<f32>();
    for (var i = 0u; i < HEAD / 2u; i++) {
        product += key[i] * vec2<f32>(q[at + 2u * i], q[at + 2u * i + 1u]);
    }
    return exp((product.x + product.y) * scale - lse[sum]);
}
