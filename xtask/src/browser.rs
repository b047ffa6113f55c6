//! A Chromium and its driver: named by the user, on the PATH, or installed where that needs no question.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{apt, sh};

const CHROMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const MAC: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
/// WebGPU on a processor alone, no sandbox because containers run as root, no talk with the network.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The two programs.
pub struct Browser {
    /// A Chromium.
    pub chrome: PathBuf,
    /// Its driver.
    pub driver: PathBuf,
}

/// Finds both, or installs both on a Debian where that asks nothing.
pub fn find() -> Result<Browser> {
    if let Some(browser) = look() {
        return Ok(browser);
    }
    apt::install("Chromium and its driver", &["chromium", "chromium-driver"])?;
    match look() {
        Some(browser) => Ok(browser),
        None => bail!(
            "no Chromium with its driver found. Install both (Debian: `apt-get install chromium chromium-driver`), or \
             set CHROME and CHROMEDRIVER to the two programs; their major versions must agree"
        ),
    }
}

/// Tells wasm-bindgen's test runner which browser to start and how; returns the file to name in its environment.
pub fn webdriver_json(chrome: &Path) -> Result<PathBuf> {
    let file = sh::target_dir()?.join("webdriver.json");
    let options = json!({ "goog:chromeOptions": { "binary": chrome, "args": FLAGS } });
    fs::write(&file, options.to_string()).with_context(|| file.display().to_string())?;
    Ok(file)
}

fn look() -> Option<Browser> {
    let chrome = named("CHROME").or_else(|| CHROMES.iter().find_map(|name| which::which(name).ok()));
    let chrome = chrome.or_else(|| Some(PathBuf::from(MAC)).filter(|mac| mac.is_file()))?;
    let driver = named("CHROMEDRIVER").or_else(|| which::which("chromedriver").ok())?;
    Some(Browser { chrome, driver })
}

fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from)
}
