//! A part of a plan: the settings that are asked for, and those they are compared with.

use super::{plan::Setting, suite::Suite};

/// The settings whose label has one of `texts` in it, in upper or lower case; without texts, all. What they are compared
/// with comes along on the suites they are run on: full attention, and a setting whose text one must repeat.
pub fn part(plan: &[Setting], texts: &[String]) -> Vec<Setting> {
    let has = |label: &str, text: &str| label.to_lowercase().contains(&text.to_lowercase());
    let asked = |s: &&Setting| texts.is_empty() || texts.iter().any(|text| has(&s.label, text));
    let asked: Vec<&Setting> = plan.iter().filter(asked).collect();
    let needs = |one: &Setting, other: &Setting| {
        one.label == other.label || other.method.is_full() || one.same_text_as.as_ref() == Some(&other.label)
    };
    let runs =
        |setting: &Setting, suite: Suite| asked.iter().any(|one| one.suites.contains(&suite) && needs(one, setting));
    let settings = plan.iter().map(|setting| {
        let suites = setting.suites.iter().copied().filter(|suite| runs(setting, *suite)).collect();
        Setting { suites, ..setting.clone() }
    });
    settings.filter(|setting| !setting.suites.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(label: &str, method: &str, suites: &[Suite]) -> Setting {
        let method = serde_json::from_value(serde_json::json!({ "name": method })).unwrap();
        Setting { label: label.to_owned(), method, suites: suites.to_vec(), ..Setting::full() }
    }

    #[test]
    fn what_a_setting_is_compared_with_is_run_where_it_is() {
        use Suite::{Chat, Keys, Speed, Text};
        let guesses = Setting { same_text_as: Some("8 bits".to_owned()), ..setting("Guesses", "lru", &[Text, Speed]) };
        let plan = [
            setting("full", "full", &[Keys, Chat, Text, Speed]),
            setting("8 bits", "quant_spec", &[Chat, Speed]),
            guesses,
            setting("Few", "fifo", &[Keys]),
        ];
        let part = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let settings = part(&plan, &texts);
            settings.into_iter().map(|setting| (setting.label, setting.suites)).collect::<Vec<_>>()
        };
        let want = |of: &[(&str, &[Suite])]| -> Vec<_> {
            of.iter().map(|(label, suites)| ((*label).to_owned(), suites.to_vec())).collect()
        };
        assert_eq!(
            part(&["GUESS"]),
            want(&[("full", &[Text, Speed]), ("8 bits", &[Speed]), ("Guesses", &[Text, Speed])])
        );
        assert_eq!(
            part(&["few", "8"]),
            want(&[("full", &[Keys, Chat, Speed]), ("8 bits", &[Chat, Speed]), ("Few", &[Keys])])
        );
        assert_eq!(part(&["full"]), want(&[("full", &[Keys, Chat, Text, Speed])]));
        assert_eq!(part(&[]), plan.iter().map(|s| (s.label.clone(), s.suites.clone())).collect::<Vec<_>>());
        assert_eq!(part(&["nothing"]), []);
    }
}
