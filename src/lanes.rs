//! The instruction set every kernel runs on, and the few vector idioms they share.
//!
//! A kernel is one generic body over [`fearless_simd::Simd`]: wasm simd128, x86-64 from SSE2 to AVX-512 (chosen at run
//! time), NEON, or scalar code. That crate holds all the `unsafe`; the kernels have none.

use fearless_simd::{Level, i16x16, i32x8, prelude::*, u16x16};

/// The instruction set to run on: the best of this machine, or in a test the one [`each::run`] has set.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = each::current() {
        return level;
    }
    Level::new()
}

/// The same for decode attention: AVX2 where there is AVX-512, with which it took 1.4 times as long.
#[inline]
pub(crate) fn narrow_level() -> Level {
    let level = level();
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = level.as_avx2() {
        return Level::Avx2(avx2);
    }
    level
}

/// More lanes than any vector of f32 has.
const MOST: usize = 16;

/// A vector from up to `LEN` values, the rest of it `pad`.
#[inline(always)]
pub(crate) fn load_or<S: Simd>(simd: S, values: &[f32], pad: f32) -> S::f32s {
    if values.len() == S::f32s::LEN {
        return S::f32s::from_slice(simd, values);
    }
    let mut padded = [pad; MOST];
    padded[..values.len()].copy_from_slice(values);
    S::f32s::from_slice(simd, &padded[..S::f32s::LEN])
}

/// `x = f(x)`, the last vector padded with `pad`.
#[inline(always)]
pub(crate) fn map<S: Simd>(simd: S, x: &mut [f32], pad: f32, mut f: impl FnMut(S::f32s) -> S::f32s) {
    let mut whole = x.chunks_exact_mut(S::f32s::LEN);
    for x in whole.by_ref() {
        f(S::f32s::from_slice(simd, x)).store_slice(x);
    }
    let rest = whole.into_remainder();
    if !rest.is_empty() {
        let done = f(load_or(simd, rest, pad));
        rest.copy_from_slice(&done.as_slice()[..rest.len()]);
    }
}

/// `x = f(x, y)` for equally long `x` and `y`. The last vectors are padded with zeros.
#[inline(always)]
pub(crate) fn map2<S: Simd>(simd: S, x: &mut [f32], y: &[f32], f: impl Fn(S::f32s, S::f32s) -> S::f32s) {
    let mut whole = x.chunks_exact_mut(S::f32s::LEN);
    let mut others = y.chunks_exact(S::f32s::LEN);
    for (x, y) in whole.by_ref().zip(others.by_ref()) {
        f(S::f32s::from_slice(simd, x), S::f32s::from_slice(simd, y)).store_slice(x);
    }
    let (rest, other) = (whole.into_remainder(), others.remainder());
    if !rest.is_empty() {
        let done = f(load_or(simd, rest, 0.0), load_or(simd, other, 0.0));
        rest.copy_from_slice(&done.as_slice()[..rest.len()]);
    }
}

/// Makes one vector of `each` vector of `x`, the last padded with `pad`, by an associative `join` that `pad` is neutral
/// to.
#[inline(always)]
pub(crate) fn fold<S: Simd>(
    simd: S,
    x: &[f32],
    pad: f32,
    each: impl Fn(S::f32s) -> S::f32s,
    join: impl Fn(S::f32s, S::f32s) -> S::f32s,
) -> S::f32s {
    // Four at a time, for one alone would wait for each step before it.
    let mut parts = [S::f32s::splat(simd, pad); 4];
    let mut whole = x.chunks_exact(4 * S::f32s::LEN);
    for x in whole.by_ref() {
        for (part, x) in parts.iter_mut().zip(x.chunks_exact(S::f32s::LEN)) {
            *part = join(*part, each(S::f32s::from_slice(simd, x)));
        }
    }
    for (part, x) in parts.iter_mut().zip(whole.remainder().chunks(S::f32s::LEN)) {
        *part = join(*part, each(load_or(simd, x, pad)));
    }
    join(join(parts[0], parts[1]), join(parts[2], parts[3]))
}

