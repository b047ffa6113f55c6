//! The plan: which settings are run on which suites, and how large those are. A JSON file; `docs/evaluation/plan.json`
//! is the published one and the default.

use super::{
    choice::{Budget, Choice},
    suite::Suite,
};
use crate::Failure;
use serde::Deserialize;
use std::{collections::HashSet, fs, path::Path};

const PUBLISHED: &str = include_str!("../../../../docs/evaluation/plan.json");

/// A whole plan.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// How large the suites are.
    pub sizes: Sizes,
    /// What is run, each under a label of its own.
    pub settings: Vec<Setting>,
}

/// How large the suites are; what a plan leaves out is as published.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Sizes {
    /// Prompt tokens of passkeys.
    pub lengths: Vec<u32>,
    /// Cases for each length, or of a suite.
    pub cases: u32,
    /// Rounds of a chat.
    pub rounds: u32,
    /// Prompt tokens of a text.
    pub prompt: u32,
    /// Tokens of a text after the prompt.
    pub answer: u32,
    /// The same where the text after it is longer.
    pub long_answer: u32,
    /// Prompt tokens of the long texts whose speed is measured.
    pub long: Vec<u32>,
    /// Pictures in a prompt.
    pub pictures: Vec<u32>,
    /// Questions for each number of pictures.
    pub questions: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes {
            lengths: vec![600, 1150, 2300, 4000],
            cases: 10,
            rounds: 8,
            prompt: 1500,
            answer: 128,
            long_answer: 256,
            long: vec![4000, 8000],
            pictures: vec![1, 2, 4, 8],
            questions: 300,
        }
    }
}

/// A method with its parameters, and where it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name in tables and charts.
    pub label: String,
    /// The method.
    pub method: Choice,
    /// Its budget as a share of the prompt, if it has one.
    pub budget: Option<f64>,
    /// Suites it is run on.
    pub suites: Vec<Suite>,
    /// Label of a setting whose free text this one must repeat.
    pub same_text_as: Option<String>,
}

impl Setting {
    /// Full attention, what everything is compared with.
    pub fn full() -> Setting {
        Setting {
            label: "full".to_owned(),
            method: Choice::full(),
            budget: None,
            suites: Suite::ALL.to_vec(),
            same_text_as: None,
        }
    }
}

/// A setting as it is written: one for each of its budgets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    label: String,
    method: Choice,
    #[serde(default)]
    budgets: Vec<f64>,
    #[serde(default)]
    suites: Vec<Suite>,
    same_text_as: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sizes: Sizes,
    settings: Vec<Written>,
}

impl Plan {
    /// Reads a file, or takes the published plan.
    ///
    /// # Errors
    /// [`Failure::File`] with what is wrong in it.
    pub fn read(path: Option<&Path>) -> Result<Plan, Failure> {
        let Some(path) = path else { return Plan::parse(PUBLISHED).map_err(|why| Failure::file("the plan", why)) };
        let text = fs::read_to_string(path).map_err(|why| Failure::file(path.display(), why))?;
        Plan::parse(&text).map_err(|why| Failure::file(path.display(), why))
    }

    fn parse(text: &str) -> Result<Plan, String> {
        let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let mut settings = Vec::new();
        for written in file.settings {
            expand(written, &mut settings)?;
        }
        let mut labels = HashSet::new();
        if let Some(twice) = settings.iter().find(|s| !labels.insert(s.label.as_str())) {
            return Err(format!("two settings are called {:?}", twice.label));
        }
        let unknown = settings.iter().filter_map(|s| s.same_text_as.as_deref()).find(|label| !labels.contains(label));
        match unknown {
            Some(label) => Err(format!("same_text_as names {label:?}, which is no label")),
            None => Ok(Plan { sizes: file.sizes, settings }),
        }
    }
}

/// Adds the settings that `written` stands for, `{}` in its label being the budget.
fn expand(written: Written, to: &mut Vec<Setting>) -> Result<(), String> {
    let Written { label, method, budgets, suites, same_text_as } = written;
    if let Some(bad) = budgets.iter().find(|b| !(0.0..=1.0).contains(*b)) {
        return Err(format!("{label}: budget {bad} is no share of the prompt, from 0 to 1"));
    }
    if budgets.len() > 1 && !label.contains("{}") {
        return Err(format!("{label}: with several budgets the label needs a {{}} for them"));
    }
    if method.needs_budget() == budgets.is_empty() {
        let what = if budgets.is_empty() { "needs budgets: a parameter is a share" } else { "has budgets to no use" };
        return Err(format!("{label}: {what}"));
    }
    let suites = if suites.is_empty() { Suite::QUALITY.to_vec() } else { suites };
    let each = if budgets.is_empty() { vec![None] } else { budgets.into_iter().map(Some).collect() };
    to.extend(each.into_iter().map(|budget: Budget| {
        let percent = budget.map_or_else(String::new, |share| format!("{} %", (share * 1000.0).round() / 10.0));
        Setting {
            label: label.replace("{}", &percent),
            method: method.clone(),
            budget,
            suites: suites.clone(),
            same_text_as: same_text_as.clone(),
        }
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::choice::Asked;
    use super::*;
    use attnscope::methods::{Shape, Spec, Value};

    #[test]
    fn the_published_plan_builds_every_method_in_every_length() {
        let plan = Plan::read(None).unwrap();
        assert!(plan.settings[0].method.is_full());
        for setting in &plan.settings {
            for prompt in [600, 1500, 8000] {
                if let Err(why) =
                    setting.method.spec(setting.budget, Asked { prompt, pictures: 64 }).build(&Shape { layers: 30 })
                {
                    panic!("{} at {prompt}: {why}", setting.label);
                }
            }
        }
    }

    #[test]
    fn budgets_become_settings_and_tokens() {
        let plan = Plan::parse(
            r#"{"settings": [{"label": "S {}", "budgets": [0.1, 0.25], "suites": ["text"],
                "method": {"name": "streaming_llm", "params": {"sinks": 4, "recent": {"share": 1, "less": 4}}}}]}"#,
        )
        .unwrap();
        assert_eq!(plan.sizes, Sizes::default());
        let labels: Vec<_> = plan.settings.iter().map(|s| s.label.as_str()).collect();
        assert_eq!(labels, ["S 10 %", "S 25 %"]);
        let given = [("recent", 246.0), ("sinks", 4.0)].map(|(name, x)| (name.to_owned(), Value::Number(x)));
        let spec = plan.settings[1].method.spec(plan.settings[1].budget, Asked { prompt: 1000, pictures: 0 });
        assert_eq!(spec, Spec::method("streaming_llm", &given));
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said() {
        let setting = |more: &str| format!(r#"{{"settings": [{{"label": "a", "method": {{"name": "full"}}{more}}}]}}"#);
        for (text, said) in [
            ("{".to_owned(), "EOF"),
            (setting(r#", "budgets": [0.1]"#), "to no use"),
            (setting(r#", "budgets": [7]"#), "no share"),
            (setting(r#", "suites": ["sums"]"#), "sums"),
            (setting(r#", "same_text_as": "b""#), "\"b\""),
            (setting(r#"}, {"label": "a", "method": {"name": "full"}"#), "two settings"),
            (
                setting(r#"}, {"label": "c", "method": {"name": "lru", "params": {"budget": {"share": 1}}}"#),
                "needs budgets",
            ),
        ] {
            let why = Plan::parse(&text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
