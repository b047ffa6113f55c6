//! `cargo xtask eval`: runs the published plan and brings the README's table and charts up to date with what came out.
//! What is finished stays finished until the library changes: an interrupted run goes on where it was.

mod figures;
mod pictures;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{model, sh, stamp};

const FOLDER: &str = "docs/evaluation";
/// What the advisor shows.
const FIGURES: &str = "figures.json";
const SUITES: [&str; 9] = ["passkey", "haystack", "keys", "chat", "text", "long_answer", "speed", "tagged", "pictures"];
const BEGIN: &str = "<!-- evaluation: made by `cargo xtask eval` from docs/evaluation; do not edit -->\n";
const END: &str = "<!-- /evaluation -->";

/// What to do.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask eval                 run the plan, hours on a small machine; resumes\n  \
        cargo xtask eval --suite text    one suite of it\n  \
        cargo xtask eval --only SnapKV   the settings with this in their label; the reports keep the others' rows\n  \
        cargo xtask eval --table         only the README, from the reports that are there\n  \
        cargo xtask eval --check         fail when the README and the reports disagree"
)]
pub struct Args {
    /// Run nothing, change nothing; fail when the README or a chart is not what the reports give
    #[arg(long, conflicts_with = "table")]
    check: bool,
    /// Run nothing; write the README's table from the reports that are there
    #[arg(long)]
    table: bool,
    /// Suites to run [default: all]
    #[arg(long, value_delimiter = ',')]
    suite: Vec<String>,
    /// Settings to run, by a text in their label, along with full attention; may be given several times [default: all]
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Cases run side by side [default: one a core]
    #[arg(long)]
    threads: Option<u32>,
}

/// Runs the task.
pub fn run(args: &Args) -> Result<()> {
    if args.check {
        return check();
    }
    if !args.table {
        measure(args)?;
    }
    let folder = sh::root().join(FOLDER);
    let (block, figures) = made(&folder)?;
    let path = sh::root().join("README.md");
    put(&path, &replaced(&fs::read_to_string(&path)?, &block)?)?;
    put(&folder.join(FIGURES), &figures)
}