/// Sum of all lanes.
#[inline(always)]
pub(crate) fn sum<S: Simd>(x: S::f32s) -> f32 {
    x.as_slice().iter().sum()
}

/// Largest lane.
#[inline(always)]
pub(crate) fn largest<S: Simd>(x: S::f32s) -> f32 {
    x.as_slice().iter().fold(f32::NEG_INFINITY, |top, x| top.max(*x))
}

/// Two to the difference of the exponent biases of f32 and f16.
pub(crate) const HALF: f32 = f32::from_bits((127 + 112) << 23);

/// Finite f16 divided by [`HALF`], from their sign-extended bits: sign in bit 31, exponent and mantissa where f32 has
/// them.
macro_rules! placed_half {
    ($bits:expr, $float:ty) => {
        (($bits << 13) & 0x8fff_e000_u32.cast_signed()).bitcast::<$float>()
    };
}
pub(crate) use placed_half;

/// The exact values of finite f16; the multiplication takes care of subnormals too.
macro_rules! widened_half {
    ($bits:expr, $float:ty) => {
        $crate::lanes::placed_half!($bits, $float) * $crate::lanes::HALF
    };
}
pub(crate) use widened_half;

/// Per 32-bit lane the sum of the products of its two 16-bit halves.
#[inline(always)]
pub(crate) fn dot<S: Simd>(a: u16x16<S>, b: i32x8<S>) -> i32x8<S> {
    a.bitcast::<i16x16<S>>().pairwise_dot_product(b.bitcast::<i16x16<S>>())
}
/// Runs a test body once per instruction set of this machine.
#[cfg(test)]
pub(crate) mod each {
    use std::{
        cell::Cell,
        io::{self, Write},
        sync::Mutex,
    };
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use fearless_simd::Level;

    thread_local! {
        static CURRENT: Cell<Option<Level>> = const { Cell::new(None) };
    }

    pub(super) fn current() -> Option<Level> {
        CURRENT.get()
    }

    /// Every instruction set this build knows, with the level to run it on, or `None` where the machine lacks it.
    pub(crate) fn known() -> Vec<(&'static str, Option<Level>)> {
        let best = Level::new();
        let mut known = vec![("scalar", Some(Level::fallback()))];
        #[cfg(target_arch = "x86_64")]
        known.extend([
            ("sse2", best.as_sse2().map(Level::Sse2)),
            ("sse4.2", best.as_sse4_2().map(Level::Sse4_2)),
            ("avx2", best.as_avx2().map(Level::Avx2)),
            ("avx512", best.as_avx512().map(Level::Avx512)),
        ]);
        #[cfg(target_arch = "aarch64")]
        known.push(("neon", best.as_neon().map(Level::Neon)));
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        known.push(("simd128", best.as_wasm_simd128().map(Level::WasmSimd128)));
        known
    }

    /// Calls `body` once per instruction set of this machine, with its name for messages, and returns how many ran.
    pub(crate) fn run(mut body: impl FnMut(&'static str)) -> usize {
        let mut ran = 0;
        for (name, level) in known() {
            match level {
                Some(level) => {
                    CURRENT.set(Some(level));
                    body(name);
                    CURRENT.set(None);
                    ran += 1;
                }
                None => not_run(name),
            }
        }
        ran
    }

    /// Says so once, past the test harness, which swallows what a passing test prints by `eprintln`.
    fn not_run(name: &'static str) {
        static SAID: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        if let Ok(mut said) = SAID.lock()
            && !said.contains(&name)
        {
            said.push(name);
            let line = format!("instruction set {name}: NOT RUN, this machine does not have it\n");
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    #[test]
    fn every_set_of_this_machine_runs() {
        let want = known().iter().filter(|(_, level)| level.is_some()).count();
        assert_eq!(run(|_| ()), want);
        assert!(want >= 2 || cfg!(not(target_arch = "x86_64")), "x86-64 has at least scalar and SSE2");
    }
}
