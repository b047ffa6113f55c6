//! The cases of `benches/kernels/cases.rs` for JavaScript to time: see `run.mjs` beside this file.
#![expect(unsafe_code, reason = "exporting a function by name is unsafe to the compiler: two could share a name")]

use std::cell::RefCell;

#[path = "../kernels/cases.rs"]
mod cases;

thread_local! {
    static CASES: RefCell<Vec<cases::Case>> = RefCell::new(cases::cases());
}

/// How many cases there are.
#[unsafe(no_mangle)]
pub extern "C" fn count() -> usize {
    CASES.with_borrow(Vec::len)
}

/// Where the name of a case is.
#[unsafe(no_mangle)]
pub extern "C" fn name(case: usize) -> *const u8 {
    CASES.with_borrow(|cases| cases[case].name.as_ptr())
}

/// Bytes of the name.
#[unsafe(no_mangle)]
pub extern "C" fn name_len(case: usize) -> usize {
    CASES.with_borrow(|cases| cases[case].name.len())
}

/// Multiply-adds (or elements) of one run.
#[unsafe(no_mangle)]
pub extern "C" fn work(case: usize) -> f64 {
    CASES.with_borrow(|cases| cases[case].work as f64)
}

/// Runs a case `times` times.
#[unsafe(no_mangle)]
pub extern "C" fn run(case: usize, times: usize) {
    CASES.with_borrow_mut(|cases| (0..times).for_each(|_| (cases[case].run)()));
}
