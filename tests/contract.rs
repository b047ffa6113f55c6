//! What every row of the registry promises, whatever it does, with every choice and switch, however keys and values are
//! stored: small model, small budgets.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    cache::Store,
    engine::{CHUNK, Engine, Options, Progress},
    kernels::Precision,
    loader::Loaded,
    method::{Heads, Positions},
    methods::{self, ParamKind, Part, REGISTRY, Role, Roles, Row, Spec, Value},
    trace::{ALL_HEADS, Detail, Kind, records},
};
use common::tiny;
use std::{collections::BTreeSet, sync::OnceLock};

/// Longer than a chunk, so that a prompt is done in several pieces.
const PROMPT: usize = CHUNK as usize + 22;
const STEPS: u32 = 24;
const STORES: [(&str, Store); 2] = [("f16", Store::F16), ("f32", Store::F32)];
/// Variants that read a share of the text, or rounded rows, whatever their budget.
const NEVER_FULL: [(&str, &str, &str); 2] =
    [("tidal_decode", "variant", "sketch"), ("quant_spec", "reads", "quantised")];

fn model() -> &'static Loaded {
    static MODEL: OnceLock<Loaded> = OnceLock::new();
    MODEL.get_or_init(tiny::load)
}

/// A row with parameters, other than its budget, that are not their defaults.
struct Variant {
    row: &'static Row,
    given: Vec<(String, Value)>,
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
    fn all(row: &'static Row) -> Vec<Variant> {
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

    fn is_among(&self, list: &[(&str, &str, &str)]) -> bool {
        list.iter().any(|(method, name, word)| {
            self.name == *method && self.given.contains(&((*name).to_owned(), Value::Word((*word).to_owned())))
        })
    }
}

/// A small value that is not the default.
fn another(p: &methods::Param) -> Value {
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

fn budgets(row: &Variant, tokens: u32) -> Vec<(String, Value)> {
    let of = |p: &methods::Param| (p.name.to_owned(), Value::Number(tokens.into()));
    row.params.iter().filter(|p| p.is_budget).map(of).chain(row.given.clone()).collect()
}

fn engine(row: &Variant, tokens: u32, store: Store) -> Engine {
    model().engine(row.name, &budgets(row, tokens), None, store).unwrap()
}

/// Runs to the end; after every step, `look` at the ids so far and the trace block.
fn run(engine: &mut Engine, trace: Detail, mut look: impl FnMut(u32, &[u8])) -> Vec<u32> {
    engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, trace, ..Options::default() }).unwrap();
    let mut ids = Vec::new();
    loop {
        match engine.advance().unwrap() {
            Progress::Working | Progress::Exchange => {}
            Progress::Step(step) => {
                ids.push(step.id);
                engine.tracer().take(|block| look(step.position, block));
            }
            Progress::Done => return ids,
        }
    }
}

fn each(test: impl Fn(&Variant, Store, &str)) {
    let mut variants = 0;
    for row in REGISTRY.iter().flat_map(Variant::all) {
        let given: Vec<_> = row.given.iter().map(|(name, value)| format!(" {name} = {value}")).collect();
        for (name, store) in STORES {
            test(&row, store, &format!("{}{} in {name}", row.name, given.join(",")));
        }
        variants += 1;
    }
    println!("{variants} variants of {} methods in {} stores", REGISTRY.len(), STORES.len());
}

/// The live set by layer and KV head, rebuilt from the trace, checking that what is read is live and causal.
#[derive(Default)]
struct Replay {
    live: Vec<BTreeSet<u32>>,
    /// How many of them are in two planes.
    quantised: Vec<usize>,
    newest: u32,
}

impl Replay {
    fn head(&mut self, layer: u8, kv: u32) -> &mut BTreeSet<u32> {
        let at = u32::from(layer) * tiny::KV_HEADS + kv;
        self.quantised.resize((tiny::LAYERS * tiny::KV_HEADS) as usize, 0);
        self.live.resize((tiny::LAYERS * tiny::KV_HEADS) as usize, BTreeSet::new());
        &mut self.live[at as usize]
    }

