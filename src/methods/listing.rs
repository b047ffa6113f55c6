//! The registry as plain data, for JSON and JavaScript.

use super::{Param, ParamKind, REGISTRY, SPREADS, Value};
use serde::Serialize;

/// A method, described.
#[derive(Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct MethodInfo {
    /// Name in code.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// arXiv id.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "string | null"))]
    pub paper: Option<&'static str>,
    /// `prefill`, `select`, `retain`, `schedule`.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "(\"prefill\" | \"select\" | \"retain\" | \"schedule\")[]"))]
    pub roles: Vec<&'static str>,
    /// True when its roles cannot stand beside another method's.
    pub whole: bool,
    /// True when it can run on several hosts.
    pub spreads: bool,
    /// Its parameters.
    pub params: Vec<ParamInfo>,
}

/// A parameter, described.
#[derive(Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ParamInfo {
    /// Name in code.
    pub name: &'static str,
    /// Unit of its value; empty when it has none.
    pub unit: &'static str,
    /// One line.
    pub help: &'static str,
    /// Values it may have, in words.
    pub allowed: String,
    /// True when it is part of the method's budget.
    pub budget: bool,
    /// The value of `variant` that it is of; none: of every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<&'static str>,
    /// `int`, `float`, `bool`, `choice` or `list`.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "\"int\" | \"float\" | \"bool\" | \"choice\" | \"list\""))]
    pub kind: &'static str,
    /// Its default.
    pub default: Value,
    /// Smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number; none for a layer, which the model bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Words it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<&'static str>>,
}

/// Every method of the registry.
#[must_use]
pub fn listing() -> Vec<MethodInfo> {
    let each = |row: &super::Row| MethodInfo {
        name: row.name,
        title: row.title,
        summary: row.summary,
        paper: row.paper,
        roles: row.roles.iter().map(|r| r.name()).collect(),
        whole: row.whole,
        spreads: row.name == SPREADS,
        params: row.params.iter().map(param).collect(),
    };
    REGISTRY.iter().map(each).collect()
}

fn param(p: &Param) -> ParamInfo {
    let (kind, min, max, choices) = match p.kind {
        ParamKind::Int { min, max, .. } => ("int", Some(min.into()), Some(max.into()), None),
        ParamKind::Real { min, max, .. } => ("float", Some(min), Some(max), None),
        ParamKind::Flag { .. } => ("bool", None, None, None),
        ParamKind::Choice { of } => ("choice", None, None, Some(of.to_vec())),
        ParamKind::Layer { .. } => ("int", Some(0.0), None, None),
        ParamKind::Layers | ParamKind::Rounds => ("list", None, None, None),
    };
    ParamInfo {
        name: p.name,
        unit: p.unit,
        help: p.help,
        allowed: p.allowed(),
        budget: p.is_budget,
        variant: p.variant,
        kind,
        default: p.default(),
        min,
        max,
        choices,
    }
}
