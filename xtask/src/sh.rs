//! Running other programs and finding our folders.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use etcetera::BaseStrategy;

/// The repository: the parent of this package. As `cargo run` names it now and not as it was when this was compiled:
/// clones that share a target folder share this program.
pub fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().unwrap_or(&here).to_path_buf()
}

/// Where the model and the built tools are kept, shared by all clones: `${XDG_CACHE_HOME:-~/.cache}/attnscope`.
pub fn cache() -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy().context("no home folder: set XDG_CACHE_HOME")?;
    Ok(base.cache_dir().join("attnscope"))
}

/// Cargo's target folder, wherever the user's settings put it.
pub fn target_dir() -> Result<PathBuf> {
    let out = capture(cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]))?;
    let meta: serde_json::Value = serde_json::from_str(&out).context("cargo metadata")?;
    let dir = meta["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(dir))
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    in_root(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
}

/// npm, which is a script with another name on Windows.
pub fn npm() -> Command {
    in_root(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// node.
pub fn node() -> Command {
    in_root("node")
}

/// A program started from the repository's root.
pub fn in_root(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Runs a command after showing it; fails with the command line when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    eprintln!("    $ {line}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Like [`run`], with the program's output on stderr: a task's stdout is its result.
pub fn run_aside(command: &mut Command) -> Result<()> {
    run(command.stdout(std::io::stderr()))
}

/// What a command prints.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = show(command);
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !out.status.success() {
        bail!("`{line}` failed ({}): {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// True when the command starts and succeeds; prints nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Says what is being done, does it, says how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {what}");
    let start = Instant::now();
    let done = work().with_context(|| what.to_owned())?;
    eprintln!("    {:.1} s", start.elapsed().as_secs_f32());
    Ok(done)
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
