//! `cargo xtask size`: what a visitor downloads, which crates it comes from, and whether it keeps the limits.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

use crate::{build, sh};

const WASM_RAW: usize = 3_000_000;
const WASM_GZIP: usize = 1_200_000;
const PACKAGE: usize = 5_000_000;
/// Crates below this are summed up.
const SMALL: usize = 4_000;

/// Builds, prints the tables and fails when a limit is passed.
pub fn run() -> Result<()> {
    let module = build::compile(false)?;
    build::wasm(false)?;
    println!("Code by crate, before wasm-opt (inlined code counts where it was inlined)");
    let (mut small, by_crate) = (0, by_crate(&fs::read(&module)?)?);
    for (name, bytes) in &by_crate {
        if *bytes < SMALL { small += bytes } else { println!("  {name:<28} {bytes:>9}") }
    }
    println!("  {:<28} {small:>9}", "smaller ones");

    println!("\nFiles of the package                raw      gzip");
    let dist = sh::root().join("pkg/dist");
    let mut total = 0;
    let mut wasm = (0, 0);
    for path in files(&dist)? {
        let bytes = fs::read(&path)?;
        let gzip = gzipped(&bytes)?;
        let name = path.strip_prefix(&dist)?.display().to_string();
        println!("  {name:<28} {:>9} {gzip:>9}", bytes.len());
        total += bytes.len();
        if name.ends_with(".wasm") {
            wasm = (wasm.0 + bytes.len(), wasm.1 + gzip);
        }
    }
    println!();
    let kept = [
        limit("all .wasm, raw", wasm.0, WASM_RAW),
        limit("all .wasm, gzip", wasm.1, WASM_GZIP),
        limit("package, unpacked", total, PACKAGE),
    ];
    if kept.contains(&false) {
        bail!("a limit of size is passed");
    }
    Ok(())
}

fn limit(what: &str, bytes: usize, limit: usize) -> bool {
    let kept = bytes <= limit;
    println!("  {what:<28} {bytes:>9} of {limit:>9}  {}", if kept { "kept" } else { "PASSED OVER" });
    kept
}

/// Bytes of code by crate, largest first, and the data as a row of its own. Names come from the name section.
fn by_crate(wasm: &[u8]) -> Result<Vec<(String, usize)>> {
    let (mut imports, mut sizes, mut data) = (0, Vec::new(), 0);
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.context("reading the .wasm")? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imports += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => sizes.push(length(&body.range())),
            Payload::DataSection(section) => data = length(&section.range()),
            Payload::CustomSection(section) => {
                let KnownCustom::Name(section) = section.as_known() else {
                    continue;
                };
                for part in section {
                    let Name::Function(map) = part? else { continue };
                    for naming in map {
                        let naming = naming?;
                        names.insert(naming.index, naming.name);
                    }
                }
            }
            _ => {}
        }
    }
    let mut sums = BTreeMap::from([("(data: tables, strings)".to_owned(), data)]);
    for (index, bytes) in (imports..).zip(&sizes) {
        let name = names.get(&index).map_or("(no name)".to_owned(), |name| krate(name));
        *sums.entry(name).or_default() += bytes;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Ok(sums)
}

fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// `<alloc::vec::Vec<T> as Trait>::f` is alloc's: the first path of the name. `<T as core::fmt::Debug>::fmt` is core's.
fn krate(mangled: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(mangled));
    let path = name.trim_start_matches(['<', '&', '*', '[', '(']);
    let path = path.trim_start_matches("mut ").trim_start_matches("const ").trim_start_matches("dyn ");
    match path.split_once("::").map(|(first, rest)| (first.rsplit(" as ").next().unwrap_or(first), rest)) {
        Some((krate, _)) if krate.chars().all(|c| c.is_alphanumeric() || c == '_') => krate.to_owned(),
        _ => "(other)".to_owned(),
    }
}

fn gzipped(bytes: &[u8]) -> Result<usize> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?.len())
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}