    fn take(&mut self, block: &[u8], what: &str) {
        for r in records(block) {
            let is = |kind: Kind| r.kind == kind as u8;
            if is(Kind::Pass) {
                self.newest = r.a + r.b - 1;
            } else if is(Kind::Append) {
                assert_eq!(r.head, ALL_HEADS);
                for kv in 0..tiny::KV_HEADS {
                    let head = self.head(r.layer, kv);
                    (r.a..r.a + r.b).for_each(|p| assert!(head.insert(p), "{what}: {p} is stored twice"));
                }
            } else if is(Kind::Cut) {
                for kv in 0..tiny::KV_HEADS {
                    let head = self.head(r.layer, kv);
                    let gone = head.split_off(&r.a);
                    assert_eq!(gone.len(), r.b as usize, "{what}: rows taken back");
                }
            } else if is(Kind::Quantise) {
                let head = self.head(r.layer, r.head.into());
                let oldest = head.iter().position(|&p| p == r.a);
                let at = usize::from(r.layer) * tiny::KV_HEADS as usize + usize::from(r.head);
                assert_eq!(oldest, Some(self.quantised[at]), "{what}: quantised in order");
                self.quantised[at] += r.b as usize;
            } else if is(Kind::EvictRun) || is(Kind::EvictBits) {
                let head = self.head(r.layer, r.head.into());
                r.positions().for_each(|p| assert!(head.remove(&p), "{what}: {p} is dropped but not there"));
            } else if is(Kind::ReadRun) || is(Kind::ReadBits) {
                let newest = self.newest;
                let head = self.head(r.layer, u32::from(r.head) * tiny::KV_HEADS / tiny::QUERY_HEADS);
                r.positions()
                    .for_each(|p| assert!(p <= newest && head.contains(&p), "{what}: {p} is read but not there"));
            }
        }
    }
}

#[test]
fn the_trace_rebuilds_the_live_set_and_the_budget_holds() {
    each(|row, store, what| {
        let shape = methods::Shape { layers: tiny::LAYERS };
        let bound = methods::build(row.name, &budgets(row, 12), &shape).unwrap().retain.bound();
        let number = |name: &str| {
            let param = row.params.iter().find(|p| p.name == name)?;
            let given = budgets(row, 12).into_iter().find(|given| given.0 == name);
            match given.map_or_else(|| param.default(), |given| given.1) {
                Value::Number(n) => Some(n as u32),
                _ => None,
            }
        };
        let mut replay = Replay::default();
        let mut engine = engine(row, 12, store);
        let mut steps = 0;
        run(&mut engine, Detail::Sets, |position, block| {
            replay.take(block, what);
            steps += 1;
            let newest = position - 1;
            for (head, quantised) in replay.live.iter().zip(&replay.quantised) {
                let full = head.len() - quantised;
                assert!(bound.is_none_or(|b| full <= b as usize), "{what}: {full} kept, bound {bound:?}");
                // A sketch has none of the paper's windows.
                if row.given.contains(&("variant".to_owned(), Value::Word("sketch".to_owned()))) {
                    continue;
                }
                let recent = number("recent").unwrap_or(1);
                assert!((newest + 1 - recent..=newest).all(|p| head.contains(&p)), "{what}: a recent row is gone");
                let sinks = number("sinks").or(number("n_sink")).unwrap_or(0);
                assert!((0..sinks).all(|p| head.contains(&p)), "{what}: a sink is gone");
            }
            let total: usize = replay.live.iter().map(BTreeSet::len).sum();
            // A pass that made several tokens reports once.
            if let Some(rows) = records(block).filter(|r| r.kind == Kind::Rows as u8).last() {
                assert_eq!(rows.a as usize, total, "{what}: rows kept");
            }
        });
        assert_eq!(steps, STEPS, "{what}");
        assert_eq!(engine.kept().rows as usize, replay.live.iter().map(BTreeSet::len).sum::<usize>(), "{what}");
    });
}

#[test]
fn a_budget_as_long_as_the_text_is_full_attention() {
    each(|row, store, what| {
        // Keys that are rotated at their read are rounded to f16 before and not after it; random weights amplify that
        // to anything. In f32 they must agree like all others.
        let shape = methods::Shape { layers: tiny::LAYERS };
        let positions = methods::build(row.name, &row.given, &shape).unwrap().retain.positions();
        if positions == Positions::Slot && store == Store::F16 || row.is_among(&NEVER_FULL) {
            return;
        }
        let mut full = engine(&Variant { row: methods::find("full").unwrap(), given: Vec::new() }, 1, store);
        let mut other = engine(row, 2 * PROMPT as u32, store);
        let ids = run(&mut full, Detail::Totals, |_, _| ());
        for engine in [&mut full, &mut other] {
            engine.start(&tiny::prompt(PROMPT), Options { max_tokens: STEPS, ..Options::default() }).unwrap();
        }
        for id in ids {
            let [want, got] = [&mut full, &mut other].map(|engine| {
                while !matches!(engine.advance().unwrap(), Progress::Step(_)) {}
                let logits = engine.logits().unwrap().to_vec();
                engine.choose(id).unwrap();
                logits
            });
            // Another order of summation can move the rounding of an 8-bit activation, and that what follows.
            let spread = want.iter().fold(0f32, |m, x| m.max(x.abs()));
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() <= 1e-2 * spread, "{what}: logit {got}, want {want} of {spread}");
            }
        }
    });
}

