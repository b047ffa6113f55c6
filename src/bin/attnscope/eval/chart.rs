//! Charts as SVG files, drawn from reports alone. Colours follow the reader's light or dark scheme.

mod bars;
mod heat;
mod lines;
mod pictures;
mod svg;

use super::{report::Report, suite::Suite};

/// The charts of a report, each with its file name; `from` says what they were drawn from.
pub fn of(report: &Report, from: &str) -> Vec<(String, String)> {
    let rows = &report.settings;
    match report.suite {
        Suite::Passkey => {
            vec![("passkey.svg".to_owned(), heat::passkeys("Passkeys on a line of their own", rows, from))]
        }
        Suite::Haystack => vec![("haystack.svg".to_owned(), heat::passkeys("Passkeys within a line", rows, from))],
        Suite::Text => vec![
            ("kl.svg".to_owned(), lines::divergence(rows, from)),
            ("bytes.svg".to_owned(), bars::bytes(rows, from)),
        ],
        Suite::Pictures => vec![("pictures.svg".to_owned(), pictures::by_budget(rows, from))],
        Suite::Keys | Suite::Chat | Suite::LongAnswer | Suite::Tagged | Suite::Speed => Vec::new(),
    }
}
