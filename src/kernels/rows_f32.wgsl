// Keys and values as they are stored: f32, for comparisons without rounding. What is here is said in `rows_f16.wgsl`.

alias Pair = vec2<f32>;

struct Eight {
    first: vec4<f32>,
    last: vec4<f32>,
}

fn loaded(pair: Pair) -> vec2<f32> {
    return pair;
}

fn first_four(eight: Eight) -> vec4<f32> {
    return eight.first;
}

fn last_four(eight: Eight) -> vec4<f32> {
    return eight.last;
}

fn four(eight: Eight, is_last: bool) -> vec4<f32> {
    return select(eight.first, eight.last, is_last);
}

fn to_store(numbers: vec2<f32>) -> Pair {
    return numbers;
}

fn to_store_nearest(numbers: vec2<f32>) -> Pair {
    return numbers;
}
