//! Parameters of methods: their declaration in the registry and their checked values.

use super::{Row, Shape};
use crate::{Error, Result};
use std::ops::RangeInclusive;

/// Rounds of a conversation that are counted apart.
const MAX_ROUNDS: u32 = 1 << 16;

/// The type, default and range of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum ParamKind {
    /// Whole number.
    Int {
        /// Default.
        default: u32,
        /// Smallest value.
        min: u32,
        /// Largest value.
        max: u32,
    },
    /// Real number, as written in decimal.
    Real {
        /// Default.
        default: f64,
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// True or false.
    Flag {
        /// Default.
        default: bool,
    },
    /// One of several words; the first is the default.
    Choice {
        /// The words.
        of: &'static [&'static str],
    },
    /// A layer of the model, 0-based.
    Layer {
        /// Default; in a model with fewer layers it never comes.
        default: u32,
    },
    /// A list of layers, empty by default.
    Layers,
    /// A list of rounds of a conversation, empty by default.
    Rounds,
}

/// A declared parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Name in code, links and the command line.
    pub name: &'static str,
    /// Unit of its value; empty when it has none.
    pub unit: &'static str,
    /// One line.
    pub help: &'static str,
    /// True when it is part of the method's memory or reading budget.
    pub is_budget: bool,
    /// The `variant` that it is of; `None`: of every one.
    pub variant: Option<&'static str>,
    /// Type, default and range.
    pub kind: ParamKind,
}