#[test]
fn watching_changes_nothing_and_a_second_run_is_the_same() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let first = run(&mut engine, Detail::Totals, |_, _| ());
        let mut blocks: [Vec<u8>; 2] = Default::default();
        for block in &mut blocks {
            let again = run(&mut engine, Detail::Sets, |_, b| block.extend_from_slice(b));
            assert_eq!(again, first, "{what}");
        }
        assert!(blocks[0] == blocks[1], "{what}: two runs, two traces");
    });
}

#[test]
fn a_run_can_be_left_at_any_point() {
    each(|row, store, what| {
        let mut engine = engine(row, 12, store);
        let traced = |engine: &mut Engine| {
            let mut blocks = Vec::new();
            let ids = run(engine, Detail::Sets, |_, block| blocks.extend_from_slice(block));
            (ids, blocks)
        };
        let want = traced(&mut engine);
        for pieces in [1, 2, 5, 9, 14, 40] {
            engine
                .start(&tiny::prompt(PROMPT), Options { max_tokens: 3, trace: Detail::Sets, ..Options::default() })
                .unwrap();
            for _ in 0..pieces {
                engine.advance().unwrap();
            }
            assert!(traced(&mut engine) == want, "{what} left after {pieces} pieces");
        }
    });
}

#[test]
fn a_second_turn_goes_on_where_the_first_ended() {
    each(|row, store, what| {
        let mut engine = engine(row, 40, store);
        run(&mut engine, Detail::Totals, |_, _| ());
        let before = engine.ids().len();
        engine.extend(&[70, 71, 72, 73, 74], Options { max_tokens: 2, ..Options::default() }).unwrap();
        let mut replies = 0;
        loop {
            match engine.advance().unwrap() {
                Progress::Working | Progress::Exchange => {}
                Progress::Step(step) => {
                    assert_eq!(step.index, replies, "{what}");
                    replies += 1;
                }
                Progress::Done => break,
            }
        }
        assert_eq!((replies, engine.ids().len()), (2, before + 7), "{what}");
    });
}

/// Small budgets and small other numbers, as far as the method takes them; what was given stays.
fn small(part: &Part) -> Part {
    let variant = Variant { row: methods::find(&part.name).unwrap(), given: part.params.clone().into_iter().collect() };
    let mut small = Part::new(&part.name, &budgets(&variant, 12));
    let numbers = |p: &&methods::Param| matches!(p.kind, ParamKind::Int { .. } | ParamKind::Layer { .. });
    for p in
        variant.row.params.iter().filter(|p| numbers(p) && !p.is_budget && !variant.given.iter().any(|g| g.0 == p.name))
    {
        let mut with = small.clone();
        with.params.insert(p.name.to_owned(), another(p));
        if with.build(&methods::Shape { layers: tiny::LAYERS }).is_ok() {
            small = with;
        }
    }
    small
}

