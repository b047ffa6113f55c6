//! Found and lost passkeys, a small map of length and depth for each setting.

use super::super::report::Row;
use super::svg::{Anchor, Svg};

const CELL: [f64; 2] = [11.0, 11.0];
const COLUMNS: usize = 2;
/// Room for one map with its heading of at most two lines.
const TILE: [f64; 2] = [450.0, 110.0];
/// Letters in a line of a heading.
const LETTERS: usize = 70;
/// From the edge of a tile to its map.
const INSET: [f64; 2] = [46.0, 38.0];

/// The chart of a suite of passkeys.
pub fn passkeys(title: &str, rows: &[Row], from: &str) -> String {
    let lines = rows.len().div_ceil(COLUMNS);
    let mut svg = Svg::new(TILE[0] * COLUMNS as f64, 64.0 + TILE[1] * lines as f64);
    let title = format!("{title}, by length and depth");
    svg.text([12.0, 22.0], Anchor::Start, "h", &title);
    svg.rect([12.0, 34.0], CELL, "yes", "found");
    svg.text([28.0, 44.0], Anchor::Start, "t", "found");
    svg.rect([80.0, 34.0], CELL, "no", "lost");
    svg.text(
        [96.0, 44.0],
        Anchor::Start,
        "t",
        "lost; a row is a prompt length, left to right the key is deeper in the text",
    );
    for (n, row) in rows.iter().enumerate() {
        map(&mut svg, row, [TILE[0] * (n % COLUMNS) as f64 + 12.0, 60.0 + TILE[1] * (n / COLUMNS) as f64]);
    }
    svg.finish(&title, from)
}

fn map(svg: &mut Svg, row: &Row, [left, top]: [f64; 2]) {
    let hit = |metrics: &std::collections::BTreeMap<String, f64>| metrics.get("found").copied().unwrap_or(0.0);
    let found = row.by_case.iter().filter(|line| hit(&line.metrics) == 1.0).count();
    let heading = format!("{}: {found}/{}", row.label, row.by_case.len());
    svg.lines([left, top + 23.0], Anchor::Start, "t", &heading, LETTERS);
    let mut lengths: Vec<u32> = row.by_case.iter().map(|line| line.length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for (i, length) in lengths.iter().enumerate() {
        let y = top + INSET[1] + (CELL[1] + 4.0) * i as f64;
        svg.text([left + INSET[0] - 6.0, y + 10.0], Anchor::End, "m", &length.to_string());
        for (j, line) in row.by_case.iter().filter(|line| line.length == *length).enumerate() {
            let class = if hit(&line.metrics) == 1.0 { "yes" } else { "no" };
            let depth = line.depth.map_or_else(String::new, |depth| format!(", depth {:.0} %", depth * 100.0));
            let title = format!("{} tokens{depth}", line.prompt_tokens);
            svg.rect([left + INSET[0] + (CELL[0] + 3.0) * j as f64, y], CELL, class, &title);
        }
    }
}
