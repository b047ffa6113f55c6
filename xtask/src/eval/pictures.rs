//! The README's second table: how many questions about drawn digits are answered, by the number of pictures in the prompt.

use std::fmt::Write as _;

use serde_json::Value;

use super::table::{Claim, Report};

/// Numbers of pictures that the plan asks about.
const COUNTS: [&str; 4] = ["1", "2", "4", "8"];
/// What the labels of this suite's settings begin with.
const PREFIX: &str = "Pictures: ";
/// The share of the rows that stays where 80 % are dropped, as is claimed for LOOK-M; other shares are folded away.
const CLAIMED: f64 = 0.2;

/// The table with what is claimed of LOOK-M; nothing where nothing was measured.
pub fn markdown(reports: &[Report], claims: &[Claim]) -> String {
    let Some(rows) = reports.iter().find(|report| report.0 == "pictures").and_then(|(_, r)| r["settings"].as_array())
    else {
        return String::new();
    };
    let (shown, folded): (Vec<&Value>, Vec<&Value>) =
        rows.iter().partition(|row| row["budget"].as_f64().is_none_or(|share| share == CLAIMED));
    let mut out = table(&shown);
    if let Some(claim) = claims.last() {
        let of = rows.iter().filter_map(|row| row["cost"]["stored_share"].as_f64()).fold(1.0, f64::min);
        _ = writeln!(
            out,
            "\nClaimed for LOOK-M: {} ({}). Text is kept here and is much of so short a prompt: the smallest cache of the \
             suite has {:.0} % of the rows of text and pictures together.",
            claim.text,
            claim.source,
            100.0 * of
        );
    }
    if !folded.is_empty() {
        _ = write!(
            out,
            "\n<details><summary>The same with other shares of the rows</summary>\n{}\n</details>\n",
            table(&folded)
        );
    }
    out
}

fn table(rows: &[&Value]) -> String {
    let mut out = String::from("\n| digits read, of questions asked; pictures in the prompt:");
    COUNTS.iter().for_each(|count| _ = write!(out, " | {count}"));
    out += " | stored |\n|---|---|---|---|---|---|\n";
    for row in rows {
        let label = row["label"].as_str().unwrap_or_default();
        let cells: Vec<String> = COUNTS.iter().map(|&count| cell(row, count)).collect();
        let stored =
            row["cost"]["stored_share"].as_f64().map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share));
        _ = writeln!(out, "| {} | {} | {stored} |", label.strip_prefix(PREFIX).unwrap_or(label), cells.join(" | "));
    }
    out
}

/// `found of asked` with so many pictures.
fn cell(row: &Value, count: &str) -> String {
    let Some(all) = row["found_by_length"][count].as_str() else { return "–".to_owned() };
    let (found, asked) = (all.matches('1').count(), all.len());
    format!("{found} of {asked} ({:.0} %)", 100.0 * found as f64 / asked as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_counted_by_the_number_of_pictures() {
        let row = |label: &str, budget: f64| {
            json!({ "label": label, "budget": budget, "cost": { "stored_share": 0.51 },
                "found_by_length": { "4": "101", "8": "0" } })
        };
        let report = json!({ "settings": [row("Pictures: A 20 %", 0.2), row("Pictures: A 10 %", 0.1)] });
        let claim = Claim { text: "80 % less".to_owned(), source: "a paper".to_owned() };
        let text = markdown(&[("pictures", report)], &[claim]);
        let (shown, folded) = text.split_once("<details>").unwrap();
        assert!(shown.contains("| A 20 % | – | – | 2 of 3 (67 %) | 0 of 1 (0 %) | 51 % |\n"), "{text}");
        assert!(shown.contains("80 % less (a paper)") && !shown.contains("A 10 %"), "{text}");
        assert!(folded.contains("| A 10 % | – |") && folded.ends_with("|\n\n</details>\n"), "{text}");
        assert_eq!(markdown(&[("text", json!({ "settings": [] }))], &[]), "");
    }
}
