//! Who may import whom: modules in the order of `src/lib.rs`, method files what `docs/adding-a-method.md` says.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

/// Registry items that a method file may take from `super`.
const OF_REGISTRY: [&str; 7] = ["Build", "Param", "Params", "Role", "Row", "Shape", "Value"];
/// Files of `src/methods/` that hold what several methods share; `src/methods.rs` says which.
const SHARED: [&str; 1] = ["observation"];
/// What it may take from the crate: the first name of the path.
const OF_CRATE: [&str; 4] = ["Error", "Result", "method", "ops"];
/// Files of `src/methods/` that are the registry's own.
const REGISTRY: [&str; 5] = ["compose.rs", "listing.rs", "params.rs", "profile.rs", "spec.rs"];

/// Code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\n").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every path below `root::` in `code`, braces taken apart: `root::{a, b::{c, d}}` gives `a`, `b::c` and `b::d`.
fn paths(code: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    let root = format!("{root}::");
    for (at, _) in code.match_indices(&root) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let (mut stems, mut path) = (Vec::new(), String::new());
        let mut renamed = false;
        for c in code[at + root.len()..].chars() {
            match c {
                '{' => stems.push(path.clone()),
                ',' | '}' if !stems.is_empty() => {
                    if !path.is_empty() && Some(&path) != stems.last() {
                        found.push(path.clone());
                    }
                    if c == '}' {
                        stems.pop();
                    }
                    // After a brace its stem is done: what follows is a comma or another brace.
                    path = stems.last().cloned().unwrap_or_default();
                    renamed = false;
                    if stems.is_empty() {
                        break;
                    }
                }
                // `as name` and line breaks.
                c if c.is_whitespace() && !stems.is_empty() => renamed = Some(&path) != stems.last(),
                c if c.is_alphanumeric() || "_:*".contains(c) => {
                    if !renamed {
                        path.push(c);
                    }
                }
                _ => {
                    found.push(path.clone());
                    break;
                }
            }
        }
    }
    found
}

/// The first path of a method's file that it may not use.
fn refused(text: &str) -> Option<String> {
    let code = code(text);
    let first = |path: &str| path.split("::").next().unwrap_or_default().to_owned();
    let of_crate = paths(&code, "crate").into_iter().find(|p| !OF_CRATE.contains(&first(p).as_str()));
    let may = |p: &str| OF_REGISTRY.contains(&p) || SHARED.contains(&first(p).as_str());
    let of_super = paths(&code, "super").into_iter().find(|p| !may(p));
    of_crate.map(|p| format!("crate::{p}")).or(of_super.map(|p| format!("super::{p}")))
}

#[test]
fn methods_import_only_what_they_may() {
    for (text, want) in [
        ("use crate::{Result, method::*, ops::*};\nuse super::{Param, Row};", None),
        ("use crate::{\n    Error, Result,\n    ops::{Fresh, Kv},\n};", None),
        ("// crate::cache is not for methods\nfn f() {}", None),
        ("fn f() {}\n#[cfg(test)]\nmod tests { use super::*; }", None),
        ("use crate::{Result, cache::Cache};", Some("crate::cache::Cache")),
        ("use crate::{Result, ops::{Kv, Read}, engine::{Engine, CHUNK}};", Some("crate::engine::Engine")),
        ("fn f() -> crate::cache::Cache {", Some("crate::cache::Cache")),
        ("use crate::*;", Some("crate::*")),
        ("use crate::methods::H2o;", Some("crate::methods::H2o")),
        ("use super::h2o;", Some("super::h2o")),
        ("use super::{Param, H2o as Other};", Some("super::H2o")),
        ("use super::super::cache;", Some("super::super::cache")),
    ] {
        assert_eq!(refused(text).as_deref(), want, "{text}");
    }
    let mut methods = 0;
    for entry in std::fs::read_dir("src/methods").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(path.extension().is_some_and(|e| e == "rs"), "a method is one file; found {}", path.display());
        if !REGISTRY.contains(&name.as_str()) {
            assert_eq!(refused(&std::fs::read_to_string(&path).unwrap()), None, "{name}");
            methods += 1;
        }
    }
    assert!(methods >= 5, "{methods} files of methods");
}

/// A module imports only modules that `src/lib.rs` names before it.
#[test]
fn arrows_point_one_way() {
    let map = std::fs::read_to_string("src/lib.rs").unwrap();
    let order: Vec<&str> = map.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';')).collect();
    assert!(order.first() == Some(&"error") && order.last() == Some(&"web"), "{order:?}");
    let mut imports = 0;
    for (place, module) in order.iter().enumerate() {
        let mut files = vec![std::path::PathBuf::from(format!("src/{module}.rs"))];
        let mut folders = vec![std::path::PathBuf::from(format!("src/{module}"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { &mut folders } else { &mut files }.push(path);
            }
        }
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
            for path in paths(&code(&std::fs::read_to_string(file).unwrap()), "crate") {
                let name = path.split("::").next().unwrap();
                if let Some(to) = order.iter().position(|module| *module == name) {
                    imports += 1;
                    assert!(to <= place, "{} imports {name}, which comes after {module}", file.display());
                }
            }
        }
    }
    assert!(imports > 40, "{imports} imports were read");
}
