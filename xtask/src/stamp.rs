//! Skipping a step whose inputs did not change: a file in the target folder holds the hash of all inputs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::sh;

/// Folders that hold results or other people's files.
const NOT_INPUT: [&str; 3] = ["node_modules", "dist", ".svelte-kit"];

/// The state of some inputs, and where the state of the last good run is kept.
pub struct Stamp {
    file: PathBuf,
    result: PathBuf,
    now: String,
}

impl Stamp {
    /// Hashes files and folders (missing ones count as empty) and a text of settings. `result` is what the step makes.
    /// All paths are taken from the root.
    pub fn new(name: &str, result: &str, inputs: &[&str], settings: &str) -> Result<Self> {
        let now = hash(inputs, settings)?;
        let folder = sh::target_dir()?.join("xtask-stamps");
        fs::create_dir_all(&folder)?;
        Ok(Self { file: folder.join(name), result: sh::root().join(result), now })
    }

    /// True when the last good run had the same inputs and its result is still there.
    pub fn fresh(&self) -> bool {
        self.result.exists() && fs::read_to_string(&self.file).is_ok_and(|last| last == self.now)
    }

    /// To be called after a good run.
    pub fn write(&self) -> Result<()> {
        fs::write(&self.file, &self.now).with_context(|| self.file.display().to_string())
    }
}

/// The hash of files, folders and settings, as [`Stamp::new`] takes them.
pub fn hash(inputs: &[&str], settings: &str) -> Result<String> {
    let mut sha = Sha256::new();
    sha.update(settings);
    for input in inputs {
        add(&mut sha, &sh::root().join(input))?;
    }
    Ok(sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn add(sha: &mut Sha256, path: &Path) -> Result<()> {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            if !entry.file_name().is_some_and(|name| NOT_INPUT.iter().any(|skip| name == *skip)) {
                add(sha, &entry)?;
            }
        }
    } else if path.is_file() {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        sha.update(path.to_string_lossy().as_bytes());
        sha.update(bytes.len().to_le_bytes());
        sha.update(bytes);
    }
    Ok(())
}
