//! What tasks need: each thing is installed only when it is missing, and says so. Tools that are built here go to the
//! cache folder, so that all clones share them and nothing is installed into the user's own cargo.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{browser, model, sh, stamp, vulkan};

const WASM: &str = "wasm32-unknown-unknown";
const WASM_PACK: &str = "0.15.1";
const NODE: u32 = 20;

/// Everything at once.
pub fn all() -> Result<()> {
    model::ensure()?;
    wasm_target()?;
    wasm_bindgen()?;
    wasm_pack()?;
    node_modules()?;
    browser::find()?;
    vulkan::ensure()?;
    eprintln!("==> Everything is there");
    Ok(())
}

/// Rust's standard library for wasm.
pub fn wasm_target() -> Result<()> {
    let libdir = sh::capture(sh::in_root("rustc").args(["--print", "target-libdir", "--target", WASM]))?;
    if PathBuf::from(libdir).is_dir() {
        return Ok(());
    }
    sh::step("Adding the wasm32 target to Rust", || {
        sh::run_aside(sh::in_root("rustup").args(["target", "add", WASM])).with_context(|| {
            format!("Rust cannot compile to wasm here. Without rustup, install your distribution's standard library for {WASM}")
        })
    })
}

/// The folder with wasm-bindgen and wasm-bindgen-test-runner, of exactly the version the crate uses.
pub fn wasm_bindgen() -> Result<PathBuf> {
    let version = locked("wasm-bindgen")?;
    // Without --locked: its own lock file names a crate that was withdrawn. A debug build: it is used for seconds.
    tool("wasm-bindgen-cli", "wasm-bindgen", &version, &["--debug"], "about 2 minutes, once")
}

/// The folder with wasm-pack.
pub fn wasm_pack() -> Result<PathBuf> {
    tool("wasm-pack", "wasm-pack", WASM_PACK, &["--debug", "--locked"], "about 3 minutes, once")
}

/// Builds a tool into its own folder by version: two clones that need two versions do not fight.
fn tool(package: &str, program: &str, version: &str, flags: &[&str], long: &str) -> Result<PathBuf> {
    let folder = sh::cache()?.join("tools").join(format!("{package}-{version}"));
    let bin = folder.join("bin");
    if sh::succeeds(Command::new(bin.join(program)).arg("--version")) {
        return Ok(bin);
    }
    sh::step(&format!("Building {package} {version} ({long}) into {}", folder.display()), || {
        fs::create_dir_all(&folder)?;
        let target = sh::target_dir()?.join("tools");
        // Outside the repository, whose settings (a target for wasm, a lock file) are not meant for a tool.
        sh::run_aside(
            sh::cargo()
                .current_dir(&folder)
                .args(["install", package, "--version", version, "--root"])
                .arg(&folder)
                .args(flags)
                .env("CARGO_TARGET_DIR", target),
        )
    })?;
    Ok(bin)
}

/// The version of a crate in Cargo.lock.
fn locked(krate: &str) -> Result<String> {
    let lock = fs::read_to_string(sh::root().join("Cargo.lock")).context("Cargo.lock")?;
    let name = format!("name = \"{krate}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.map(str::to_owned).with_context(|| format!("{krate} is not in Cargo.lock"))
}

/// The npm packages of the root's lock file, compared by its content: a fresh clone has fresh times.
pub fn node_modules() -> Result<()> {
    node()?;
    let lock = stamp::Stamp::new("npm", "node_modules/.package-lock.json", &["package-lock.json"], "")?;
    if lock.fresh() {
        return Ok(());
    }
    let quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    sh::step("Installing the npm packages", || {
        sh::run_aside(sh::npm().arg("ci").args(quiet)).or_else(|why| {
            // The lock file may lack the binaries of a system that nobody has built on. Not in CI: there it hides that
            // package.json and the lock file disagree.
            if env::var_os("CI").is_some() {
                return Err(why);
            }
            eprintln!("    {why:#}; trying without the lock file");
            sh::run_aside(sh::npm().args(["install", "--no-package-lock"]).args(quiet))
        })
    })?;
    lock.write()
}

/// Node, new enough.
pub fn node() -> Result<()> {
    let want = format!("Node {NODE} or newer is needed to build the page: https://nodejs.org or your package manager");
    let version = sh::capture(sh::node().arg("--version")).with_context(|| want.clone())?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        bail!("{want} (found {version})");
    }
    Ok(())
}
