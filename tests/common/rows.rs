//! Rows of the registry with every choice and switch, small, and how they are run.

use super::tiny;
use attnscope::{
    engine::{CHUNK, Engine, Options},
    loader::Loaded,
    methods::{self, ParamKind, Row, Value},
    trace::Detail,
};
use std::sync::OnceLock;

/// Longer than a chunk, so that a prompt is done in several pieces.
pub const PROMPT: usize = CHUNK as usize + 22;
pub const STEPS: u32 = 24;

pub fn model() -> &'static Loaded {
    static MODEL: OnceLock<Loaded> = OnceLock::new();
    MODEL.get_or_init(tiny::load)
}

/// A row with parameters, other than its budget, that are not their defaults.
pub struct Variant {
    pub row: &'static Row,
    pub given: Vec<(String, Value)>,
}

impl std::ops::Deref for Variant {
    type Target = Row;
    fn deref(&self) -> &Row {
        self.row
    }
}

impl Variant {
    /// Every combination of choices and switches that the method does not refuse, once with all else at its default and
    /// once with none at it; every value must be in one of them.
    pub fn all(row: &'static Row) -> Vec<Variant> {
        let (mut combinations, mut others) = (vec![Vec::new()], Vec::new());
        for p in row.params.iter().filter(|p| !p.is_budget) {
            let values: Vec<Value> = match p.kind {
                ParamKind::Choice { of } => of.iter().map(|word| Value::Word((*word).to_owned())).collect(),
                ParamKind::Flag { .. } => vec![Value::Flag(true), Value::Flag(false)],
                _ => {
                    others.push((p.name.to_owned(), another(p)));
                    continue;
                }
            };
            let with = |given: &Vec<(String, Value)>| {
                let one = |value: &Value| [&given[..], &[(p.name.to_owned(), value.clone())]].concat();
                values.iter().map(one).collect::<Vec<_>>()
            };
            combinations = combinations.iter().flat_map(with).collect();
        }
        let mut all: Vec<_> = combinations.iter().map(|given| Variant { row, given: given.clone() }).collect();
        if !others.is_empty() {
            all.extend(combinations.iter().map(|given| Variant { row, given: [&given[..], &others].concat() }));
        }
        let shape = methods::Shape { layers: tiny::LAYERS };
        all.retain(|variant| match methods::build(row.name, &budgets(variant, 12), &shape) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code(), "param", "{}: {error}", row.name);
                false
            }
        });
        for p in row.params.iter().filter(|p| !p.is_budget) {
            if let ParamKind::Choice { of } = p.kind {
                for word in of {
                    let value = (p.name.to_owned(), Value::Word((*word).to_owned()));
                    assert!(
                        all.iter().any(|v| v.given.contains(&value)),
                        "{}: {} = {word} never runs",
                        row.name,
                        p.name
                    );
                }
            }
        }
        all
    }

    pub fn is_among(&self, list: &[(&str, &str, &str)]) -> bool {
        list.iter().any(|(method, name, word)| {
            self.name == *method && self.given.contains(&((*name).to_owned(), Value::Word((*word).to_owned())))
        })
    }
}

/// A small value that is not the default.
pub fn another(p: &methods::Param) -> Value {
    let value = match p.kind {
        ParamKind::Int { default, min, max } => Value::Number((2 - u32::from(default == 2)).clamp(min, max).into()),
        ParamKind::Real { default, min, .. } if default > min => Value::Number((min + default) / 2.0),
        ParamKind::Real { min, max, .. } => Value::Number((min + max.min(min + 1.0)) / 2.0),
        ParamKind::Layer { .. } => Value::Number(0.0),
        ParamKind::Layers => Value::List(vec![f64::from(tiny::LAYERS - 1)]),
        ParamKind::Rounds => Value::List(vec![0.0]),
        ParamKind::Choice { .. } | ParamKind::Flag { .. } => p.default(),
    };
    assert_ne!(value, p.default(), "{} has one value", p.name);
    value
}

pub fn budgets(row: &Variant, tokens: u32) -> Vec<(String, Value)> {
    let of = |p: &methods::Param| (p.name.to_owned(), Value::Number(tokens.into()));
    row.params.iter().filter(|p| p.is_budget).map(of).chain(row.given.clone()).collect()
}

/// Runs to the end; after every step, `look` at the ids so far and the trace block.
pub fn run(engine: &mut Engine, trace: Detail, mut look: impl FnMut(u32, &[u8])) -> Vec<u32> {
    engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, trace, ..Options::default() }).unwrap();
    let mut ids = Vec::new();
    while let Some(step) = engine.next_step().unwrap() {
        ids.push(step.id);
        engine.tracer().take(|block| look(step.position, block));
    }
    ids
}

pub fn number((name, value): (&str, f64)) -> (String, Value) {
    (name.to_owned(), Value::Number(value))
}
