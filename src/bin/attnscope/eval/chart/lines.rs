//! Divergence from full attention against the share of its bytes that is read, a line a method. Methods that evict read
//! what they keep.

use super::super::report::Row;
use super::svg::{Anchor, Svg, series};

const SIZE: [f64; 2] = [760.0, 460.0];
/// Left, top, right and bottom of the plot.
const PLOT: [f64; 4] = [60.0, 44.0, 530.0, 410.0];
/// Divergences below it are drawn on the lower edge.
const LEAST: f64 = 1e-4;

/// A method's points `[share, divergence]`, with the label of each.
struct Series<'a> {
    title: String,
    points: Vec<([f64; 2], &'a str)>,
}

/// The chart of the suite `text`.
pub fn divergence(rows: &[Row], from: &str) -> String {
    let all = by_method(rows);
    let most = all.iter().flat_map(|s| &s.points).map(|p| p.0[1]).fold(LEAST * 10.0, f64::max);
    let decades = [LEAST.log10(), most.log10().ceil()];
    let [left, top, right, bottom] = PLOT;
    let x = |share: f64| left + (right - left) * share.clamp(0.0, 1.0);
    let y = |kl: f64| {
        let part = (kl.max(LEAST).log10() - decades[0]) / (decades[1] - decades[0]);
        bottom - (bottom - top) * part
    };
    let mut svg = Svg::new(SIZE[0], SIZE[1]);
    let title = "Divergence from full attention against bytes read";
    svg.text([left, 22.0], Anchor::Start, "h", title);
    for decade in decades[0] as i32..=decades[1] as i32 {
        let at = 10f64.powi(decade);
        svg.line(&[[left, y(at)], [right, y(at)]], "g");
        svg.text([left - 8.0, y(at) + 4.0], Anchor::End, "m", &format!("{at}"));
    }
    for percent in (0..=100).step_by(20) {
        let at = x(f64::from(percent) / 100.0);
        svg.line(&[[at, top], [at, bottom]], "g");
        svg.text([at, bottom + 18.0], Anchor::Middle, "m", &format!("{percent} %"));
    }
    svg.text([left, top - 8.0], Anchor::Start, "m", "KL, nats a token (mean)");
    svg.text(
        [right, bottom + 38.0],
        Anchor::End,
        "m",
        "bytes of keys and values read for a token, share of full attention's",
    );
    for (n, one) in all.iter().enumerate() {
        let class = series(n);
        let points: Vec<[f64; 2]> = one.points.iter().map(|([share, kl], _)| [x(*share), y(*kl)]).collect();
        svg.line(&points, &class);
        for (at, ([share, kl], label)) in points.iter().zip(&one.points) {
            svg.dot(*at, &class, &format!("{label}: KL {kl:.4} at {:.1} %", share * 100.0));
        }
        let at = top + 12.0 + 20.0 * n as f64;
        svg.dot([right + 24.0, at - 4.0], &class, &one.title);
        svg.text([right + 36.0, at], Anchor::Start, "t", &one.title);
    }
    svg.finish(title, from)
}

/// The settings that read less than full attention, by method and ascending in bytes.
fn by_method(rows: &[Row]) -> Vec<Series<'_>> {
    let mut all: Vec<Series> = Vec::new();
    for row in rows {
        let (Some(kl), Some(&share)) = (row.metrics.get("kl"), row.cost.get("read_share")) else { continue };
        if share >= 0.999 {
            continue;
        }
        let point = ([share, kl.mean], row.label.as_str());
        let title = row.method.title();
        match all.iter_mut().find(|series| series.title == title) {
            Some(series) => series.points.push(point),
            None => all.push(Series { title, points: vec![point] }),
        }
    }
    all.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0[0].total_cmp(&b.0[0])));
    all
}
