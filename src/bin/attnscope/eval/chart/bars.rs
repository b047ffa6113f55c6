//! Bytes of keys and values held at the end, held at most and read for a token, as shares of full attention's.

use super::super::report::Row;
use super::svg::{Anchor, Svg, series};

/// Where the bars begin, and the length of a share of 1.
const LEFT: f64 = 300.0;
const UNIT: f64 = 360.0;
/// Letters in a line of the text before the bars.
const LETTERS: usize = 46;
const BAR: f64 = 7.0;
const ROW: f64 = 32.0;
const TOP: f64 = 64.0;
/// A peak can be above full attention's bytes; longer bars are cut here.
const MOST: f64 = 1.2;

/// A bar's name and its share.
type Bar = (&'static str, fn(&Row) -> Option<f64>);

const BARS: [Bar; 3] = [
    ("stored", |row| row.cost.get("stored_share").copied()),
    ("peak", |row| Some(row.cost.get("peak")? / row.cost.get("stored_full")?)),
    ("read a token", |row| row.cost.get("read_share").copied()),
];

/// The chart of bytes.
pub fn bytes(rows: &[Row], from: &str) -> String {
    let height = TOP + ROW * rows.len() as f64;
    let mut svg = Svg::new(LEFT + UNIT * MOST + 60.0, height + 30.0);
    let title = "Bytes of keys and values, share of full attention's";
    svg.text([12.0, 22.0], Anchor::Start, "h", title);
    for (n, (name, _)) in BARS.iter().enumerate() {
        let x = LEFT + 110.0 * n as f64;
        svg.rect([x, 34.0], [BAR, BAR], &series(n), name);
        svg.text([x + 14.0, 42.0], Anchor::Start, "t", name);
    }
    for percent in (0..=100).step_by(25) {
        let x = LEFT + UNIT * f64::from(percent) / 100.0;
        svg.line(&[[x, TOP - 8.0], [x, height]], "g");
        svg.text([x, height + 18.0], Anchor::Middle, "m", &format!("{percent} %"));
    }
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        svg.lines([LEFT - 10.0, y + 15.0], Anchor::End, "t", &row.label, LETTERS);
        for (n, (name, share)) in BARS.iter().enumerate() {
            let Some(share) = share(row) else { continue };
            let title = format!("{}, {name}: {:.1} %", row.label, share * 100.0);
            svg.rect([LEFT, y + (BAR + 1.0) * n as f64], [UNIT * share.clamp(0.0, MOST), BAR], &series(n), &title);
        }
    }
    svg.finish(title, from)
}
