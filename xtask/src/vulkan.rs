//! A Vulkan driver for the native GPU tests: the machine's own, or Mesa's, which computes on the processor.

use std::fs;

use anyhow::{Result, bail};

use crate::apt;

/// Where drivers announce themselves on Linux; elsewhere the system has one.
const FOLDERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// Installs Mesa's software driver where there is none.
pub fn ensure() -> Result<()> {
    if there() {
        return Ok(());
    }
    apt::install("a Vulkan driver that needs no GPU", &["mesa-vulkan-drivers", "libvulkan1"])?;
    if !there() {
        bail!("no Vulkan driver found. Install one (Debian: `apt-get install mesa-vulkan-drivers libvulkan1`)");
    }
    Ok(())
}

fn there() -> bool {
    let some = |folder: &&str| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
    !cfg!(target_os = "linux") || FOLDERS.iter().any(some)
}
