//! `figures.json`: what is published of each method and what was measured, as the advisor shows it.

use serde_json::{Value, json};

use super::table::{Claims, Report, number};

/// What is told of a method, the report that has it, and where.
const MEASURED: [(&str, &str, &str); 10] = [
    ("divergence from full attention, nats a token", "text", "metrics.kl.mean"),
    ("share of pass keys found", "passkey", "metrics.found.mean"),
    ("keys and values stored, share of full attention's", "text", "cost.stored_share"),
    ("keys and values read for a token, share of full attention's", "text", "cost.read_share"),
    ("divergence where most of the prompt is a picture", "tagged", "metrics.kl.mean"),
    ("keys and values stored there, share of full attention's", "tagged", "cost.stored_share"),
    ("share of numbers found that were told early in a chat", "chat", "metrics.found.mean"),
    ("keys and values read there, share of full attention's", "chat", "cost.read_share"),
    ("share of guesses that hold", "speed", "metrics.acceptance.mean"),
    ("prefill at 8000 tokens, times as fast as full attention", "speed", "case.sherlock-8000.metrics.speedup_prefill"),
];

/// The file's text; what was not measured is left out.
pub fn json(claims: &Claims, reports: &[Report]) -> String {
    let mut all = Vec::new();
    for row in &claims.rows {
        let mut put = |what: &str, published: Option<String>, measured: Option<f64>| {
            all.push(json!({ "method": row.name, "what": what, "published": published, "measured": measured }));
        };
        for claim in &row.claims {
            put(&format!("claimed, {}", claim.source), Some(claim.text.clone()), None);
        }
        for (what, suite, path) in MEASURED {
            let report = reports.iter().find(|report| report.0 == suite);
            let rows = report.and_then(|(_, report)| report["settings"].as_array());
            let own = rows.and_then(|rows| rows.iter().find(|line| line["label"] == row.setting.as_str()));
            if let Some(value) = own.and_then(|own| number(own, path)) {
                // Four digits: more would say nothing.
                let digits = 3 - value.abs().log10().floor().clamp(-6.0, 3.0) as i32;
                let scale = 10f64.powi(digits);
                put(&format!("{what} ({})", row.setting), None, Some((value * scale).round() / scale));
            }
        }
    }
    let lines: Vec<String> = all.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_claim_or_a_number_of_a_report() {
        let claims = r#"{"charts": [], "rows": [{"method": "A", "name": "a", "setting": "A 1", "note": "", "ceiling": "",
            "measured": "", "claims": [{"text": "2×", "source": "s"}]}]}"#;
        let report = json!({ "settings": [{ "label": "A 1", "metrics": { "kl": { "mean": 0.012_345_6 } } }] });
        let text = json(&serde_json::from_str(claims).unwrap(), &[("text", report)]);
        let all: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&all[0]["method"], &all[0]["published"]), (&json!("a"), &json!("2×")));
        assert_eq!((&all[1]["measured"], &all[2]), (&json!(0.01235), &Value::Null), "{text}");
    }
}
