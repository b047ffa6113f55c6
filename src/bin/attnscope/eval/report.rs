//! From the records of cases to a report a suite.

use super::{
    Origin,
    choice::{Budget, Choice},
    counter::{Cost, FORMULA},
    plan::Setting,
    run::Speed,
    store::Record,
    suite::{Case, Suite},
    values::{Values, worse},
};
use attnscope::{kernels::Precision, metrics};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A suite's report, as it is written to a file.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The suite.
    pub suite: Suite,
    model: String,
    model_sha256: String,
    split: &'static str,
    activations: &'static str,
    notes: [&'static str; 2],
    /// A row a setting.
    pub settings: Vec<Row>,
}

const NOTES: [&str; 2] = [
    "A hidden value is found when each of its digits is the best token while the right ones are fed (teacher-forced). It is \
     exact when the tokens before the digits are the best too: free-running greedy text then repeats it.",
    FORMULA,
];

/// A setting in a suite.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    /// Its label.
    pub label: String,
    /// Its method.
    pub method: Choice,
    /// Its budget.
    pub budget: Budget,
    /// The commit it was measured at, if that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Cases that were run.
    pub cases: usize,
    /// Metrics over all tokens or cases.
    pub metrics: BTreeMap<String, Stat>,
    /// Means over the cases.
    pub cost: BTreeMap<String, f64>,
    /// Means over the cases, tokens per second; unlike all else they depend on the machine. 0 where prompts were shared.
    pub speed: Speed,
    /// Case by case, with the means of its tokens; not of short questions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_case: Vec<Line>,
    /// Of short questions, which are many, by length: 1 where it was found, 0 where it was not, question by question.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found_by_length: BTreeMap<u32, String>,
}

/// A case of a setting.
#[derive(Debug, Deserialize, Serialize)]
pub struct Line {
    /// Name of the case.
    pub case: String,
    /// Tokens asked for.
    pub length: u32,
    /// Where the answer was in the prompt.
    pub depth: Option<f64>,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Metrics.
    pub metrics: BTreeMap<String, f64>,
    /// What it cost.
    pub cost: Cost,
    /// Tokens per second.
    pub speed: Speed,
}

/// A metric over many tokens or cases.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Stat {
    /// Mean.
    pub mean: f64,
    /// 95 of 100 are not worse.
    pub p95: f64,
    /// The worst.
    pub worst: f64,
    /// How many.
    pub count: usize,
}

/// The reports of all suites that have records.
pub fn reports(settings: &[Setting], cases: &[Case], records: &[Record], origin: &Origin) -> Vec<Report> {
    let report = |suite: Suite| {
        let find = |case: &Case, label: &str| {
            records.iter().find(|r| r.suite == suite && r.case == case.name && r.setting == label)
        };
        let in_suite = || cases.iter().filter(|case| case.suite == suite);
        let rows = settings.iter().filter_map(|setting| {
            let own: Vec<_> = in_suite()
                .filter_map(|case| {
                    let record = find(case, &setting.label)?;
                    let full = settings.iter().filter(|s| s.method.is_full());
                    let full = full.filter_map(|s| find(case, &s.label)).next();
                    let same = setting.same_text_as.as_deref().and_then(|label| find(case, label));
                    Some((record, derived(record, full, same)))
                })
                .collect();
            (!own.is_empty()).then(|| row(setting, &own, origin))
        });
        let rows: Vec<Row> = rows.collect();
        (!rows.is_empty()).then(|| Report {
            suite,
            model: origin.model.clone(),
            model_sha256: origin.sha256.clone(),
            split: origin.split.name(),
            activations: activations(suite, origin.fast),
            notes: NOTES,
            settings: rows,
        })
    };
    Suite::ALL.into_iter().filter_map(report).collect()
}

/// How the activations of a suite are held.
pub fn activations(suite: Suite, fast: bool) -> &'static str {
    if suite.precision(fast) == Precision::Exact { "f32" } else { "8 bits while decoding" }
}

/// A record's metrics and those that follow from other records of the case: full attention's, and that of the setting
/// whose text this one must repeat.
fn derived(record: &Record, full: Option<&Record>, same: Option<&Record>) -> Values {
    let mut values = record.values.clone();
    let mut put = |name: &str, value: f64| values.insert(name.to_owned(), vec![value]);
    let found = |record: &Record| record.values.get("found").is_some_and(|v| v[0] == 1.0);
    if full.is_some_and(found) {
        put("found_given_full", f64::from(u8::from(found(record))));
    }
    if let (Some(full), Some(own)) = (record.values.get("nll_full"), record.values.get("nll")) {
        let (delta, ratio) = metrics::perplexity_delta(full, own);
        put("perplexity", metrics::perplexity(own));
        put("perplexity_delta", delta);
        put("perplexity_ratio", ratio);
    }
    if record.suite == Suite::Speed {
        if let Some(full) = full {
            put("speedup_prefill", record.speed.prefill / full.speed.prefill);
            put("speedup_decode", record.speed.decode / full.speed.decode);
        }
        if record.cost.guesses > 0.0 {
            put("acceptance", record.cost.held / record.cost.guesses);
        }
        if let Some(same) = same {
            put("same_text", f64::from(u8::from(same.text == record.text)));
        }
    }
    values
}

fn row(setting: &Setting, own: &[(&Record, Values)], origin: &Origin) -> Row {
    let mut all = Values::new();
    for (name, values) in own.iter().flat_map(|(_, values)| values) {
        all.entry(name.clone()).or_default().extend(values);
    }
    let stat = |(name, values): (&String, &Vec<f64>)| {
        let s = metrics::summary(values, worse(name))?;
        Some((name.clone(), Stat { mean: s.mean, p95: s.p95, worst: s.worst, count: values.len() }))
    };
    let mean = |of: fn(&Record) -> f64| own.iter().map(|(record, _)| of(record)).sum::<f64>() / own.len() as f64;
    let mut cost: BTreeMap<String, f64> = BTreeMap::new();
    for (name, value) in own.iter().flat_map(|(record, _)| fields(&record.cost)) {
        *cost.entry(name).or_default() += value / own.len() as f64;
    }
    let brief = own.iter().all(|(record, _)| record.suite.is_brief());
    Row {
        label: setting.label.clone(),
        method: setting.method.clone(),
        budget: setting.budget,
        commit: origin.commit.clone(),
        cases: own.len(),
        metrics: all.iter().filter_map(stat).collect(),
        cost,
        speed: Speed { prefill: mean(|r| r.speed.prefill), decode: mean(|r| r.speed.decode) },
        by_case: if brief { Vec::new() } else { own.iter().map(|(record, values)| line(record, values)).collect() },
        found_by_length: if brief { found_by_length(own) } else { BTreeMap::new() },
    }
}

fn found_by_length(own: &[(&Record, Values)]) -> BTreeMap<u32, String> {
    let mut all: BTreeMap<u32, String> = BTreeMap::new();
    for (record, values) in own {
        let found = values.get("found").is_some_and(|found| found[0] == 1.0);
        all.entry(record.length).or_default().push(if found { '1' } else { '0' });
    }
    all
}

fn line(record: &Record, values: &Values) -> Line {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    Line {
        case: record.case.clone(),
        length: record.length,
        depth: record.depth,
        prompt_tokens: record.prompt_tokens,
        metrics: values.iter().map(|(name, values)| (name.clone(), mean(values))).collect(),
        cost: record.cost.clone(),
        speed: record.speed,
    }
}

/// The fields of a cost by name.
pub fn fields(cost: &Cost) -> Vec<(String, f64)> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(cost) else { return Vec::new() };
    fields.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()
}
