//! Golden vectors: every `*.safetensors` in `<root>/<folder>/`, root = `$ATTNSCOPE_GOLDEN` or `tests/golden`, goes
//! through the code the engine runs. File names, shapes and seeds are not written here.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;
mod runners;

use std::{env, fs, path::PathBuf};

#[test]
fn every_folder() {
    let root = env::var_os("ATTNSCOPE_GOLDEN").map_or_else(|| PathBuf::from("tests/golden"), PathBuf::from);
    let list = |dir: &PathBuf| {
        let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let folders: Vec<PathBuf> = list(&root).into_iter().filter(|p| p.is_dir()).collect();
    assert!(!folders.is_empty(), "{} holds no golden folder", root.display());
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let run = runners::find(&name).unwrap_or_else(|| panic!("golden folder {name:?} has no runner"));
        let cases: Vec<PathBuf> =
            list(&folder).into_iter().filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect();
        assert!(!cases.is_empty(), "golden folder {name} is empty");
        for path in &cases {
            let bytes = fs::read(path).unwrap();
            run(&runners::Case::read(path, &bytes));
        }
        common::report(&format!("golden {name}: {} cases", cases.len()));
    }
}
