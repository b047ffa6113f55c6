//! Methods against full attention in wasm, for JavaScript to run: see `run.mjs` beside this file.
#![cfg(target_arch = "wasm32")]
#![expect(unsafe_code, reason = "functions of another module, and exporting by name")]

use attnscope::{
    Error, Result,
    loader::{Loaded, Loader},
};
use std::cell::RefCell;

mod measure;
mod settings;

#[link(wasm_import_module = "bench")]
unsafe extern "C" {
    /// Seconds on the clock.
    safe fn now() -> f64;
    /// What runs, how much of it is done and how much there is.
    safe fn progress(what: *const u8, length: usize, done: u32, total: u32);
    /// A result, or why there is none.
    safe fn answer(text: *const u8, length: usize, failed: bool);
}

thread_local! {
    static PORTION: RefCell<Vec<u8>> = RefCell::default();
    static LOADER: RefCell<Option<Loader>> = RefCell::new(Some(Loader::new(None)));
    static LOADED: RefCell<Option<Loaded>> = RefCell::default();
}

fn say<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(|why| say_text(&why.to_string(), true)).ok()
}

fn say_text(text: &str, failed: bool) {
    answer(text.as_ptr(), text.len(), failed);
}

/// Where to write the next `length` bytes of the model file, or the names of the settings.
#[unsafe(no_mangle)]
pub extern "C" fn portion(length: usize) -> *mut u8 {
    PORTION.with_borrow_mut(|portion| {
        portion.resize(length, 0);
        portion.as_mut_ptr()
    })
}

/// Takes them.
#[unsafe(no_mangle)]
pub extern "C" fn push() {
    let push = |loader: &mut Option<Loader>| PORTION.with_borrow(|portion| Some(loader.as_mut()?.push(portion)));
    LOADER.with_borrow_mut(push).map(say);
}

/// The file is complete.
#[unsafe(no_mangle)]
pub extern "C" fn finish() {
    LOADED.set(LOADER.take().and_then(|loader| say(loader.finish())));
}

/// Measures the settings whose names, separated by commas, were written (all if none were), and answers with a line of
/// JSON for each.
#[unsafe(no_mangle)]
pub extern "C" fn measure(context: u32, prefills: u32, turns: u32, tokens: u32) {
    let only = PORTION.with_borrow(|portion| String::from_utf8_lossy(portion).into_owned());
    let wanted = |s: &&settings::Setting| only.is_empty() || only.split(',').any(|name| name == s.name);
    let settings: Vec<_> = settings::SETTINGS.iter().filter(wanted).collect();
    let size = measure::Size { context, prefills, turns, tokens };
    let report = |what: &str, done, total| progress(what.as_ptr(), what.len(), done, total);
    let rows = LOADED.with_borrow(|loaded| {
        let loaded = loaded.as_ref().ok_or(Error::State("no model is loaded"))?;
        measure::measure(loaded, &settings, size, || now(), report)
    });
    for row in say(rows).into_iter().flatten() {
        match serde_json::to_string(&row) {
            Ok(line) => say_text(&line, false),
            Err(why) => say_text(&why.to_string(), true),
        }
    }
}
