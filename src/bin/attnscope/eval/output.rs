//! Reports as files, as a table, as JSON and as comma-separated values.

use super::{
    chart,
    report::{Report, Row, fields},
    suite::Suite,
};
use crate::Failure;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::Path,
};

/// Writes `<suite>.json` for every report, and the charts that it gives. A chart names the hash of the report it was
/// drawn from, so that a check finds charts of another.
///
/// # Errors
/// [`Failure::File`].
pub fn write(reports: &[Report], folder: &Path) -> Result<(), Failure> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|why| Failure::file(path.display(), why))
    };
    for report in reports {
        let name = file(report.suite);
        let json = serde_json::to_string_pretty(report).map_err(|why| Failure::file(&name, why))? + "\n";
        put(&name, &json)?;
        let from = format!("{name}, sha256 {}", super::hex(&Sha256::digest(&json)));
        for (name, svg) in chart::of(report, &from) {
            put(&name, &svg)?;
        }
    }
    Ok(())
}

/// The file name of a suite's report.
pub fn file(suite: Suite) -> String {
    format!("{}.json", suite.name())
}

/// Prints reports.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(reports: &[Report], json: bool, csv: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::json!(reports))?;
    } else if csv {
        lines(reports, &mut out)?;
    } else {
        reports.iter().try_for_each(|report| table(report, &mut out))?;
    }
    Ok(())
}

/// The columns of a suite's table: heading, and the figure as a number of digits after the point.
type Column = (&'static str, fn(&Row) -> Option<f64>, usize);

fn columns(suite: Suite) -> Vec<Column> {
    fn metric(row: &Row, name: &str) -> Option<f64> {
        row.metrics.get(name).map(|stat| stat.mean)
    }
    let mut columns: Vec<Column> = match suite {
        Suite::Passkey | Suite::Haystack | Suite::Keys | Suite::Chat | Suite::Pictures => vec![
            ("found", |r| metric(r, "found"), 3),
            ("of full's", |r| metric(r, "found_given_full"), 3),
            ("exact", |r| metric(r, "exact"), 3),
            ("nll", |r| metric(r, "nll"), 3),
        ],
        Suite::Text | Suite::LongAnswer | Suite::Tagged => vec![
            ("KL", |r| metric(r, "kl"), 5),
            ("p95", |r| Some(r.metrics.get("kl")?.p95), 4),
            ("top-1", |r| metric(r, "top1"), 3),
            ("top-5", |r| metric(r, "top5"), 3),
            ("ppl +", |r| metric(r, "perplexity_delta"), 3),
            ("recall", |r| metric(r, "attention_recall"), 3),
            ("out err", |r| metric(r, "output_error"), 3),
        ],
        Suite::Speed => vec![
            ("prefill/s", |r| Some(r.speed.prefill), 1),
            ("decode/s", |r| Some(r.speed.decode), 1),
            ("ceiling", |r| r.cost.get("ceiling").copied(), 2),
            ("accepted", |r| metric(r, "acceptance"), 3),
        ],
    };
    let cost: [Column; 4] = [
        ("stored", |r| r.cost.get("stored_share").copied(), 3),
        ("read", |r| r.cost.get("read_share").copied(), 3),
        ("density", |r| r.cost.get("density").copied(), 3),
        ("peak MB", |r| Some(r.cost.get("peak")? / 1e6), 2),
    ];
    columns.extend(cost);
    columns
}

fn table(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let columns = columns(report.suite);
    let width = report.settings.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    write!(out, "{:width$} cases", report.suite.name())?;
    columns.iter().try_for_each(|(heading, ..)| write!(out, " {heading:>9}"))?;
    writeln!(out)?;
    for row in &report.settings {
        write!(out, "{:width$} {:>5}", row.label, row.cases)?;
        for (_, figure, digits) in &columns {
            let figure = figure(row).map_or_else(|| "–".to_owned(), |x| format!("{x:.digits$}"));
            write!(out, " {figure:>9}")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// A line a case, with all columns that any suite has.
fn lines(reports: &[Report], out: &mut impl Write) -> io::Result<()> {
    let rows = || reports.iter().flat_map(|report| report.settings.iter().map(move |row| (report.suite, row)));
    let metrics: BTreeSet<&str> = rows().flat_map(|(_, row)| row.metrics.keys()).map(String::as_str).collect();
    let costs: BTreeSet<&str> = rows().flat_map(|(_, row)| row.cost.keys()).map(String::as_str).collect();
    let names: Vec<&str> = metrics.into_iter().chain(costs).collect();
    writeln!(out, "suite,setting,case,length,depth,prompt_tokens,{},prefill_tps,decode_tps", names.join(","))?;
    for (suite, row) in rows() {
        let begin = format!("{},\"{}\"", suite.name(), row.label.replace('"', "\"\""));
        for line in &row.by_case {
            let depth = line.depth.map_or_else(String::new, |depth| depth.to_string());
            write!(out, "{begin},{},{},{depth},{}", line.case, line.length, line.prompt_tokens)?;
            let cost: BTreeMap<String, f64> = fields(&line.cost).into_iter().collect();
            let figures = names.iter().map(|name| line.metrics.get(*name).or_else(|| cost.get(*name)).copied());
            finish_line(figures.chain([Some(line.speed.prefill), Some(line.speed.decode)]), out)?;
        }
        for (length, all) in &row.found_by_length {
            for (n, found) in all.chars().enumerate() {
                write!(out, "{begin},{length}-{n:03},{length},,")?;
                let figures = names.iter().map(|name| (*name == "found").then(|| f64::from(u8::from(found == '1'))));
                finish_line(figures.chain([None, None]), out)?;
            }
        }
    }
    Ok(())
}

/// The figures of a line, empty where there is none.
fn finish_line(figures: impl Iterator<Item = Option<f64>>, out: &mut impl Write) -> io::Result<()> {
    for figure in figures {
        write!(out, ",{}", figure.map_or_else(String::new, |x| x.to_string()))?;
    }
    writeln!(out)
}
