//! Digits read of drawings, by how many of their rows were kept: a plot for each number of pictures, a line a method.

use super::super::report::Row;
use super::svg::{Anchor, Svg, series};
use std::collections::BTreeMap;

const COLUMNS: usize = 2;
/// Room for one plot with its axes.
const TILE: [f64; 2] = [350.0, 230.0];
/// From the edge of a tile to its plot, and how large that is.
const INSET: [f64; 2] = [46.0, 30.0];
const PLOT: [f64; 2] = [280.0, 160.0];
const TOP: f64 = 34.0;
/// What labels of this suite begin with.
const PREFIX: &str = "Pictures: ";
/// Chance: ten digits.
const CHANCE: f64 = 0.1;

/// A method's points `[share of rows, share of questions]`, descending in rows.
type Lines = BTreeMap<String, Vec<[f64; 2]>>;

/// The chart of the suite.
pub fn by_budget(rows: &[Row], from: &str) -> String {
    let mut counts: Vec<u32> = rows.iter().flat_map(|row| row.found_by_length.keys().copied()).collect();
    counts.sort_unstable();
    counts.dedup();
    // In the order of the plan, whichever numbers of pictures a method was asked about.
    let mut names: Vec<String> = Vec::new();
    rows.iter().filter_map(method).for_each(|name| {
        if !names.contains(&name) {
            names.push(name)
        }
    });
    let height = TOP + TILE[1] * counts.len().div_ceil(COLUMNS) as f64;
    let mut svg = Svg::new(TILE[0] * COLUMNS as f64 + 190.0, height.max(TOP + 20.0 * (names.len() + 2) as f64));
    let title = "Digits read, by the rows of the pictures that are kept";
    svg.text([12.0, 22.0], Anchor::Start, "h", title);
    for (n, &count) in counts.iter().enumerate() {
        let at = [TILE[0] * (n % COLUMNS) as f64, TOP + TILE[1] * (n / COLUMNS) as f64];
        plot(&mut svg, at, count, &lines(rows, count), &names);
    }
    let left = TILE[0] * COLUMNS as f64;
    for (n, name) in names.iter().enumerate() {
        let y = TOP + INSET[1] + 8.0 + 20.0 * n as f64;
        svg.dot([left, y - 4.0], &series(n), name);
        svg.text([left + 12.0, y], Anchor::Start, "t", name);
    }
    svg.finish(title, from)
}

fn plot(svg: &mut Svg, [left, top]: [f64; 2], count: u32, lines: &Lines, names: &[String]) {
    let [left, top] = [left + INSET[0], top + INSET[1]];
    let x = |share: f64| left + PLOT[0] * (1.0 - share);
    let y = |found: f64| top + PLOT[1] * (1.0 - found);
    let plural = if count == 1 { "" } else { "s" };
    svg.text([left, top - 8.0], Anchor::Start, "t", &format!("{count} picture{plural}"));
    for percent in [0, 25, 50, 75, 100] {
        let at = y(f64::from(percent) / 100.0);
        svg.line(&[[left, at], [left + PLOT[0], at]], "g");
        svg.text([left - 6.0, at + 4.0], Anchor::End, "m", &format!("{percent} %"));
    }
    for percent in [100, 50, 30, 20, 10] {
        svg.text([x(f64::from(percent) / 100.0), top + PLOT[1] + 16.0], Anchor::Middle, "m", &percent.to_string());
    }
    svg.text([left + PLOT[0], top + PLOT[1] + 16.0], Anchor::End, "m", "% kept");
    svg.text([left + PLOT[0], y(CHANCE) - 4.0], Anchor::End, "m", "chance");
    svg.line(&[[left, y(CHANCE)], [left + PLOT[0], y(CHANCE)]], "g");
    for (n, name) in names.iter().enumerate() {
        let Some(points) = lines.get(name) else { continue };
        let at: Vec<[f64; 2]> = points.iter().map(|[share, found]| [x(*share), y(*found)]).collect();
        svg.line(&at, &series(n));
        for (at, [share, found]) in at.iter().zip(points) {
            let rows = 100.0 * share;
            svg.dot(*at, &series(n), &format!("{name}: {:.1} % read with {rows:.0} % of the rows", 100.0 * found));
        }
    }
}

/// The lines for one number of pictures; each begins with full attention.
fn lines(rows: &[Row], count: u32) -> Lines {
    let found = |row: &Row| {
        let all = row.found_by_length.get(&count)?;
        Some(all.chars().filter(|found| *found == '1').count() as f64 / all.len().max(1) as f64)
    };
    let full = rows.iter().filter(|row| row.method.is_full()).find_map(found);
    let mut lines = Lines::new();
    for row in rows {
        let (Some(name), Some(budget), Some(found)) = (method(row), row.budget, found(row)) else { continue };
        let begin = full.map(|found| [1.0, found]).into_iter().collect();
        lines.entry(name).or_insert_with(|| begin).push([budget, found]);
    }
    lines.values_mut().for_each(|points| points.sort_by(|a, b| b[0].total_cmp(&a[0])));
    lines
}

/// What a setting is called whatever its budget; none for full attention.
fn method(row: &Row) -> Option<String> {
    row.budget?;
    let label = row.label.strip_prefix(PREFIX).unwrap_or(&row.label);
    Some(label.rsplit_once(',').map_or(label, |(name, _)| name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_full_attention_and_loses_rows_to_the_right() {
        let row = |label: &str, method: &str, budget: Option<f64>, found: &str| -> Row {
            let row = serde_json::json!({ "label": label, "method": { "name": method }, "budget": budget, "cases": 4, "metrics": {},
                "cost": {}, "speed": { "prefill": 0.0, "decode": 0.0 }, "found_by_length": { "2": found } });
            serde_json::from_value(row).unwrap()
        };
        let rows = [
            row("full", "full", None, "1111"),
            row("Pictures: A, merged, 20 % of the rows", "look_m", Some(0.2), "1000"),
            row("Pictures: A, merged, 50 % of the rows", "look_m", Some(0.5), "1100"),
        ];
        let lines = lines(&rows, 2);
        assert_eq!(lines["A, merged"], [[1.0, 1.0], [0.5, 0.5], [0.2, 0.25]]);
        assert!(super::lines(&rows, 4).is_empty());
        let svg = by_budget(&rows, "here");
        assert!(svg.contains("2 pictures") && svg.contains("A, merged: 25.0 % read with 20 % of the rows"), "{svg}");
    }
}