/// Writes a file unless it is as it should be.
fn put(path: &Path, text: &str) -> Result<()> {
    let same = fs::read_to_string(path).is_ok_and(|old| old == text);
    if !same {
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    println!("{}  {}", if same { "same   " } else { "written" }, path.display());
    Ok(())
}

/// Fails when the README or a chart is not what the reports give.
pub fn check() -> Result<()> {
    let folder = sh::root().join(FOLDER);
    // A checkout on Windows has other line ends.
    let readme = fs::read_to_string(sh::root().join("README.md"))?.replace("\r\n", "\n");
    compare(&readme, &folder)
}

fn compare(readme: &str, folder: &Path) -> Result<()> {
    let (block, figures) = made(folder)?;
    if fs::read_to_string(folder.join(FIGURES)).unwrap_or_default().replace("\r\n", "\n") != figures {
        bail!("{FOLDER}/{FIGURES} is not what the reports give: run `cargo xtask eval --table` and commit the result");
    }
    if replaced(readme, &block)? != readme {
        bail!(
            "the README's evaluation is not what {FOLDER} gives: run `cargo xtask eval --table` and commit the result"
        );
    }
    for file in charts(folder)? {
        let svg = fs::read_to_string(folder.join(&file))?;
        let from = svg.split("<!-- drawn from ").nth(1).and_then(|rest| rest.split_once(" -->"));
        let Some((report, hash)) = from.and_then(|(from, _)| from.split_once(", sha256 ")) else {
            bail!("{file} does not say what it was drawn from");
        };
        let bytes = fs::read_to_string(folder.join(report)).with_context(|| report.to_owned())?.replace("\r\n", "\n");
        let now: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if now != hash {
            bail!("{file} was drawn from another {report}: run `cargo xtask eval` and commit the result");
        }
    }
    Ok(())
}

/// Builds the command line and runs the plan with it.
fn measure(args: &Args) -> Result<()> {
    let model = model::ensure()?;
    sh::step("Building the command line", || {
        sh::run_aside(sh::cargo().args(["build", "--release", "--features", "cli", "--bin", "attnscope"]))
    })?;
    let cli = sh::target_dir()?.join("release").join(format!("attnscope{}", std::env::consts::EXE_SUFFIX));
    let mut command = sh::in_root(cli);
    command.args(["eval", "--plan", "docs/evaluation/plan.json", "--out", FOLDER]).arg("--model").arg(model);
    command.args(["--build", &library()?]);
    if let Ok(commit) = sh::capture(sh::in_root("git").args(["rev-parse", "HEAD"])) {
        command.args(["--commit", &commit]);
    }
    if !args.suite.is_empty() {
        command.args(["--suite", &args.suite.join(",")]);
    }
    for text in &args.only {
        command.args(["--only", text]);
    }
    if let Some(threads) = args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    sh::run(&mut command)
}

/// Hash of the library's sources and of its dependencies: while it stays, so do results. The command line's own files
/// are left out; what it measures has a number of its own.
fn library() -> Result<String> {
    let root = sh::root();
    let mut inputs = vec!["Cargo.lock".to_owned()];
    for entry in fs::read_dir(root.join("src"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !["bin", "web", "web.rs"].contains(&name.as_str()) {
            inputs.push(format!("src/{name}"));
        }
    }
    inputs.sort();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    stamp::hash(&inputs, "")
}

/// What stands between the markers, and the figures for the advisor.
fn made(folder: &Path) -> Result<(String, String)> {
    let read = |path: PathBuf| -> Result<Value> {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    };
    let claims = serde_json::from_value::<table::Claims>(read(folder.join("claims.json"))?).context("claims.json")?;
    let mut reports = Vec::new();
    for suite in SUITES {
        let path = folder.join(format!("{suite}.json"));
        if path.exists() {
            reports.push((suite, read(path)?));
        }
    }
    Ok((table::markdown(&claims, &reports, &charts(folder)?)?, figures::json(&claims, &reports)))
}

/// The charts that are there.
fn charts(folder: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<Result<_>>()?;
    names.retain(|name| name.ends_with(".svg"));
    names.sort();
    Ok(names)
}

/// The README with another text between the markers.
fn replaced(readme: &str, block: &str) -> Result<String> {
    let (before, rest) = readme.split_once(BEGIN).context("the README has no place for the evaluation")?;
    let (_, after) = rest.split_once(END).context("the README's evaluation has no end")?;
    Ok(format!("{before}{BEGIN}{block}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a report, a chart of it and claims, and the README they give.
    fn evaluation() -> (PathBuf, String) {
        let folder = std::env::temp_dir().join(format!("attnscope-evaluation-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let report =
            r#"{"model": "tiny", "settings": [{"label": "A", "cases": 4, "metrics": {"kl": {"mean": 0.25}}}]}"#;
        let claims = r#"{"charts": [{"file": "kl.svg", "alt": "KL"}], "rows": [{"method": "A", "name": "a", "setting": "A", "note": "",
            "claims": [{"text": "2×", "source": "s"}], "ceiling": "3×", "measured": "KL {text:metrics.kl.mean:2}"}]}"#;
        let hash: String = Sha256::digest(report).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.join("text.json"), report).unwrap();
        fs::write(folder.join("claims.json"), claims).unwrap();
        fs::write(folder.join("kl.svg"), format!("<svg><!-- drawn from text.json, sha256 {hash} --></svg>")).unwrap();
        let (block, figures) = made(&folder).unwrap();
        fs::write(folder.join(FIGURES), figures).unwrap();
        let readme = replaced(&format!("before\n{BEGIN}{END}\nafter\n"), &block).unwrap();
        (folder, readme)
    }

    #[test]
    fn a_readme_or_a_chart_of_other_reports_is_found() {
        let (folder, readme) = evaluation();
        assert!(readme.contains("KL 0.25") && readme.ends_with("after\n"), "{readme}");
        compare(&readme, &folder).unwrap();
        assert!(compare(&readme.replace("0.25", "0.24"), &folder).is_err());
        let figures = fs::read_to_string(folder.join(FIGURES)).unwrap();
        fs::write(folder.join(FIGURES), "[]").unwrap();
        assert!(compare(&readme, &folder).unwrap_err().to_string().contains(FIGURES));
        fs::write(folder.join(FIGURES), figures).unwrap();
        let report = fs::read_to_string(folder.join("text.json")).unwrap();
        fs::write(folder.join("text.json"), report.replace("\"cases\": 4", "\"cases\": 5")).unwrap();
        let why = compare(&readme, &folder).unwrap_err().to_string();
        assert!(why.contains("kl.svg was drawn from another text.json"), "{why}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