/// Every part in every role beside every part in every other, and beside none.
fn combinations() -> Vec<Roles> {
    let shape = methods::Shape { layers: tiny::LAYERS };
    let mut all = vec![Roles::default()];
    for role in Role::ALL {
        let parts = methods::choices(role, &shape);
        assert!(!parts.is_empty(), "nothing fills {}", role.name());
        let with = |roles: &Roles| {
            let one = |part: &Part| {
                let mut roles = roles.clone();
                *roles.get_mut(role) = Some(small(part));
                roles
            };
            std::iter::once(roles.clone()).chain(parts.iter().map(one)).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all.split_off(1)
}

#[test]
fn roles_that_go_together_run_and_all_others_say_why_not() {
    let (mut run_, mut refused) = (0, std::collections::BTreeMap::new());
    let shape = methods::Shape { layers: tiny::LAYERS };
    for roles in combinations() {
        let spec = Spec::Roles(roles.clone());
        let what = format!("{spec} {roles:?}");
        let heads = match spec.build(&shape) {
            Ok(method) => method.retain.heads(),
            Err(error) => {
                assert_eq!(error.code(), "combination", "{what}: {error}");
                let why = error.to_string().split_once(" cannot be combined: ").unwrap().1.to_owned();
                *refused.entry(why).or_insert(0) += 1;
                continue;
            }
        };
        let mut engine = model().compose(&spec, None, Store::F16, Precision::Fast).unwrap();
        let mut replay = Replay::default();
        let first = run(&mut engine, Detail::Sets, |_, block| {
            replay.take(block, &what);
            for layer in replay.live.chunks(tiny::KV_HEADS as usize) {
                let alike = match heads {
                    Heads::Alike => layer.iter().all(|head| *head == layer[0]),
                    Heads::Even => layer.iter().all(|head| head.len() == layer[0].len()),
                    Heads::Uneven => true,
                };
                assert!(alike, "{what}: heads are not {heads:?}");
            }
        });
        assert_eq!(first.len(), STEPS as usize, "{what}");
        assert_eq!(engine.kept().rows as usize, replay.live.iter().map(BTreeSet::len).sum::<usize>(), "{what}");
        assert!(engine.logits().unwrap().iter().all(|x| x.is_finite()), "{what}");
        run_ += 1;
    }
    println!("{run_} combinations ran; refused:");
    refused.iter().for_each(|(why, count)| println!("{count:6} {why}"));
    for part in ["work only together", "the same tokens", "rotated by their slot"] {
        assert!(refused.keys().any(|why| why.contains(part)), "nothing is refused because: {part}");
    }
}

#[test]
fn a_set_of_positions_is_read_in_layers_that_dropped_other_tokens() {
    // A budget as long as the text: with and without the detour through positions all is the same as alone.
    let tidal = Part::new("tidal_decode", &[("top_k", 24.0), ("start_layer", 0.0)].map(number));
    let long = Part::new("h2o", &[("heavy", 400.0), ("recent", 400.0)].map(number));
    let run_of = |retain: Option<Part>| {
        let roles = Roles { select: Some(tidal.clone()), retain, ..Roles::default() };
        let mut engine = model().compose(&Spec::Roles(roles), None, Store::F16, Precision::Fast).unwrap();
        let mut reads = Vec::new();
        let ids = run(&mut engine, Detail::Sets, |position, block| {
            let sets = records(block).filter(|r| r.kind == Kind::ReadRun as u8 || r.kind == Kind::ReadBits as u8);
            reads.extend(sets.map(|r| (position, r.layer, r.head, r.positions().collect::<Vec<_>>())));
        });
        (ids, reads)
    };
    let alone = run_of(None);
    assert!(alone.1.iter().any(|read| read.1 > 0), "a later layer reads a set");
    assert!(run_of(Some(long)) == alone);
    // With a small budget the sets of later layers are those of the first that they still hold.
    let short = Part::new("h2o", &[("heavy", 30.0), ("recent", 10.0)].map(number));
    let (_, reads) = run_of(Some(short));
    let most = reads.iter().map(|read| read.3.len()).max();
    assert!(most.is_some_and(|most| most <= 24), "{most:?} read of 24");
    assert!(reads.iter().any(|read| read.3.iter().any(|p| *p < PROMPT as u32 / 2)), "old tokens are found");
}

fn number((name, value): (&str, f64)) -> (String, Value) {
    (name.to_owned(), Value::Number(value))
}

#[test]
fn a_spec_is_a_name_a_part_or_roles() {
    let read = |text: &str| serde_json::from_str::<Spec>(text);
    assert_eq!(read("\"h2o\"").unwrap(), Spec::method("h2o", &[]));
    let part = read(r#"{"name": "quest", "params": {"budget": 64}}"#).unwrap();
    assert_eq!(part, Spec::method("quest", &[number(("budget", 64.0))]));
    let text = r#"{"select":{"name":"quest","params":{"budget":64.0}},"retain":{"name":"snap_kv"}}"#;
    let roles = read(text).unwrap();
    assert_eq!(serde_json::to_string(&roles).unwrap(), text);
    assert_eq!(read(r#"{"retain": "snap_kv", "select": {"name": "quest", "params": {"budget": 64}}}"#).unwrap(), roles);
    assert_eq!(roles.to_string(), "select=quest retain=snap_kv");
    for (text, said) in [
        (r#"{"keep": "h2o"}"#, "unknown field `keep`, expected one of"),
        (r#"{"name": "h2o", "select": "quest"}"#, "not both"),
        (r#"{"params": {"budget": 3}, "retain": "fifo"}"#, "give each role its own"),
        (r#"{"retain": {"params": {}}}"#, "missing field `name`"),
        ("7", "the name of a method"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    let shape = methods::Shape { layers: 30 };
    for (text, code, said) in [
        ("{}", "combination", "at least one role"),
        (r#"{"retain": "h3o"}"#, "unknown_method", "full, streaming_llm"),
        (r#"{"retain": "quest"}"#, "combination", "quest has no retain role; those that have: streaming_llm"),
        (r#"{"retain": {"name": "fifo", "params": {"size": 1}}}"#, "unknown_param", "budget, n_sink"),
        (
            r#"{"retain": {"name": "h2o", "params": {"compat": "masked_simulation"}}}"#,
            "combination",
            "h2o with these parameters has no retain role",
        ),
        (r#"{"retain": "h2o", "schedule": "quant_spec"}"#, "combination", "so h2o cannot retain for it"),
        (
            r#"{"retain": {"name": "quant_spec", "params": {"gamma": 2}}, "schedule": "quant_spec"}"#,
            "combination",
            "quant_spec is one method and is given two sets of parameters",
        ),
    ] {
        let error = read(text).unwrap().build(&shape).err().unwrap_or_else(|| panic!("{text} is built"));
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
}

#[test]
fn every_parameter_says_what_it_allows() {
    let shape = methods::Shape { layers: tiny::LAYERS };
    for row in REGISTRY {
        let unknown = methods::build(row.name, &[("no_such".into(), Value::Flag(true))], &shape).err().unwrap();
        assert_eq!(unknown.code(), "unknown_param");
        for param in row.params {
            let bad = match param.kind {
                ParamKind::Int { .. } => {
                    vec![Value::Number(-1.0), Value::Number(0.5), Value::Number(4e9), Value::Flag(true)]
                }
                ParamKind::Real { max, .. } => vec![Value::Number(max * 2.0 + 1.0), Value::Number(f64::NAN)],
                ParamKind::Flag { .. } => vec![Value::Number(1.0)],
                ParamKind::Choice { .. } => vec![Value::Word("neither".into())],
                ParamKind::Layer { .. } => vec![Value::Number(-1.0), Value::Number(0.5), Value::Number(99.0)],
                ParamKind::Rounds => vec![Value::List(vec![2.0, 1.0]), Value::List(vec![1e9]), Value::Number(1.0)],
                ParamKind::Layers => {
                    vec![Value::List(vec![1.0, 1.0]), Value::List(vec![99.0]), Value::Word("x".into())]
                }
            };
            for value in bad {
                let error = methods::build(row.name, &[(param.name.to_owned(), value.clone())], &shape).err();
                let error = error.unwrap_or_else(|| panic!("{}.{} takes {value}", row.name, param.name));
                assert_eq!(error.code(), "param");
                assert!(error.to_string().contains(param.name), "{error}");
            }
            if param.is_budget && !matches!(param.kind, ParamKind::Int { min: 0, .. }) {
                let zero = methods::build(row.name, &[(param.name.to_owned(), Value::Number(0.0))], &shape);
                assert_eq!(zero.err().unwrap().code(), "param", "{}.{} takes 0", row.name, param.name);
            }
            let default = [(param.name.to_owned(), param.default())];
            methods::build(row.name, &default, &methods::Shape { layers: 32 }).map(|_| ()).unwrap();
        }
    }
    // Layers that must follow another are never ignored in silence.
    let tidal = |given: &[(&str, Value)]| {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        methods::build("tidal_decode", &given, &methods::Shape { layers: 30 }).err().map(|error| error.to_string())
    };
    let (start, again) = (|n| ("start_layer", Value::Number(n)), |n| ("reselect_layers", Value::List(vec![n])));
    assert_eq!((tidal(&[start(11.0)]), tidal(&[start(20.0), again(21.0)])), (None, None));
    assert!(tidal(&[start(20.0)]).unwrap().contains("start_layer = 20 is out of range; allowed: a layer before 12"));
    assert!(tidal(&[again(2.0)]).unwrap().contains("reselect_layers = [2.0] is out of range; allowed: layers after"));
    assert_eq!(methods::find("fulll").err().unwrap().code(), "unknown_method");
}
