//! Methods out of parts: which go together, what those that do read and keep, and how they are written.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use attnscope::{
    cache::Store,
    kernels::Precision,
    method::Heads,
    methods::{self, ParamKind, Part, Role, Roles, Spec},
    trace::{Detail, Kind, records},
};
use common::{
    replay::Replay,
    rows::{PROMPT, STEPS, Variant, another, budgets, model, number, run},
    tiny,
};
use std::collections::{BTreeMap, BTreeSet};

/// Small budgets and small other numbers, as far as the method takes them; what was given stays.
fn small(role: Role, part: &Part) -> Part {
    let variant = Variant { row: methods::find(&part.name).unwrap(), given: part.params.clone().into_iter().collect() };
    let mut small = Part::new(&part.name, &budgets(&variant, 12));
    let numbers = |p: &&methods::Param| matches!(p.kind, ParamKind::Int { .. } | ParamKind::Layer { .. });
    for p in
        variant.row.params.iter().filter(|p| numbers(p) && !p.is_budget && !variant.given.iter().any(|g| g.0 == p.name))
    {
        let mut with = small.clone();
        with.params.insert(p.name.to_owned(), another(p));
        // Not what would give it a second role.
        let mut roles = Roles::default();
        *roles.get_mut(role) = Some(with.clone());
        if Spec::Roles(roles).build(&methods::Shape { layers: tiny::LAYERS }).is_ok() {
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
                *roles.get_mut(role) = Some(small(role, part));
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
    let (mut run_, mut refused) = (0, BTreeMap::new());
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
            r#"{"select": {"name": "tidal_decode", "params": {"correct_every": 8}}}"#,
            "combination",
            "tidal_decode with these parameters has a schedule role too",
        ),
        (
            r#"{"retain": "h2o", "schedule": {"name": "tidal_decode", "params": {"correct_every": 8}}}"#,
            "combination",
            "wants everything kept; retain drops tokens",
        ),
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
