//! A run of a part of the plan keeps the rows of a report that is there: those of settings it does not run.

use super::{
    Origin, output,
    plan::Setting,
    report::{Report, Row, activations},
    suite::{Case, Suite},
};
use crate::Failure;
use serde::Deserialize;
use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

/// What is read of a report that is there.
#[derive(Deserialize)]
struct Earlier {
    model_sha256: String,
    split: String,
    activations: String,
    settings: Vec<Row>,
}

impl Earlier {
    /// `None` when there is no such file.
    fn read(path: &Path) -> Result<Option<Earlier>, Failure> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|why| Failure::file(path.display(), why))?,
        };
        let anew =
            |why| Failure::file(path.display(), format!("no report to keep rows of ({why}); --fresh replaces it"));
        serde_json::from_slice(&text).map(Some).map_err(anew)
    }

    /// Whether its rows may stand beside those of a run.
    fn is_like(&self, suite: Suite, origin: &Origin) -> bool {
        let own = (self.model_sha256.as_str(), self.split.as_str(), self.activations.as_str());
        own == (origin.sha256.as_str(), origin.split.name(), activations(suite, origin.fast))
    }
}

/// The rows in `folder` that stay when `running`, settings of `plan`, are run on `cases`: those of the settings that are
/// not run, if they are in the plan as they were.
///
/// # Errors
/// [`Failure::File`] for a report that cannot be read, and when the cases of a row that would stay are not the run's.
pub fn kept(
    folder: &Path,
    plan: &[Setting],
    running: &[Setting],
    cases: &[Case],
    origin: &Origin,
) -> Result<BTreeMap<Suite, Vec<Row>>, Failure> {
    let mut all = BTreeMap::new();
    for suite in Suite::ALL {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.suite == suite).collect();
        let runs = |label: &str| running.iter().any(|s| s.label == label && s.suites.contains(&suite));
        let others = || plan.iter().filter(|s| s.suites.contains(&suite) && !runs(&s.label));
        if cases.is_empty() || others().next().is_none() {
            continue;
        }
        let path = folder.join(output::file(suite));
        let Some(earlier) = Earlier::read(&path)?.filter(|earlier| earlier.is_like(suite, origin)) else { continue };
        let planned =
            |row: &Row| others().any(|s| (&s.label, &s.method, s.budget) == (&row.label, &row.method, row.budget));
        let rows: Vec<Row> = earlier.settings.into_iter().filter(planned).collect();
        if let Some(row) = rows.iter().find(|row| !has_cases(row, &cases)) {
            let [own, now] = [row.cases, cases.len()];
            let why = format!(
                "its row {:?} would stay and has other cases ({own}) than this run ({now}): run as many cases, run the \
                 whole suite, give another --out, or replace the report with --fresh",
                row.label
            );
            return Err(Failure::file(path.display(), why));
        }
        all.insert(suite, rows);
    }
    Ok(all)
}

/// Whether a row is of exactly these cases. Their names may be those of other prompts; tokens of prompts tell most apart.
fn has_cases(row: &Row, cases: &[&Case]) -> bool {
    if !row.found_by_length.is_empty() {
        let of = |length: u32| cases.iter().filter(|case| case.length == length).count();
        return row.cases == cases.len()
            && row.found_by_length.iter().all(|(&length, found)| found.len() == of(length));
    }
    let is_there = |case: &Case| {
        row.by_case.iter().any(|line| line.case == case.name && line.prompt_tokens == case.prompt_tokens())
    };
    row.by_case.len() == cases.len() && cases.iter().all(|case| is_there(case))
}

