//! Puts the WGSL kernels, without comments and most blanks, where the library includes them from: more than a third of
//! their text is for readers, and a page would load it.

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
    code.filter(|line| !line.is_empty()).map(|line| dense(line) + "\n").collect()
}

/// Without the blanks beside signs that mean the same whatever comes next to them. Others do not: `> =` may end a type.
fn dense(line: &str) -> String {
    let is_sign = |c: char| "=,:;{}()+".contains(c);
    let mut out = String::new();
    for word in line.split_ascii_whitespace() {
        if !out.is_empty() && !out.ends_with(is_sign) && !word.starts_with(is_sign) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
