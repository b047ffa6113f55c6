//! The README's table: what is claimed, what the traffic allows at most, what was measured. Claims, their sources and
//! the reasons come from `claims.json`; every figure of ours comes from a report, by the `{suite:figure}` that names it.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// `claims.json`.
#[derive(Deserialize)]
pub struct Claims {
    pub rows: Vec<Row>,
    charts: Vec<Chart>,
}

/// What is claimed of a method, and which figures stand beside it.
#[derive(Deserialize)]
pub struct Row {
    method: String,
    /// In the registry.
    pub name: String,
    /// Label of the setting whose figures are shown.
    pub setting: String,
    pub claims: Vec<Claim>,
    /// Parts divided by `; `; a part whose figures were not measured is left out.
    ceiling: String,
    measured: String,
    note: String,
}

/// A claim and where it is made.
#[derive(Deserialize)]
pub struct Claim {
    pub text: String,
    pub source: String,
}

#[derive(Deserialize)]
struct Chart {
    file: String,
    alt: String,
}

/// A report by the name of its suite.
pub type Report = (&'static str, Value);

/// The text between the markers; `files` are the charts that are there.
pub fn markdown(claims: &Claims, reports: &[Report], files: &[String]) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "| method, setting | claimed | ceiling here | measured here | remarks |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for row in &claims.rows {
        let said = row.claims.iter().map(|claim| format!("{} ({})", claim.text, claim.source));
        let said = said.collect::<Vec<_>>().join("<br>");
        let cell = |template: &str| filled(template, &row.setting, reports);
        let name = if row.setting == row.method { row.method.clone() } else { format!("**{}**", row.setting) };
        let (ceiling, measured) = (cell(&row.ceiling)?, cell(&row.measured)?);
        writeln!(out, "| {name} | {said} | {ceiling} | {measured} | {} |", row.note)?;
    }
    if let Some((_, report)) = reports.first() {
        let text = |name: &str| report[name].as_str().unwrap_or("unknown").to_owned();
        let (model, hash) = (text("model"), text("model_sha256"));
        writeln!(
            out,
            "\nMeasured on {model} (sha256 {}…); speeds are those of one machine, one text at a time. A hidden number is \
             found when each of its digits is the best token while the right ones are fed.",
            &hash[..hash.len().min(12)]
        )?;
    }
    let look_m = claims.rows.iter().find(|row| row.name == "look_m").map_or(&[][..], |row| &row.claims);
    out += &super::pictures::markdown(reports, look_m);
    writeln!(out, "\nHow, and every figure: [docs/evaluation](docs/evaluation/README.md).")?;
    for chart in claims.charts.iter().filter(|chart| files.contains(&chart.file)) {
        writeln!(out, "\n![{}](docs/evaluation/{})", chart.alt, chart.file)?;
    }
    Ok(out)
}

/// A cell: the parts of `template` whose figures are all there.
fn filled(template: &str, setting: &str, reports: &[Report]) -> Result<String> {
    let mut parts = Vec::new();
    for part in template.split("; ") {
        parts.extend(figures(part, setting, reports).with_context(|| template.to_owned())?);
    }
    Ok(if parts.is_empty() { "not measured".to_owned() } else { parts.join("; ") })
}

/// `part` with every `{suite:figure}` replaced; `None` when one was not measured.
fn figures(part: &str, setting: &str, reports: &[Report]) -> Result<Option<String>> {
    let (mut out, mut rest) = (String::new(), part);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').context("a { without its }")?;
        let fields: Vec<&str> = name.split(':').collect();
        let (&[suite, path] | &[suite, path, _]) = fields.as_slice() else {
            bail!("{{{name}}} is no suite and figure")
        };
        let row = reports
            .iter()
            .find(|report| report.0 == suite)
            .and_then(|(_, report)| report["settings"].as_array()?.iter().find(|row| row["label"] == setting));
        let Some(text) = row.and_then(|row| figure(row, path, fields.get(2).copied())) else { return Ok(None) };
        out += before;
        out += &text;
        rest = after;
    }
    Ok(Some(out + rest))
}

/// `found`: how many of the cases; else the number at a path, of one case if it begins with `case.<name>.`, in percent or
/// with so many digits.
fn figure(row: &Value, path: &str, format: Option<&str>) -> Option<String> {
    if path == "found" {
        let (mean, cases) = (row["metrics"]["found"]["mean"].as_f64()?, row["cases"].as_u64()?);
        return Some(format!("{:.0} of {cases}", mean * cases as f64));
    }
    let value = number(row, path)?;
    Some(match format {
        Some("%") => format!("{:.0} %", value * 100.0),
        Some(digits) => format!("{value:.*}", digits.parse().ok()?),
        None => value.to_string(),
    })
}

/// The number at a path, of one case if it begins with `case.<name>.`.
pub fn number(row: &Value, path: &str) -> Option<f64> {
    let (row, path) = match path.strip_prefix("case.").and_then(|path| path.split_once('.')) {
        Some((case, path)) => (row["by_case"].as_array()?.iter().find(|line| line["case"] == case)?, path),
        None => (row, path),
    };
    path.split('.').fold(row, |value, name| &value[name]).as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_reports_and_what_is_not_there_is_left_out() {
        let report = serde_json::json!({ "settings": [
            { "label": "A", "cases": 40, "metrics": { "found": { "mean": 0.95 } }, "cost": { "read_share": 0.204 },
              "by_case": [{ "case": "b-8", "cost": { "ceiling": 1.5 } }] }
        ] });
        let reports = [("passkey", report)];
        let cell = |template: &str| filled(template, "A", &reports).unwrap();
        assert_eq!(
            cell("reads {passkey:cost.read_share:%}; KL {text:kl:3}; keys {passkey:found}"),
            "reads 20 %; keys 38 of 40"
        );
        assert_eq!(cell("{passkey:cost.read_share:2}×"), "0.20×");
        assert_eq!(cell("{passkey:case.b-8.cost.ceiling:1}×; {passkey:case.b-9.cost.ceiling:1}×"), "1.5×");
        assert_eq!(cell("KL {text:kl:3}"), "not measured");
        assert_eq!(filled("{passkey:found}", "B", &reports).unwrap(), "not measured");
        assert!(filled("{passkey", "A", &reports).is_err() && filled("{passkey}", "A", &reports).is_err());
    }
}
