// Keys and values as they are stored: two f16 a word. Who reads or writes rows takes the types and functions of this file,
// or those of `rows_f32.wgsl`, which have the same names: the constant F32_ROWS says which.

alias Pair = u32; // two numbers
alias Eight = vec4<u32>; // eight

fn loaded(pair: Pair) -> vec2<f32> {
    return unpack2x16float(pair);
}

fn first_four(eight: Eight) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(eight.x), unpack2x16float(eight.y));
}

fn last_four(eight: Eight) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(eight.z), unpack2x16float(eight.w));
}

fn four(eight: Eight, is_last: bool) -> vec4<f32> {
    let words = select(eight.xy, eight.zw, is_last);
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// Rounded as the device likes.
fn to_store(numbers: vec2<f32>) -> Pair {
    return pack2x16float(numbers);
}

// The nearest f16, of ties the even one: what WGSL's own conversion need not be.
fn half_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let sign = (bits >> 16u) & 0x8000u;
    let size = bits & 0x7fffffffu;
    if size >= 0x47800000u {
        return sign | 0x7c00u;
    }
    if size < 0x38800000u {
        return sign | u32(round(abs(value) * 16777216.0));
    }
    return sign | ((size + 0xfffu + ((size >> 13u) & 1u) - 0x38000000u) >> 13u);
}

fn to_store_nearest(numbers: vec2<f32>) -> Pair {
    return half_bits(numbers.x) | (half_bits(numbers.y) << 16u);
}