impl Param {
    const fn new(name: &'static str, unit: &'static str, help: &'static str, kind: ParamKind) -> Param {
        Param { name, unit, help, is_budget: false, variant: None, kind }
    }
    /// A number of tokens.
    pub const fn tokens(name: &'static str, default: u32, range: RangeInclusive<u32>, help: &'static str) -> Param {
        Param::new(name, "tokens", help, ParamKind::Int { default, min: *range.start(), max: *range.end() })
    }
    /// A number of channels of a head.
    pub const fn channels(name: &'static str, default: u32, range: RangeInclusive<u32>, help: &'static str) -> Param {
        Param::new(name, "channels", help, ParamKind::Int { default, min: *range.start(), max: *range.end() })
    }
    /// A number of bits.
    pub const fn bits(name: &'static str, default: u32, range: RangeInclusive<u32>, help: &'static str) -> Param {
        Param::new(name, "bits", help, ParamKind::Int { default, min: *range.start(), max: *range.end() })
    }
    /// A number of passes.
    pub const fn steps(name: &'static str, default: u32, help: &'static str) -> Param {
        Param::new(name, "passes", help, ParamKind::Int { default, min: 0, max: 1 << 20 })
    }
    /// A number of layers.
    pub const fn layers(name: &'static str, default: u32, help: &'static str) -> Param {
        Param::new(name, "layers", help, ParamKind::Int { default, min: 0, max: 1 << 10 })
    }
    /// One layer, 0-based.
    pub const fn layer(name: &'static str, default: u32, help: &'static str) -> Param {
        Param::new(name, "layer", help, ParamKind::Layer { default })
    }
    /// A number of blocks, at least 1.
    pub const fn blocks(name: &'static str, default: u32, help: &'static str) -> Param {
        Param::new(name, "blocks", help, ParamKind::Int { default, min: 1, max: 1 << 20 })
    }
    /// A number of rounds of a conversation.
    pub const fn rounds(name: &'static str, default: u32, help: &'static str) -> Param {
        Param::new(name, "rounds", help, ParamKind::Int { default, min: 0, max: MAX_ROUNDS })
    }
    /// Several rounds of a conversation, 0-based.
    pub const fn round_list(name: &'static str, help: &'static str) -> Param {
        Param::new(name, "rounds", help, ParamKind::Rounds)
    }
    /// Several layers, 0-based.
    pub const fn layer_list(name: &'static str, help: &'static str) -> Param {
        Param::new(name, "layers", help, ParamKind::Layers)
    }
    /// A real number.
    pub const fn real(
        name: &'static str,
        unit: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
        help: &'static str,
    ) -> Param {
        Param::new(name, unit, help, ParamKind::Real { default, min: *range.start(), max: *range.end() })
    }
    /// A switch.
    pub const fn flag(name: &'static str, default: bool, help: &'static str) -> Param {
        Param::new(name, "", help, ParamKind::Flag { default })
    }
    /// One word of several.
    pub const fn choice(name: &'static str, of: &'static [&'static str], help: &'static str) -> Param {
        Param::new(name, "", help, ParamKind::Choice { of })
    }
    /// Marks it as part of the budget.
    #[must_use]
    pub const fn budget(mut self) -> Param {
        self.is_budget = true;
        self
    }
    /// Says of which variant it is: of the others it changes nothing, so it is no budget of theirs.
    #[must_use]
    pub const fn only(mut self, variant: &'static str) -> Param {
        self.variant = Some(variant);
        self
    }
    /// Smallest and largest value of a whole number.
    #[must_use]
    pub fn range(&self) -> Option<[u32; 2]> {
        if let ParamKind::Int { min, max, .. } = self.kind { Some([min, max]) } else { None }
    }
    /// The value it has when none is given.
    #[must_use]
    pub fn default(&self) -> Value {
        match self.kind {
            ParamKind::Int { default, .. } | ParamKind::Layer { default } => Value::Number(f64::from(default)),
            ParamKind::Real { default, .. } => Value::Number(default),
            ParamKind::Flag { default } => Value::Flag(default),
            ParamKind::Choice { of } => Value::Word(of[0].to_owned()),
            ParamKind::Layers | ParamKind::Rounds => Value::List(Vec::new()),
        }
    }
    /// The values it may have, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.kind {
            ParamKind::Int { min, max, .. } => format!("a whole number from {min} to {max}"),
            ParamKind::Real { min, max, .. } => format!("a number from {min} to {max}"),
            ParamKind::Flag { .. } => "true or false".to_owned(),
            ParamKind::Choice { of } => of.join(", "),
            ParamKind::Layer { .. } => "a layer of the model, from 0".to_owned(),
            ParamKind::Layers => "a list of layers of the model, ascending".to_owned(),
            ParamKind::Rounds => "a list of rounds, from 0, ascending".to_owned(),
        }
    }

    fn accepts(&self, value: &Value, shape: &Shape) -> bool {
        let below = |n: f64, end: u32| n.fract() == 0.0 && n >= 0.0 && n < f64::from(end);
        let layer = |n: f64| below(n, shape.layers);
        let ascend = |list: &[f64]| list.windows(2).all(|pair| pair[0] < pair[1]);
        match (self.kind, value) {
            (ParamKind::Int { min, max, .. }, Value::Number(n)) => {
                n.fract() == 0.0 && *n >= f64::from(min) && *n <= f64::from(max)
            }
            (ParamKind::Real { min, max, .. }, Value::Number(n)) => *n >= min && *n <= max,
            (ParamKind::Layer { .. }, Value::Number(n)) => layer(*n),
            (ParamKind::Flag { .. }, Value::Flag(_)) => true,
            (ParamKind::Choice { of }, Value::Word(w)) => of.contains(&w.as_str()),
            (ParamKind::Layers, Value::List(l)) => l.iter().all(|&n| layer(n)) && ascend(l),
            (ParamKind::Rounds, Value::List(l)) => l.iter().all(|&n| below(n, MAX_ROUNDS)) && ascend(l),
            _ => false,
        }
    }
}

/// The value of a parameter, as it comes from JSON, JavaScript or the command line.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Value {
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A word.
    Word(String),
    /// Several numbers.
    List(Vec<f64>),
}

impl Value {
    /// Reads `k=v` text: `true`, `false`, a number, numbers with commas, else a word; `of` says which is meant.
    #[must_use]
    pub fn parse(text: &str, of: &Param) -> Value {
        let numbers =
            || text.split(',').filter(|p| !p.is_empty()).map(|p| p.trim().parse().ok()).collect::<Option<Vec<f64>>>();
        let read = match of.kind {
            ParamKind::Int { .. } | ParamKind::Real { .. } | ParamKind::Layer { .. } => {
                text.parse().ok().map(Value::Number)
            }
            ParamKind::Flag { .. } => text.parse().ok().map(Value::Flag),
            ParamKind::Choice { .. } => None,
            ParamKind::Layers | ParamKind::Rounds => numbers().map(Value::List),
        };
        read.unwrap_or_else(|| Value::Word(text.to_owned()))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Flag(b) => write!(f, "{b}"),
            Value::Word(w) => write!(f, "{w:?}"),
            Value::List(l) => write!(f, "{l:?}"),
        }
    }
}

