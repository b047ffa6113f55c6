//! Memory to method and parameters, with the arithmetic: what a method's cache takes follows from what its retain role
//! says it holds ([`Retain::holds`](crate::method::Retain::holds)), and a budget is the largest that fits. Which methods
//! suit a scenario is [`SCENARIOS`]; nothing else here knows a method by its name.

mod account;
mod scenario;

pub use account::{Account, Line, Term, Text, account};
pub use scenario::{Device, SCENARIOS, Scenario, Suits};

use crate::{
    Error, Result,
    methods::{Param, Part, Role, Row, Spec, Value, find},
    model::Config,
};
use serde::{Deserialize, Serialize};

/// Bytes of a text such as `64MB`, `1.5 GiB` or `4096`.
///
/// # Errors
/// [`Error::Param`].
pub fn bytes(text: &str) -> Result<u64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..at].trim(), text[at..].to_ascii_lowercase());
    let unit = match unit.as_str() {
        "" | "b" => Some(1.0),
        "k" | "kb" => Some(1e3),
        "m" | "mb" => Some(1e6),
        "g" | "gb" => Some(1e9),
        "kib" => Some(1024.0),
        "mib" => Some(1024.0 * 1024.0),
        "gib" => Some(1024.0 * 1024.0 * 1024.0),
        _ => None,
    };
    let number = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    number.zip(unit).map(|(number, unit)| (number * unit) as u64).ok_or_else(|| Error::Param {
        name: "memory".to_owned(),
        got: text.to_owned(),
        allowed: "a number of bytes, or one with B, kB, MB, GB, KiB, MiB or GiB".to_owned(),
    })
}

/// What is to be run, and in how much memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Bytes for the KV cache.
    pub memory: u64,
    /// The text.
    pub text: Text,
    /// What matters most.
    pub scenario: Scenario,
}

/// A figure about a method, published or measured; whoever has such figures passes them to [`advise`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name in the registry.
    pub method: String,
    /// What it says, e.g. "speed-up" or "KL".
    pub what: String,
    /// As published; text, since claims are ranges.
    pub published: Option<String>,
    /// As measured here.
    pub measured: Option<f64>,
}

/// A method with parameters that fit, or with the smallest it has.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Advice {
    /// The method with its parameters.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "string | MethodPart | MethodRoles"))]
    pub method: Spec,
    /// True when it fits.
    pub fits: bool,
    /// True for the one to take.
    pub advised: bool,
    /// Share of the text's rows that are stored at its end.
    pub kept: f64,
    /// What its cache takes.
    pub account: Account,
    /// What is known of it.
    #[cfg_attr(
        target_arch = "wasm32",
        tsify(type = "{ method: string; what: string; published: string | null; measured: number | null }[]")
    )]
    pub figures: Vec<Figure>,
}

/// Below this share of the text a method that drops tokens is the last resort: SnapKV, the best of them at it, finds 9 of
/// 10 pass keys at a tenth.
const LEAST_KEPT: f64 = 0.05;

/// The methods that suit the scenario, best first, each with the largest budgets that fit. The advised one is the first
/// that fits and keeps a fair share of the text; failing that, the first that fits.
///
/// # Errors
/// [`Error::Param`] for a text without a prompt.
pub fn advise(ask: &Ask, model: &Config, figures: &[Figure]) -> Result<Vec<Advice>> {
    let mut all = Vec::new();
    for name in ask.scenario.suits().methods {
        let spec: Spec = name.parse()?;
        let (method, account) = fitted(&spec, model, &ask.text, ask.memory)?;
        let named = |figure: &&Figure| method.parts().iter().any(|part| part.name == figure.method);
        let figures = figures.iter().filter(named).cloned().collect();
        let kept = account.rows as f64 / (f64::from(ask.text.rows()) * f64::from(model.layers)).max(1.0);
        all.push(Advice { method, fits: account.bytes <= ask.memory, advised: false, kept, account, figures });
    }
    let fair = all.iter().position(|advice| advice.fits && advice.kept >= LEAST_KEPT);
    if let Some(at) = fair.or_else(|| all.iter().position(|advice| advice.fits)) {
        all[at].advised = true;
    }
    Ok(all)
}

