//! Which method a setting runs: the one place that knows how a plan names methods.

use attnscope::{
    Result,
    cache::Store,
    engine::Engine,
    kernels::Precision,
    loader::Loaded,
    methods::{self, Spec, Value},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A budget as a share of the prompt.
pub type Budget = Option<f64>;

/// A method of the registry with parameters.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Parameters that are not at their default.
    #[serde(default)]
    pub params: BTreeMap<String, Amount>,
}

/// The value of a parameter.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// The value itself. Before the other, which would take a list for its fields.
    Is(Value),
    /// Tokens by the length of the prompt.
    Part(Part),
}

/// `share * budget * prompt tokens - less`, rounded, at least 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    share: f64,
    #[serde(default)]
    less: u32,
}

impl Choice {
    /// Full attention.
    pub fn full() -> Choice {
        Choice { name: "full".to_owned(), params: BTreeMap::new() }
    }

    /// True when a parameter depends on a budget.
    pub fn needs_budget(&self) -> bool {
        self.params.values().any(|amount| matches!(amount, Amount::Part(_)))
    }

    /// The parameters for a prompt of so many tokens.
    pub fn params(&self, budget: Budget, prompt: u32) -> Vec<(String, Value)> {
        let value = |amount: &Amount| match amount {
            Amount::Is(value) => value.clone(),
            Amount::Part(part) => {
                let tokens = part.share * budget.unwrap_or(1.0) * f64::from(prompt) - f64::from(part.less);
                Value::Number(tokens.round().max(1.0))
            }
        };
        self.params.iter().map(|(name, amount)| (name.clone(), value(amount))).collect()
    }

    /// An engine that runs it on a prompt of so many tokens.
    ///
    /// # Errors
    /// See [`Loaded::engine`].
    pub fn engine(&self, budget: Budget, prompt: u32, precision: Precision, loaded: &Loaded) -> Result<Engine> {
        loaded.compose(&Spec::method(&self.name, &self.params(budget, prompt)), None, Store::F16, precision)
    }

    /// Its name for people.
    pub fn title(&self) -> &str {
        methods::find(&self.name).map_or(self.name.as_str(), |row| row.title)
    }
}
