//! `cargo xtask test`: what CI runs, in order. A check whose files are not there yet fails like any other: a part
//! that nobody tests must not look tested.

use std::cell::OnceCell;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::browser::{self, Browser};
use crate::{build, eval, generate, model, setup, sh, size, vulkan};

/// What to run.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test\n  cargo xtask test rust wasm\n  cargo xtask test page --keep-going"
)]
pub struct Args {
    /// Parts to run; all when none is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

/// A part of the checks.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Formatting, lints, native tests, generated files
    Rust,
    /// The .wasm and its tests in a browser
    Wasm,
    /// The npm package and the page
    Page,
    /// The page with the real model in a browser
    E2e,
}

use Part::{E2e, Page, Rust, Wasm};

/// A check: its part, its name, the files it needs, what it does.
struct Check(Part, &'static str, &'static [&'static str], fn(&Found) -> Result<()>);

const CHECKS: &[Check] = &[
    Check(Rust, "format", &[], |_| cargo(&["fmt", "--all", "--check"])),
    Check(Rust, "lint, native", &[], |_| lint(&["--workspace", "--all-targets", "--features", "cli,gpu"])),
    Check(Rust, "lint, wasm", &[], |_| {
        setup::wasm_target()?;
        lint(&["--lib", "--target", "wasm32-unknown-unknown"])?;
        lint(&["--lib", "--test", "web", "--target", "wasm32-unknown-unknown", "--features", "gpu"])
    }),
    Check(Rust, "native tests", &[], |found| {
        vulkan::ensure()?;
        let mut command = sh::cargo();
        command.args(["test", "--features", "cli,gpu"]).env("ATTNSCOPE_MODEL", found.model()?);
        // Without an adapter its tests would pass unrun; whoever wants that says so: ATTNSCOPE_GPU=optional.
        if env::var_os("ATTNSCOPE_GPU").is_none() {
            command.env("ATTNSCOPE_GPU", "required");
        }
        sh::run(&mut command)
    }),
    Check(Rust, "fuzz target", &["fuzz/Cargo.toml"], |_| {
        // A folder of its own: in one they would overwrite each other's library, built from other crates.
        let target = sh::target_dir()?.join("fuzz");
        let check = ["check", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"];
        sh::run(sh::cargo().args(check).arg(target))
    }),
    Check(Rust, "generated files", &["examples/gen.rs"], |_| generate::check()),
    Check(Rust, "evaluation's table", &["docs/evaluation/claims.json"], |_| eval::check()),
    Check(Wasm, "build the .wasm", &[], |_| build::wasm(false)),
    Check(Wasm, "tests in the browser", &["tests/web"], wasm_pack),
    Check(Page, "build the page", &["pkg/package.json", "www/package.json"], |_| build::run(&build::Args::default())),
    Check(Page, "limits of size", &["pkg/package.json"], |_| size::run()),
    Check(Page, "package pkg", &["pkg/package.json"], |_| npm("pkg", &[])),
    Check(Page, "page www", &["www/package.json"], |_| npm("www", &[])),
    Check(E2e, "page with the model", &["tests/e2e/package.json"], |found| {
        build::run(&build::Args::default())?;
        npm("tests/e2e", &[("CHROME", &found.browser()?.chrome), ("ATTNSCOPE_MODEL", found.model()?)])
    }),
];

/// Runs the checks; the last line on stdout counts them.
pub fn run(args: &Args) -> Result<ExitCode> {
    let found = Found::default();
    let mut rows = Vec::new();
    let (mut passed, mut failed) = (0, 0);
    for Check(part, name, files, work) in CHECKS {
        if !args.parts.is_empty() && !args.parts.contains(part) {
            continue;
        }
        let absent = files.iter().find(|file| !sh::root().join(file).exists());
        let start = Instant::now();
        let state = if let Some(file) = absent {
            failed += 1;
            format!("FAILED: {file} is not there")
        } else if failed > 0 && !args.keep_going {
            "not run".into()
        } else {
            eprintln!("\n=== {name}");
            match work(&found) {
                Ok(()) => {
                    passed += 1;
                    "passed".into()
                }
                Err(why) => {
                    eprintln!("error: {why:#}");
                    failed += 1;
                    "FAILED".into()
                }
            }
        };
        rows.push((*name, start.elapsed(), state));
    }
    println!();
    for (name, time, state) in &rows {
        println!("{name:<22} {:>7} s  {state}", seconds(*time));
    }
    println!("\n{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What several checks need, looked for once and only when one of them runs.
#[derive(Default)]
struct Found {
    model: OnceCell<PathBuf>,
    browser: OnceCell<Browser>,
}

impl Found {
    fn model(&self) -> Result<&PathBuf> {
        once(&self.model, model::ensure)
    }

    fn browser(&self) -> Result<&Browser> {
        once(&self.browser, browser::find)
    }
}

fn once<T>(cell: &OnceCell<T>, find: impl FnOnce() -> Result<T>) -> Result<&T> {
    if cell.get().is_none() {
        let _ = cell.set(find()?);
    }
    cell.get().context("set a line above")
}

fn cargo(args: &[&str]) -> Result<()> {
    sh::run(sh::cargo().args(args))
}

fn lint(what: &[&str]) -> Result<()> {
    sh::run(sh::cargo().arg("clippy").args(what).args(["--", "-D", "warnings"]))
}

fn wasm_pack(found: &Found) -> Result<()> {
    let browser = found.browser()?;
    let (bindgen, pack) = (setup::wasm_bindgen()?, setup::wasm_pack()?);
    // `no-install`: with the right wasm-bindgen on the PATH it needs to fetch nothing.
    let test = ["test", "--headless", "--chrome", "--mode", "no-install", "--chromedriver"];
    let mut command: Command = sh::in_root(pack.join("wasm-pack"));
    // It compiles first and tests then; without a profile in common the two would not share a single crate.
    command.args(test).arg(&browser.driver).args([
        "--",
        "--profile",
        "test",
        "--features",
        "gpu",
        "--lib",
        "--test",
        "web",
    ]);
    command.env("PATH", build::path_with(&bindgen)?).env_remove("RUSTFLAGS");
    command.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", browser::webdriver_json(&browser.chrome)?);
    if env::var_os("WASM_BINDGEN_TEST_TIMEOUT").is_none() {
        command.env("WASM_BINDGEN_TEST_TIMEOUT", "900");
    }
    sh::run(&mut command)
}

/// The scripts `check` (types, style), `docs` and `test` of a workspace, as far as it has them.
fn npm(workspace: &str, variables: &[(&str, &PathBuf)]) -> Result<()> {
    setup::node_modules()?;
    let manifest = fs::read_to_string(sh::root().join(workspace).join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let scripts: Vec<_> =
        ["check", "docs", "test"].into_iter().filter(|s| manifest["scripts"][s].is_string()).collect();
    if scripts.is_empty() {
        bail!("{workspace}/package.json has neither a script `check` nor a script `test`");
    }
    scripts.iter().try_for_each(|script| {
        sh::run(sh::npm().args(["run", script, "--workspace", workspace]).envs(variables.iter().copied()))
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f32())
}
