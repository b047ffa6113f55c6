//! Writes what other languages and the documents need to know of our constants: run it by `cargo xtask gen`.
//!
//! `--check` writes nothing and fails when a file is not what would be written.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, process};

use attnscope::methods::{Param, Part, REGISTRY, Role, Roles, Shape, Spec, choices};
use attnscope::trace::{ALL_HEADS, Kind, KindSpec, RECORD, SCHEMA};

/// A generated file: its path from the root, and what makes its text.
type Generated = (&'static str, fn() -> String);

const FILES: &[Generated] =
    &[("pkg/src/trace.gen.ts", trace_ts), ("docs/trace.md", trace_md), ("docs/methods.md", methods_md)];

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
        let head = if head.is_empty() { "–".into() } else { format!("{head} heads") };
        let payload = if *payload { "yes" } else { "–" };
        let (number, aux, a, b) = (*kind as u8, cell(aux), cell(a), cell(b));
        let _ = writeln!(text, "| {number} | `{name}` | {head} | {aux} | {a} | {b} | {payload} |");
    }
    text
}

fn methods_md() -> String {
    let mut text = String::from(
        "<!-- Made by `cargo xtask gen` from src/methods/. Do not edit. -->\n\n\
        # The methods\n\n\
        A method fills one role or more: `prefill` (what a prompt reads), `select` (what every other pass reads; alone, \
        also what a prompt reads), `retain` (what is kept) and `schedule` (what is run). Budgets are tokens. A masked \
        score is minus infinity before the softmax, never a product with 0, and scores are scaled by 1/sqrt(head size).\n\n\
        | name | method | roles | paper | what it does |\n|---|---|---|---|---|\n",
    );
    for row in REGISTRY {
        let roles = row.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
        let paper = row.paper.map_or("–".to_owned(), |id| format!("[{id}](https://arxiv.org/abs/{id})"));
        let _ = writeln!(text, "| `{}` | {} | {} | {paper} | {} |", row.name, row.title, cell(&roles), row.summary);
    }
    let _ = writeln!(text, "\n## Parameters\n\nThe marked ones are part of a budget.");
    for row in REGISTRY.iter().filter(|row| !row.params.is_empty()) {
        let _ =
            writeln!(text, "\n### `{}`\n\n| parameter | default | allowed | meaning |\n|---|---|---|---|", row.name);
        for p in row.params {
            let Param { name, unit, help, .. } = p;
            let (budget, unit) = (if p.is_budget { " *" } else { "" }, if unit.is_empty() { "" } else { " " });
            let unit = format!("{unit}{}", p.unit);
            let _ = writeln!(text, "| `{name}`{budget} | `{}`{unit} | {} | {help} |", p.default(), p.allowed());
        }
    }
    text + &combinations()
}

/// Which parts of several methods may stand together: found by building them.
fn combinations() -> String {
    let shape = Shape { layers: 32 };
    let whole = |part: &Part| REGISTRY.iter().any(|row| row.whole && row.name == part.name);
    let parts = |role| choices(role, &shape).into_iter().filter(|part| !whole(part)).collect::<Vec<_>>();
    let with = |role: Role, part: &Part, mut roles: Roles| {
        *roles.get_mut(role) = Some(part.clone());
        roles
    };
    let mut reads: Vec<(Role, Part)> = Vec::new();
    for role in [Role::Prefill, Role::Select] {
        reads.extend(parts(role).into_iter().map(|part| (role, part)));
    }
    let retains = parts(Role::Retain);
    let mut reasons: Vec<String> = Vec::new();
    let mut verdict = |(role, read): &(Role, Part), retain: &Part| {
        let roles = with(*role, read, with(Role::Retain, retain, Roles::default()));
        match Spec::Roles(roles).build(&shape) {
            Ok(_) => "yes".to_owned(),
            Err(attnscope::Error::Combination { why, .. }) => {
                let at = reasons.iter().position(|reason| *reason == why).unwrap_or(reasons.len());
                if at == reasons.len() {
                    reasons.push(why);
                }
                format!("no ({})", at + 1)
            }
            Err(error) => error.to_string(),
        }
    };
    let table: Vec<Vec<String>> =
        retains.iter().map(|retain| reads.iter().map(|read| verdict(read, retain)).collect()).collect();
    // A choice of parameters has a line of its own only where it changes an answer.
    let column = |at: usize| table.iter().map(|row| &row[at]).collect::<Vec<_>>();
    let base = |all: &[&Part], at: usize| all[..=at].iter().rposition(|part| part.params.is_empty()).unwrap_or(at);
    let names: Vec<&Part> = reads.iter().map(|read| &read.1).collect();
    let columns: Vec<usize> =
        (0..reads.len()).filter(|&at| base(&names, at) == at || column(base(&names, at)) != column(at)).collect();
    let names: Vec<&Part> = retains.iter().collect();
    let lines: Vec<usize> =
        (0..retains.len()).filter(|&at| base(&names, at) == at || table[base(&names, at)] != table[at]).collect();
    let mut text = String::from(
        "\n## Combining roles\n\n\
        Each role may come from another method: `{ retain: 'snap_kv', select: { name: 'quest', params: { budget: 64 } } }` \
        in JavaScript, `--retain snap_kv --select quest --param select.budget=64` on the command line. Every `prefill` \
        goes with every `select`. Parameters are named where they change the answer.\n\n| retain |",
    );
    for &at in &columns {
        let _ = write!(text, " {}: {} |", reads[at].0.name(), label(&reads[at].1));
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns.len()));
    for at in lines {
        let answers = columns.iter().map(|&column| table[at][column].as_str()).collect::<Vec<_>>().join(" | ");
        let _ = writeln!(text, "| {} | {answers} |", label(&retains[at]));
    }
    text.push('\n');
    for (at, reason) in reasons.iter().enumerate() {
        let _ = writeln!(text, "{}. {reason}.", at + 1);
    }
    let whole: Vec<_> = REGISTRY.iter().filter(|row| row.whole).map(|row| format!("`{}`", row.name)).collect();
    let _ = writeln!(
        text,
        "\nThe roles of {} work only together: named for one of them, it fills all, and only what else is left may come \
        from another method.",
        whole.join(", ")
    );
    text
}

fn label(part: &Part) -> String {
    let given =
        part.params.iter().map(|(name, value)| format!(", `{name}` = `{}`", value.to_string().replace('"', "")));
    format!("`{}`{}", part.name, given.collect::<String>())
}

fn cell(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

// The kinds are numbered without a gap from 1: readers index tables by them.
const _: () = assert!(SCHEMA.len() == Kind::Share as usize);