/// Checked parameters of one method, complete with defaults.
#[derive(Debug)]
pub struct Params {
    method: &'static str,
    values: Vec<(&'static str, Value)>,
    given: Vec<&'static str>,
}

impl Params {
    /// Checks what was given against the row.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], or [`Error::Param`] for a value of the wrong type or out of range.
    pub fn check(row: &'static Row, given: &[(String, Value)], shape: &Shape) -> Result<Params> {
        let mut values: Vec<_> = row.params.iter().map(|p| (p.name, p.default())).collect();
        let mut named = Vec::new();
        for (name, value) in given {
            let Some(at) = row.params.iter().position(|p| p.name == name) else {
                let names: Vec<_> = row.params.iter().map(|p| p.name).collect();
                let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(Error::UnknownParam { method: row.name.to_owned(), got: name.clone(), allowed });
            };
            values[at].1 = value.clone();
            named.push(values[at].0);
        }
        let params = Params { method: row.name, values, given: named };
        // Defaults are not checked: a layer beyond a shallow model just never comes.
        for param in row.params.iter().filter(|p| params.is_given(p.name)) {
            params.require(param.name, params.value(param.name, |v| Some(param.accepts(v, shape)))?, || {
                param.allowed()
            })?;
        }
        Ok(params)
    }

    /// Whether a value was given, be it the default; a rule about several layers holds only for those given.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// Fails with the range in words unless `ok`.
    ///
    /// # Errors
    /// [`Error::Param`].
    pub fn require(&self, name: &str, ok: bool, allowed: impl FnOnce() -> String) -> Result<()> {
        if ok { Ok(()) } else { Err(self.refuse(name, allowed())) }
    }

    fn refuse(&self, name: &str, allowed: String) -> Error {
        let got = self.values.iter().find(|v| v.0 == name).map_or_else(String::new, |v| v.1.to_string());
        Error::Param { name: format!("{}.{name}", self.method), got, allowed }
    }

    /// The one lookup; a name the row does not declare is a mistake in the method's file.
    fn value<'a, T>(&'a self, name: &str, of: impl FnOnce(&'a Value) -> Option<T>) -> Result<T> {
        let found = self.values.iter().find(|v| v.0 == name).and_then(|v| of(&v.1));
        found.ok_or_else(|| self.refuse(name, "a declared parameter of this type".to_owned()))
    }

    /// A whole number or a layer.
    ///
    /// # Errors
    /// When the row declares no such parameter; so do the calls below.
    pub fn int(&self, name: &str) -> Result<u32> {
        self.value(name, |v| if let Value::Number(n) = v { Some(*n as u32) } else { None })
    }
    /// A real number.
    ///
    /// # Errors
    /// See [`int`](Params::int).
    pub fn real(&self, name: &str) -> Result<f32> {
        self.value(name, |v| if let Value::Number(n) = v { Some(*n as f32) } else { None })
    }
    /// A switch.
    ///
    /// # Errors
    /// See [`int`](Params::int).
    pub fn flag(&self, name: &str) -> Result<bool> {
        self.value(name, |v| if let Value::Flag(b) = v { Some(*b) } else { None })
    }
    /// One word of several.
    ///
    /// # Errors
    /// See [`int`](Params::int).
    pub fn choice(&self, name: &str) -> Result<&str> {
        self.value(name, |v| if let Value::Word(w) = v { Some(w.as_str()) } else { None })
    }
    /// A list of layers.
    ///
    /// # Errors
    /// See [`int`](Params::int).
    pub fn list(&self, name: &str) -> Result<Vec<u32>> {
        self.value(name, |v| if let Value::List(l) = v { Some(l.iter().map(|&n| n as u32).collect()) } else { None })
    }
}
