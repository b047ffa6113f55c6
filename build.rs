//! Puts the WGSL kernels, without comments and indentation, where the library includes them from: a third of their text
//! is for readers, and a page would load it.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/kernels");
    let out = env::var("OUT_DIR")?;
    // Of a kernel that is gone nothing stays.
    fs::remove_dir_all(&out).and_then(|()| fs::create_dir_all(&out))?;
    for entry in fs::read_dir("src/kernels")? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "wgsl")
            && let Some(name) = path.file_name()
        {
            fs::write(Path::new(&out).join(name), bare(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}

/// WGSL has no strings, so two slashes are always a comment.
fn bare(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    code.filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
}
