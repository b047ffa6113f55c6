//! `cargo xtask build`: Rust -> .wasm -> bindings -> npm package -> page. Cargo knows what is fresh; the other steps
//! are skipped when their inputs did not change.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{setup, sh, stamp::Stamp};

/// The features that rustc and our SIMD code use, and no others: with `--all-features` wasm-opt writes modules that
/// browsers do not compile. `-O3` makes the file 24 kB larger; prompts are read as fast, and tokens made within the noise of
/// three in a hundred.
const OPT: [&str; 8] = [
    "-Os",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// How to build.
#[derive(clap::Args, Default)]
#[command(after_help = "Examples:\n  cargo xtask build\n  cargo xtask build --dev    quick to build, slow to run")]
pub struct Args {
    /// Neither link-time optimisation nor wasm-opt
    #[arg(long)]
    dev: bool,
}

/// Everything up to the page.
pub fn run(args: &Args) -> Result<()> {
    wasm(args.dev)?;
    npm_build("pkg", &["data/picture_projector.safetensors"])?;
    npm_build("www", &["pkg"])
}

/// The npm package alone.
pub fn package() -> Result<()> {
    wasm(false)?;
    npm_build("pkg", &["data/picture_projector.safetensors"])
}

/// The .wasm and its bindings in pkg/dist/wasm.
pub fn wasm(dev: bool) -> Result<()> {
    let module = compile(dev)?;
    let bin = setup::wasm_bindgen()?;
    setup::node_modules()?;
    let out = sh::root().join("pkg/dist/wasm");
    fs::create_dir_all(&out)?;
    let settings = format!("{} {dev} {OPT:?}", bin.display());
    let inputs = [&module.to_string_lossy(), "package-lock.json"];
    let stamp = Stamp::new("wasm", "pkg/dist/wasm/attnscope_bg.wasm", &inputs, &settings)?;
    if stamp.fresh() {
        return Ok(());
    }
    sh::step("wasm-bindgen", || {
        let flags = ["--target", "web", "--out-name", "attnscope", "--out-dir"];
        sh::run_aside(sh::in_root(bin.join("wasm-bindgen")).arg(&module).args(flags).arg(&out))
    })?;
    if !dev {
        let file = out.join("attnscope_bg.wasm");
        // Through npm: the `binaryen` package is wasm-opt compiled to JavaScript, the same on every system.
        let opt = sh::root().join("node_modules/binaryen/bin/wasm-opt");
        sh::step("wasm-opt", || sh::run_aside(sh::node().arg(opt).args(OPT).arg(&file).arg("-o").arg(&file)))?;
    }
    stamp.write()
}

/// The module as rustc left it, with function names. Asked for as a cdylib alone: together with the rlib that the
/// manifest also names, rustc drops link-time optimisation without a word.
pub fn compile(dev: bool) -> Result<PathBuf> {
    setup::wasm_target()?;
    let profile = if dev { "dev" } else { "release" };
    sh::step(&format!("Compiling to wasm ({profile})"), || {
        let what =
            ["rustc", "--lib", "--crate-type", "cdylib", "--features", "gpu", "--target", "wasm32-unknown-unknown"];
        // RUSTFLAGS would replace the SIMD flags of .cargo/config.toml.
        sh::run_aside(sh::cargo().args(what).args(["--profile", profile]).env_remove("RUSTFLAGS"))
    })?;
    let folder = if dev { "debug" } else { "release" };
    Ok(sh::target_dir()?.join("wasm32-unknown-unknown").join(folder).join("attnscope.wasm"))
}

/// `npm run build` in a workspace, unless it and what it builds on are unchanged.
fn npm_build(workspace: &str, also: &[&str]) -> Result<()> {
    let folder = sh::root().join(workspace);
    if !folder.join("package.json").is_file() {
        bail!("{workspace}/package.json is not there");
    }
    let mut inputs = vec![workspace, "pkg/dist/wasm", "package-lock.json"];
    inputs.extend(also);
    let stamp = Stamp::new(workspace, &format!("{workspace}/dist"), &inputs, "")?;
    if stamp.fresh() {
        return Ok(());
    }
    sh::step(&format!("Building {workspace}"), || {
        sh::run_aside(sh::npm().args(["run", "build", "--silent", "--workspace", workspace]))
    })?;
    stamp.write()
}

/// The PATH with a folder in front of it.
pub fn path_with(folder: &Path) -> Result<OsString> {
    let old = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder.to_path_buf()).chain(env::split_paths(&old));
    env::join_paths(all).context("PATH")
}
