//! Which method a setting runs: the one place that knows how a plan names methods.

use attnscope::{
    Result,
    cache::Store,
    engine::Engine,
    kernels::Precision,
    loader::Loaded,
    methods::{self, Part, Role, Spec, Value},
};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A budget as a share of the prompt.
pub type Budget = Option<f64>;

/// A method as [`Spec`] reads it, in which a number of tokens may be a [`Share`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Choice {
    /// As it was written.
    written: serde_json::Value,
    /// With 1 for every share.
    #[serde(skip)]
    spec: Spec,
    /// The parameters that are shares, by the role they are given for; none where one method fills all roles.
    #[serde(skip)]
    shares: Vec<(Option<Role>, String, Share)>,
}

/// What a share is of.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Those of them that belong to pictures.
    pub pictures: u32,
}

/// What a budget is a share of.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Of {
    /// The prompt.
    #[default]
    Prompt,
    /// The pictures, and all text comes to it.
    Pictures,
}

/// `share * budget * prompt tokens + more - less`, rounded, at least 1. What every set holds whatever the length, such as
/// pinned tokens, is `more`: a share alone leaves short prompts too little beside them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Share {
    share: f64,
    #[serde(default)]
    more: u32,
    #[serde(default)]
    less: u32,
    #[serde(default)]
    of: Of,
}

impl Share {
    fn tokens(self, budget: Budget, asked: Asked) -> f64 {
        let (shared, beside) = match self.of {
            Of::Prompt => (asked.prompt, 0),
            Of::Pictures => (asked.pictures, asked.prompt.saturating_sub(asked.pictures)),
        };
        let tokens = self.share * (budget.unwrap_or(1.0) * f64::from(shared) + f64::from(beside));
        (tokens + f64::from(self.more) - f64::from(self.less)).round().max(1.0)
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Choice, D::Error> {
        let written = serde_json::Value::deserialize(from)?;
        let (mut plain, mut shares) = (written.clone(), Vec::new());
        for role in [None].into_iter().chain(Role::ALL.map(Some)) {
            let part = match role {
                None => Some(&mut plain),
                Some(role) => plain.get_mut(role.name()),
            };
            let params = part.and_then(|part| part.get_mut("params")?.as_object_mut());
            for (name, value) in params.into_iter().flatten().filter(|(_, value)| value.is_object()) {
                let share = Share::deserialize(std::mem::replace(value, 1.into())).map_err(de::Error::custom)?;
                shares.push((role, name.clone(), share));
            }
        }
        let spec = Spec::deserialize(plain).map_err(de::Error::custom)?;
        Ok(Choice { written, spec, shares })
    }
}

impl Choice {
    /// Full attention.
    pub fn full() -> Choice {
        Choice { written: "full".into(), spec: Spec::default(), shares: Vec::new() }
    }

    /// True for full attention.
    pub fn is_full(&self) -> bool {
        self.spec == Spec::default()
    }

    /// True when a parameter depends on a budget.
    pub fn needs_budget(&self) -> bool {
        !self.shares.is_empty()
    }

    /// The method for a prompt of so many tokens.
    pub fn spec(&self, budget: Budget, asked: Asked) -> Spec {
        let mut spec = self.spec.clone();
        for (role, name, share) in &self.shares {
            let part: Option<&mut Part> = match (&mut spec, role) {
                (Spec::Method(part), _) => Some(part),
                (Spec::Roles(roles), Some(role)) => roles.get_mut(*role).as_mut(),
                (Spec::Roles(_), None) => None,
            };
            if let Some(part) = part {
                part.params.insert(name.clone(), Value::Number(share.tokens(budget, asked)));
            }
        }
        spec
    }

    /// An engine that runs it on a prompt of so many tokens.
    ///
    /// # Errors
    /// See [`Loaded::compose`].
    pub fn engine(&self, budget: Budget, asked: Asked, precision: Precision, loaded: &Loaded) -> Result<Engine> {
        loaded.compose(&self.spec(budget, asked), None, Store::F16, precision)
    }

    /// Its name for people.
    pub fn title(&self) -> String {
        match &self.spec {
            Spec::Method(part) => methods::find(&part.name).map_or(part.name.as_str(), |row| row.title).to_owned(),
            roles => roles.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_tokens_in_every_role() {
        let choice: Choice = serde_json::from_str(
            r#"{"retain": {"name": "snap_kv", "params": {"budget": {"share": 1}, "window": 8}},
                "select": {"name": "quest", "params": {"budget": {"share": 0.5, "less": 10}}}}"#,
        )
        .unwrap();
        let spec = serde_json::to_value(choice.spec(Some(0.2), Asked { prompt: 1000, pictures: 0 })).unwrap();
        assert_eq!(
            (&spec["retain"]["params"]["budget"], &spec["retain"]["params"]["window"]),
            (&200.0.into(), &8.0.into())
        );
        assert_eq!(spec["select"]["params"]["budget"], 90.0);
        assert!(choice.needs_budget() && !choice.is_full());
        assert_eq!(choice.title(), "select=quest retain=snap_kv");
        let more: Choice = serde_json::from_str(
            r#"{"name": "tidal_decode", "params": {"top_k": {"share": 1, "more": 56}, "share": "all_heads"}}"#,
        )
        .unwrap();
        let top_k = |prompt| {
            serde_json::to_value(more.spec(Some(0.03), Asked { prompt, pictures: 0 })).unwrap()["params"]["top_k"]
                .clone()
        };
        assert_eq!([600, 4000].map(top_k), [74.0, 176.0]);
        let pictures: Choice = serde_json::from_str(
            r#"{"name": "snap_kv", "params": {"budget": {"share": 1, "of": "pictures", "less": 2}}}"#,
        )
        .unwrap();
        let spec = pictures.spec(Some(0.5), Asked { prompt: 100, pictures: 64 });
        assert_eq!(serde_json::to_value(spec).unwrap()["params"]["budget"], 66.0);
        let full: Choice = serde_json::from_str(r#"{"name": "full"}"#).unwrap();
        assert!(full.is_full() && Choice::full().is_full());
        for bad in [r#"{"name": "h2o", "params": {"heavy": {"part": 1}}}"#, r#"{"nam": "h2o"}"#, "7"] {
            assert!(serde_json::from_str::<Choice>(bad).is_err(), "{bad}");
        }
    }
}
