//! The instruction set every kernel runs on, chosen once per call.
//!
//! Kernels are one generic body over [`fearless_simd::Simd`]: wasm simd128, x86-64 (SSE2 to AVX-512, chosen at run
//! time), NEON, or scalar code. All `unsafe` lives in that crate; this one has none in its kernels.

use fearless_simd::Level;

/// The instruction set to run on: the best of this machine, or in a test the one [`each::run`] has set.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = each::current() {
        return level;
    }
    Level::new()
}

/// Runs a test body once per instruction set of this machine.
#[cfg(test)]
pub(crate) mod each {
    use std::cell::Cell;

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
                None => eprintln!("instruction set {name}: NOT RUN, this machine does not have it"),
            }
        }
        ran
    }

    #[test]
    fn every_set_of_this_machine_runs() {
        let want = known().iter().filter(|(_, level)| level.is_some()).count();
        assert_eq!(run(|name| eprintln!("instruction set {name}: run")), want);
        assert!(want >= 2 || cfg!(not(target_arch = "x86_64")), "x86-64 has at least scalar and SSE2");
    }
}
