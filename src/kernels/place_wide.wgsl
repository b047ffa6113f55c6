// The step `place` over more columns than one workgroup should compare with each other.
//
// Invocation (column), workgroup row (group of the result).

@group(0) @binding(0) var<uniform> params: Place;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let count = columns_of(params.places, id.y);
    if id.x < count {
        put_score(params.places, id.y, id.x, place_of(params, OP, id.y, id.x, count));
    }
}