/// The method with the largest budgets that fit into `memory` bytes; budgets that are given stay.
///
/// # Errors
/// As building the method, and [`Error::Param`] when it does not fit.
pub fn fit(spec: &Spec, model: &Config, text: &Text, memory: u64) -> Result<Spec> {
    let (fitted, account) = fitted(spec, model, text, memory)?;
    if account.bytes <= memory {
        return Ok(fitted);
    }
    let (rows, needed) = (text.rows(), account.bytes);
    Err(Error::Param {
        name: "memory".to_owned(),
        got: memory.to_string(),
        allowed: format!("{needed} bytes or more for {spec} and a text of {rows} tokens"),
    })
}

/// The same; with the smallest budgets when none fits.
fn fitted(spec: &Spec, model: &Config, text: &Text, memory: u64) -> Result<(Spec, Account)> {
    let given = account(spec, model, text)?;
    // What is in planes takes its share of the text whatever the grids: they are chosen for quality.
    let budgets = if given.in_planes { Vec::new() } else { budgets(spec)? };
    if budgets.is_empty() {
        return Ok((spec.clone(), given));
    }
    let at = |budget: u32| {
        let spec = with(spec, &budgets, budget);
        account(&spec, model, text).map(|account| (spec, account))
    };
    // A budget that the method refuses is too small, for a window of its own.
    let (mut fits, mut beyond) = (1, text.rows().max(1) + 1);
    while at(fits).is_err() && fits < beyond - 1 {
        fits = (2 * fits).min(beyond - 1);
    }
    let mut best = at(fits)?;
    while best.1.bytes <= memory && beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        match at(middle)? {
            next if next.1.bytes <= memory => (fits, best) = (middle, next),
            _ => beyond = middle,
        }
    }
    Ok(best)
}

/// The part that keeps rows, and its row.
fn keeper(spec: &Spec) -> Result<Option<(&Part, &'static Row)>> {
    let part = match spec {
        Spec::Method(part) => Some(part),
        Spec::Roles(roles) => roles.retain.as_ref(),
    };
    part.map(|part| Ok((part, find(&part.name)?))).transpose()
}

/// Budgets of what is kept that were not given: name, smallest and largest value.
fn budgets(spec: &Spec) -> Result<Vec<(&'static str, [u32; 2])>> {
    let Some((part, row)) = keeper(spec)?.filter(|(_, row)| row.roles.contains(&Role::Retain)) else {
        return Ok(Vec::new());
    };
    let default = || row.params.iter().find(|p| p.name == "variant").map(Param::default);
    let variant = part.params.get("variant").cloned().or_else(default);
    let is_of = |p: &Param| p.variant.is_none_or(|of| variant == Some(Value::Word(of.to_owned())));
    let free = row.params.iter().filter(|p| p.is_budget && is_of(p) && !part.params.contains_key(p.name));
    Ok(free.filter_map(|p| Some((p.name, p.range()?))).collect())
}

/// The method with every one of these budgets at `budget`, as far as their ranges go.
fn with(spec: &Spec, budgets: &[(&'static str, [u32; 2])], budget: u32) -> Spec {
    let mut spec = spec.clone();
    let part = match &mut spec {
        Spec::Method(part) => Some(part),
        Spec::Roles(roles) => roles.retain.as_mut(),
    };
    if let Some(part) = part {
        let value = |[min, max]: [u32; 2]| Value::Number(budget.clamp(min, max).into());
        part.params.extend(budgets.iter().map(|(name, range)| ((*name).to_owned(), value(*range))));
    }
    spec
}
