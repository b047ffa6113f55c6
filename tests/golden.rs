//! Golden vectors: every `*.safetensors` in `<root>/<folder>/`, root = `$ATTNSCOPE_GOLDEN` or `tests/golden`, goes
//! through the code the engine runs: on the CPU, and on a GPU in lock-step with it. File names, shapes and seeds are not
//! written here.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod common;
mod runners;

use std::{env, fs, path::PathBuf};

use common::{now, report};
use runners::{Case, On, Runner};

/// Every folder, its runner and its cases.
fn folders() -> Vec<(String, Runner, Vec<PathBuf>)> {
    let root = env::var_os("ATTNSCOPE_GOLDEN").map_or_else(|| PathBuf::from("tests/golden"), PathBuf::from);
    let list = |dir: &PathBuf| {
        let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let folders: Vec<PathBuf> = list(&root).into_iter().filter(|p| p.is_dir()).collect();
    assert!(!folders.is_empty(), "{} holds no golden folder", root.display());
    let of = |folder: PathBuf| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let runner = runners::find(&name).unwrap_or_else(|| panic!("golden folder {name:?} has no runner"));
        let cases: Vec<PathBuf> =
            list(&folder).into_iter().filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect();
        assert!(!cases.is_empty(), "golden folder {name} is empty");
        (name, runner, cases)
    };
    folders.into_iter().map(of).collect()
}

/// Runs a folder's cases.
fn run(on: &On, runner: Runner, cases: &[PathBuf]) {
    for path in cases {
        let bytes = fs::read(path).unwrap();
        let case = Case::read(path, &bytes, on);
        match runner {
            Runner::Operations(run) => now(run(&case)),
            Runner::Arithmetic(run) | Runner::Model(run) => run(&case),
        }
    }
}

#[test]
fn every_folder() {
    for (name, runner, cases) in folders() {
        run(&On::Cpu, runner, &cases);
        report(&format!("golden {name}: {} cases", cases.len()));
    }
}

/// Sets exact, and what the GPU computed within the folders' tolerances.
#[cfg(feature = "gpu")]
#[test]
fn every_folder_on_the_gpu() {
    let Some(device) = common::gpu("golden folders") else { return };
    let on = On::Paired(device);
    for (name, runner, cases) in folders() {
        match runner {
            Runner::Operations(_) | Runner::Model(_) => {
                run(&on, runner, &cases);
                report(&format!("golden {name} on the GPU: {} cases", cases.len()));
            }
            Runner::Arithmetic(_) => report(&format!("golden {name}: runs no operation of a back end")),
        }
    }
}

/// A browser runs one case of each.
#[test]
fn every_folder_is_in_the_list_for_a_browser() {
    let list = fs::read_to_string("tests/web/paired.rs").unwrap();
    for (name, runner, _) in folders() {
        let is_listed = list.contains(&format!("\"{name}\" / "));
        assert_eq!(is_listed, matches!(runner, Runner::Operations(_)), "{name}");
    }
}
