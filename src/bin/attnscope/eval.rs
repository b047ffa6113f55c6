//! `attnscope eval`: methods against full attention on the suites of a plan. Finished cases are kept in a file, so that
//! a run that was interrupted goes on where it was.

mod chart;
mod chat;
mod choice;
mod counter;
mod material;
mod merge;
mod only;
mod output;
mod pictures;
mod plan;
mod prompts;
mod report;
mod run;
mod store;
mod suite;
mod values;
mod work;

use crate::{Failure, model};
use material::{Material, Split};
use plan::Plan;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    env, fs,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};
use store::Store;
use store::hex;
use suite::Suite;

const EXAMPLES: &str = "Examples:
  attnscope eval --model smollm2.gguf --suite text --only 'SnapKV' --only full
  attnscope eval --model smollm2.gguf --suite passkey,keys --cases 1 --csv
  attnscope eval --model smollm2.gguf --plan docs/evaluation/plan.json --out artifacts/evaluation --threads 2
  attnscope eval --model smollm2.gguf --split tune --suite text --json

Started again with the same --out it skips what it has finished; interrupted it loses the running cases only.
A report that is there keeps its rows of the settings that are not run, if the plan still has them.
A setting of the plan, with its budget as a share of the prompt:
  {\"label\": \"SnapKV {}\", \"budgets\": [0.1, 0.2], \"suites\": [\"text\"],
   \"method\": {\"name\": \"snap_kv\", \"params\": {\"budget\": {\"share\": 1}}}}
{\"share\": 1, \"more\": 30, \"less\": 4} adds 30 tokens to the share and takes 4 away.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// GGUF file of a llama model
    #[arg(long, value_name = "FILE", env = "ATTNSCOPE_MODEL")]
    model: PathBuf,
    /// Plan of settings and sizes [default: the published one]
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Suites to run [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    suite: Vec<Suite>,
    /// Run settings whose label has this text in it, in upper or lower case, and what they are compared with, such as full
    /// attention; may be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Most cases of a length [default: as planned]
    #[arg(long)]
    cases: Option<u32>,
    /// Prompts to report on, or others to choose parameters by
    #[arg(long, value_enum, default_value_t)]
    split: Split,
    /// Cases run side by side; speed is always measured alone [default: one a core]
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Let quality suites round activations to 8 bits, as ordinary runs do
    #[arg(long)]
    fast: bool,
    /// Folder for reports, charts and finished cases
    #[arg(long, value_name = "FOLDER", default_value = "artifacts/evaluation")]
    out: PathBuf,
    /// Run nothing: report on the cases that are finished, also while another run goes on
    #[arg(long)]
    finished: bool,
    /// Replace reports that are there; no row of theirs is kept
    #[arg(long)]
    fresh: bool,
    /// Name of this build; cases finished by another are run again [default: hash of this program]
    #[arg(long)]
    build: Option<String>,
    /// Commit to write into the rows of this run
    #[arg(long)]
    commit: Option<String>,
    /// Print the reports as one JSON array
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print one line of comma-separated values for each case
    #[arg(long)]
    csv: bool,
}

/// Where results come from, for the reports and the keys of cases.
#[derive(Debug)]
pub struct Origin {
    /// The model's own name.
    pub model: String,
    /// Its file.
    pub sha256: String,
    /// The build.
    pub build: String,
    /// Its commit, if it was given.
    pub commit: Option<String>,
    /// Which prompts.
    pub split: Split,
    /// Whether activations are rounded wherever it is faster.
    pub fast: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let plan = Plan::read(args.plan.as_deref())?;
    let running = only::part(&plan.settings, &args.only);
    if running.is_empty() {
        return Err(Failure::file("--only", "no setting of the plan has this in its label"));
    }
    let material = Material::of(args.split).map_err(|why| Failure::file("the prompts", why))?;
    let mut sha = Sha256::new();
    let loaded = model::load(&args.model, |bytes| sha.update(bytes))?;
    let origin = Origin {
        model: loaded.name.clone(),
        sha256: hex(&sha.finalize()),
        build: args.build.clone().map_or_else(program, Ok)?,
        commit: args.commit.clone(),
        split: args.split,
        fast: args.fast,
    };
    fs::create_dir_all(&args.out).map_err(|why| Failure::file(args.out.display(), why))?;
    let store = Store::open(&args.out.join("cases.jsonl"))?;
    let mut cases = Vec::new();
    for suite in Suite::ALL {
        let used = running.iter().any(|setting| setting.suites.contains(&suite));
        if used && (args.suite.is_empty() || args.suite.contains(&suite)) {
            cases.extend(suite.cases(&plan.sizes, &material, args.cases, &loaded)?);
        }
    }
    let kept =
        if args.fresh { BTreeMap::new() } else { merge::kept(&args.out, &plan.settings, &running, &cases, &origin)? };
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let todo = if args.finished { work::Todo::Nothing } else { work::Todo::All { threads } };
    let records = work::all(&cases, &running, &origin, &loaded, &store, todo)?;
    let mut reports = report::reports(&running, &cases, &records, &origin);
    merge::merge(&mut reports, kept, &plan.settings);
    output::write(&reports, &args.out)?;
    output::print(&reports, args.json, args.csv)?;
    Ok(())
}

/// A hash of this program.
fn program() -> Result<String, Failure> {
    let read = |path: &Path| fs::read(path).map_err(|why| Failure::file(path.display(), why));
    let path = env::current_exe().map_err(|why| Failure::file("the path of this program", why))?;
    Ok(hex(&Sha256::digest(read(&path)?)[..8]))
}
