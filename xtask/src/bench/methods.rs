//! `cargo xtask bench methods`: what each method buys on the real model, natively and in wasm, beside what the bytes or
//! multiply-adds it saves could buy at most. The measuring is Rust in benches/methods, the same for both; hosts in wasm are
//! workers of the npm package in a browser.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{browser, build, model, setup, sh};

/// The size of the measurement.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench methods\n  cargo xtask bench methods --context 4096 --on native --only full,tidal_decode"
)]
pub struct Args {
    /// Lengths of the prompt, in tokens
    #[arg(long, value_delimiter = ',', default_values_t = [4096, 8000])]
    context: Vec<u32>,
    /// Where
    #[arg(long, value_delimiter = ',', default_values = ["native", "wasm"])]
    on: Vec<Place>,
    /// Names of settings in benches/methods/settings.rs, and `star_attention` on hosts; ratios are to `full`, which is
    /// always there
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Times a prompt is read; medians are reported
    #[arg(long, default_value_t = 1)]
    prefills: u32,
    /// Turns of each method at making tokens; medians are reported
    #[arg(long, default_value_t = 9)]
    turns: u32,
    /// Tokens of a turn
    #[arg(long, default_value_t = 16)]
    tokens: u32,
    /// Also write the result as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What runs on hosts, in a table of its own.
const HOSTS: &str = "star_attention";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// This machine's best instruction set
    Native,
    /// simd128 in Node; hosts are Web Workers in a browser
    Wasm,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    let model = model::ensure()?;
    let mut all = Vec::new();
    for place in &args.on {
        let (name, mut command) = match place {
            Place::Native => ("native", native(args, &model)?),
            Place::Wasm => ("wasm", wasm(args, &model)?),
        };
        let lines = sh::step(&format!("Measuring ({name})"), || sh::capture(command.stderr(Stdio::inherit())))?;
        let rows =
            lines.lines().map(|line| serde_json::from_str(line).context("a result")).collect::<Result<Vec<_>>>()?;
        for context in &args.context {
            let of_context = |row: &&Value| row["context"] == *context;
            let (hosts, rows): (Vec<&Value>, Vec<_>) =
                rows.iter().filter(of_context).partition(|row| row["phase"] == "hosts");
            let (rows, hosts) = (with_ceilings(&rows), by_hosts(&hosts));
            print!("{}{}", table(name, *context, &rows), host_table(name, *context, &hosts));
            all.push(json!({ "on": name, "context": context, "rows": rows, "hosts": hosts }));
        }
    }
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&json!({ "cases": all }))?;
        fs::write(file, text + "\n").with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn names(args: &Args) -> String {
    let mut only = args.only.clone();
    // Hosts have a full attention of their own.
    if only.iter().any(|name| name != HOSTS) && !only.iter().any(|name| name == "full") {
        only.insert(0, "full".to_owned());
    }
    only.join(",")
}

