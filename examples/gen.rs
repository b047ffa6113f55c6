//! Writes what other languages and the documents need to know of our constants: run it by `cargo xtask gen`.
//!
//! `--check` writes nothing and fails when a file is not what would be written.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, process};

use attnscope::trace::{ALL_HEADS, Kind, KindSpec, RECORD, SCHEMA};

/// A generated file: its path from the root, and what makes its text.
type Generated = (&'static str, fn() -> String);

/// `docs/methods.md`, from the registry of methods, will be a row here.
const FILES: &[Generated] = &[("pkg/src/trace.gen.ts", trace_ts), ("docs/trace.md", trace_md)];

fn main() -> Result<(), Box<dyn Error>> {
    let check = env::args().any(|arg| arg == "--check");
    // From cargo, now: clones that share a target folder share this program.
    let root = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut stale = 0;
    for (path, text) in FILES {
        let (file, text) = (Path::new(&root).join(path), text());
        // A checkout on Windows has other line ends.
        if fs::read_to_string(&file).is_ok_and(|old| old.replace("\r\n", "\n") == text) {
            println!("same     {path}");
        } else if check {
            println!("differs  {path}");
            stale += 1;
        } else {
            fs::create_dir_all(file.parent().ok_or("a generated file has a folder")?)?;
            fs::write(&file, text)?;
            println!("written  {path}");
        }
    }
    if stale > 0 {
        eprintln!("{stale} generated file(s) differ: run `cargo xtask gen` and commit the result");
        process::exit(1);
    }
    Ok(())
}

fn trace_ts() -> String {
    let mut kinds = String::new();
    let mut rows = String::new();
    for KindSpec { kind, name, head, fields: [aux, a, b], payload } in SCHEMA {
        let number = *kind as u8;
        let _ = writeln!(kinds, "  {name}: {number},");
        let _ = writeln!(
            rows,
            "  {name}: {{ kind: {number}, head: {head:?}, aux: {aux:?}, a: {a:?}, b: {b:?}, payload: {payload} }},"
        );
    }
    let payload: Vec<_> = SCHEMA.iter().filter(|spec| spec.payload).map(|spec| spec.kind as u8).collect();
    format!(
        r#"// Made by `cargo xtask gen` from src/trace.rs. Do not edit.

/** Bytes of a record: kind u8, layer u8, head u8, aux u8, step u32, a u32, b u32, little endian. */
export const RECORD = {RECORD};

/** `head` of a record that holds for every head of its layer. */
export const ALL_HEADS = {ALL_HEADS};

/** What a record says: `view.getUint8(at) === Kind.pass`. */
export const Kind = {{
{kinds}}} as const;

/** Name of a kind. */
export type KindName = keyof typeof Kind;
/** Number of a kind. */
export type Kind = (typeof Kind)[KindName];

/** What the fields of a kind mean; an empty text is an unused field. */
export interface KindSpec {{
  /** Its number. */
  kind: Kind;
  /** What `head` counts. */
  head: "" | "kv" | "query";
  /** Meaning of `aux`. */
  aux: string;
  /** Meaning of `a`. */
  a: string;
  /** Meaning of `b`. */
  b: string;
  /** Whether `b` times 16 bytes of payload follow. */
  payload: boolean;
}}

/** Every kind by name, in the order of its number. */
export const SCHEMA = {{
{rows}}} as const satisfies Record<KindName, KindSpec>;

/** The kinds that have a payload. */
export const PAYLOAD: readonly number[] = {payload:?};
"#
    )
}

fn trace_md() -> String {
    let mut text = format!(
        "<!-- Made by `cargo xtask gen` from src/trace.rs. Do not edit. -->\n\n\
        # The trace\n\n\
        A record is {RECORD} bytes, little endian: `kind: u8, layer: u8, head: u8, aux: u8, step: u32, a: u32, b: u32`. \
        A `head` of {ALL_HEADS} means every head of the layer. Where a payload follows, `b` counts its records of \
        {RECORD} bytes. All positions are original positions in the text.\n\n\
        | kind | name | `head` counts | `aux` | `a` | `b` | payload |\n|---|---|---|---|---|---|---|\n"
    );
    for KindSpec { kind, name, head, fields: [aux, a, b], payload } in SCHEMA {
        let cell = |text: &'static str| if text.is_empty() { "–" } else { text };
        let head = if head.is_empty() { "–".into() } else { format!("{head} heads") };
        let payload = if *payload { "yes" } else { "–" };
        let (number, aux, a, b) = (*kind as u8, cell(aux), cell(a), cell(b));
        let _ = writeln!(text, "| {number} | `{name}` | {head} | {aux} | {a} | {b} | {payload} |");
    }
    text
}

// The kinds are numbered without a gap from 1: readers index tables by them.
const _: () = assert!(SCHEMA.len() == Kind::PlaneNoise as usize);