/// Puts the rows that stay beside those of the run, in the order of the plan.
pub fn merge(reports: &mut [Report], mut kept: BTreeMap<Suite, Vec<Row>>, plan: &[Setting]) {
    for report in reports {
        report.settings.extend(kept.remove(&report.suite).unwrap_or_default());
        report.settings.sort_by_key(|row| plan.iter().position(|setting| setting.label == row.label));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        material::Split,
        report,
        store::Record,
        suite::{Answer, Turn},
    };
    use super::*;
    use serde_json::json;
    use std::path::PathBuf;

    fn setting(label: &str, method: &str) -> Setting {
        let method = serde_json::from_value(json!({ "name": method })).unwrap();
        Setting { label: label.to_owned(), method, suites: vec![Suite::Keys], ..Setting::full() }
    }

    fn cases(names: &[&str]) -> Vec<Case> {
        let turns = || vec![Turn::new(vec![1; 5], vec![2], Answer::Forced)];
        let case =
            |name: &&str| Case { suite: Suite::Keys, name: (*name).to_owned(), length: 5, depth: None, turns: turns() };
        names.iter().map(case).collect()
    }

    fn origin(commit: &str) -> Origin {
        let commit = Some(commit.to_owned());
        let [model, sha256, build] = ["tiny", "5ha", "build"].map(str::to_owned);
        Origin { model, sha256, build, commit, split: Split::Report, fast: false }
    }

    fn reports(settings: &[Setting], cases: &[Case], origin: &Origin) -> Vec<Report> {
        let pairs = settings.iter().flat_map(|setting| cases.iter().map(move |case| (setting, case)));
        let record = |(setting, case): (&Setting, &Case)| Record {
            key: String::new(),
            suite: case.suite,
            setting: setting.label.clone(),
            case: case.name.clone(),
            length: case.length,
            depth: case.depth,
            prompt_tokens: case.prompt_tokens(),
            values: [("nll".to_owned(), vec![0.1 + 0.2])].into(),
            cost: super::super::counter::Cost::default(),
            speed: super::super::run::Speed::default(),
            text: None,
        };
        report::reports(settings, cases, &pairs.map(record).collect::<Vec<_>>(), origin)
    }

    /// A folder with the report of settings A to E, each on the cases x and y at the commit "old".
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("attnscope-merge-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let settings =
            [("A", "lru"), ("B", "lfu"), ("C", "fifo"), ("D", "lru"), ("E", "lru")].map(|(l, m)| setting(l, m));
        output::write(&reports(&settings, &cases(&["x", "y"]), &origin("old")), &folder).unwrap();
        folder
    }

    #[test]
    fn settings_that_are_not_run_keep_their_rows_if_the_plan_has_them_as_they_were() {
        let folder = folder("stay");
        // C is another method, D is gone, F is new; B is run.
        let plan = [("F", "lru"), ("E", "lru"), ("B", "lfu"), ("A", "lru"), ("C", "lfu")].map(|(l, m)| setting(l, m));
        let (running, cases, now) = (&plan[2..3], cases(&["x", "y"]), origin("new"));
        let kept = kept(&folder, &plan, running, &cases, &now).unwrap();
        let mut reports = reports(running, &cases, &now);
        merge(&mut reports, kept, &plan);
        let rows: Vec<_> = reports[0].settings.iter().map(|row| (row.label.as_str(), row.commit.as_deref())).collect();
        assert_eq!(rows, [("E", Some("old")), ("B", Some("new")), ("A", Some("old"))]);
        let text = fs::read(folder.join("keys.json")).unwrap();
        let before: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json!(reports[0].settings[2]), before["settings"][0], "what stays is as it was");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn rows_of_another_model_or_split_or_rounding_do_not_stay() {
        let folder = folder("other");
        let plan = [setting("A", "lru"), setting("B", "lfu")];
        let stay = |origin: &Origin| kept(&folder, &plan, &plan[..1], &cases(&["x", "y"]), origin).unwrap().len();
        assert_eq!(stay(&origin("new")), 1);
        assert_eq!(stay(&Origin { sha256: "5hb".to_owned(), ..origin("new") }), 0);
        assert_eq!(stay(&Origin { split: Split::Tune, ..origin("new") }), 0);
        assert_eq!(stay(&Origin { fast: true, ..origin("new") }), 0);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn rows_of_other_cases_are_refused_and_so_is_a_damaged_report() {
        let folder = folder("cases");
        let plan = [setting("A", "lru"), setting("B", "lfu")];
        let kept = |running: &[Setting], cases: &[Case]| {
            let kept = kept(&folder, &plan, running, cases, &origin("new"));
            kept.map(|rows| rows.values().map(Vec::len).sum::<usize>()).map_err(|why| why.to_string())
        };
        assert_eq!(kept(&plan[..1], &cases(&["y", "x"])), Ok(1));
        let mut longer = cases(&["x", "y"]);
        longer[1].turns[0].prompt.push(1);
        for cases in [cases(&["x"]), cases(&["x", "z"]), cases(&["x", "y", "z"]), longer] {
            let why = kept(&plan[..1], &cases).unwrap_err();
            assert!(why.contains("keys.json") && why.contains("\"B\"") && why.contains("--fresh"), "{why}");
            assert_eq!(kept(&plan, &cases), Ok(0), "all is run, nothing stays");
        }
        fs::write(folder.join("keys.json"), "{").unwrap();
        let cases = cases(&["x", "y"]);
        assert!(kept(&plan[..1], &cases).unwrap_err().contains("--fresh"));
        assert_eq!(kept(&plan, &cases), Ok(0));
        fs::remove_dir_all(&folder).unwrap();
    }
}