fn contexts(args: &Args) -> String {
    args.context.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn native(args: &Args, model: &Path) -> Result<Command> {
    sh::step("Building methods", || {
        sh::run_aside(sh::cargo().args(["build", "--release", "--features", "cli", "--example", "methods"]))
    })?;
    let program = format!("methods{}", std::env::consts::EXE_SUFFIX);
    let mut command = sh::in_root(sh::target_dir()?.join("release/examples").join(program));
    command.arg(model).args(["--context", &contexts(args)]);
    if !args.only.is_empty() {
        command.args(["--only", &names(args)]);
    }
    for (flag, count) in [("--prefills", args.prefills), ("--turns", args.turns), ("--tokens", args.tokens)] {
        command.args([flag, &count.to_string()]);
    }
    Ok(command)
}

fn wasm(args: &Args, model: &Path) -> Result<Command> {
    let module = super::wasm_example("methods_wasm")?;
    let (bin, out) = (setup::wasm_bindgen()?, sh::target_dir()?.join("methods_wasm"));
    setup::node()?;
    sh::step("wasm-bindgen", || {
        let flags = ["--target", "experimental-nodejs-module", "--no-typescript", "--out-dir"];
        sh::run_aside(sh::in_root(bin.join("wasm-bindgen")).arg(&module).args(flags).arg(&out))
    })?;
    let mut command = sh::node();
    command.arg("benches/methods/run.mjs").arg(out.join("methods_wasm.js")).arg(model);
    command.args([contexts(args), names(args)]);
    command.args([args.prefills, args.turns, args.tokens].map(|count| count.to_string()));
    if args.only.is_empty() || args.only.iter().any(|name| name == HOSTS) {
        build::package()?;
        command.env("CHROME", browser::find()?.chrome).env("ATTNSCOPE_MODEL", model);
    }
    Ok(command)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Adds to each row how many times faster than the first it is, and how many times faster it could be: in decode as many
/// times as fewer bytes are read, in prefill as many times as fewer multiply-adds are made.
fn with_ceilings(rows: &[&Value]) -> Vec<Value> {
    let Some(full) = rows.first() else { return Vec::new() };
    let bytes = |row: &Value| {
        let (weights, kv) = (number(&row["weight_bytes"]), number(&row["decode"]["kv_bytes"]));
        [kv, weights * number(&row["decode"]["passes"]) + kv]
    };
    let work = |row: &Value| {
        let prefill = &row["prefill"];
        let attention = number(&prefill["attention_work"]) * number(&prefill["density"]);
        [attention, number(&prefill["weight_work"]) + attention]
    };
    let add = |row: &Value| {
        let mut row = row.clone();
        for (phase, spent) in [("decode", &bytes as &dyn Fn(&Value) -> [f64; 2]), ("prefill", &work)] {
            if row[phase].is_null() {
                continue;
            }
            let (base, own) = (spent(full), spent(&row));
            for (name, part) in [("attention_seconds", 0), ("seconds", 1)] {
                let times = number(&full[phase][name]) / number(&row[phase][name]);
                row[phase][format!("{name}_ratio")] = json!(times);
                row[phase][format!("{name}_ceiling")] = json!(base[part] / own[part]);
            }
        }
        row
    };
    rows.iter().map(|row| add(row)).collect()
}

fn table(place: &str, context: u32, rows: &[Value]) -> String {
    let mut out = String::new();
    for (phase, title, unit, scale) in [("decode", "a token after", "ms", 1e3), ("prefill", "reading", "s", 1.0)] {
        let shown: Vec<_> = rows.iter().filter(|r| r["phase"] == phase || r["phase"] == "base").collect();
        if shown.len() < 2 {
            continue;
        }
        let title = format!("{place}, {title} {context} tokens");
        let _ = writeln!(
            out,
            "\n{title:<34}{:>14}{:>8}{:>9}{:>12}{:>8}{:>9}",
            format!("attention {unit}"),
            "ratio",
            "at most",
            format!("whole {unit}"),
            "ratio",
            "at most"
        );
        for row in shown {
            let cells = &row[phase];
            let _ = write!(out, "  {:<32}", row["name"].as_str().unwrap_or_default());
            for (name, width) in [("attention_seconds", 14), ("seconds", 12)] {
                let of = |suffix: &str| number(&cells[format!("{name}{suffix}")]);
                let _ = write!(out, "{:>width$.3}{:>7.2}x{:>8.2}x", of("") * scale, of("_ratio"), of("_ceiling"));
            }
            out.push('\n');
        }
    }
    out
}

/// Adds how many times faster than one host with full attention several are on the clock, and how many times less the one
/// with most to do multiplies.
fn by_hosts(rows: &[&Value]) -> Vec<Value> {
    let Some(full) = rows.first() else { return Vec::new() };
    let add = |row: &&Value| {
        let mut row = (*row).clone();
        for phase in ["prefill", "decode"] {
            row[phase]["seconds_ratio"] = json!(number(&full[phase]["seconds"]) / number(&row[phase]["seconds"]));
        }
        row["prefill"]["seconds_ceiling"] = json!(number(&full["prefill"]["work"]) / number(&row["prefill"]["work"]));
        row
    };
    rows.iter().map(add).collect()
}

fn host_table(place: &str, context: u32, rows: &[Value]) -> String {
    let mut out = String::new();
    if rows.is_empty() {
        return out;
    }
    let title = format!("{place}, hosts, {context} tokens");
    let _ = writeln!(
        out,
        "\n{title:<34}{:>14}{:>8}{:>9}{:>12}{:>8}{:>12}",
        "reading s", "ratio", "at most", "a token ms", "ratio", "sent bytes"
    );
    for row in rows {
        let of = |phase: &str, name: &str| number(&row[phase][name]);
        let (reading, token) = (of("prefill", "seconds"), of("decode", "seconds") * 1e3);
        let _ = writeln!(
            out,
            "  {:<32}{reading:>14.3}{:>7.2}x{:>8.2}x{token:>12.3}{:>7.2}x{:>12.0}",
            row["name"].as_str().unwrap_or_default(),
            of("prefill", "seconds_ratio"),
            of("prefill", "seconds_ceiling"),
            of("decode", "seconds_ratio"),
            of("decode", "exchanged"),
        );
    }
    out
}
