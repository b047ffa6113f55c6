//! Star Attention on several hosts beside full attention on one: what is compared, and what it costs at least. Hosts are
//! threads natively (`threads.rs`) and Web Workers in a browser (`workers.mjs`).

use super::measure::work;
use attnscope::{
    Result,
    loader::Loaded,
    methods::{Plan, Rule, Value},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The method that runs on hosts, and its name among the settings.
const METHOD: &str = "star_attention";

/// Star Attention on hosts of its own.
struct Hosts {
    /// What the table calls it.
    name: &'static str,
    /// How many.
    hosts: u32,
    /// Parameters that are not at their default.
    params: &'static [(&'static str, u32)],
}

/// All of them. An anchor as long as a block, as published, has the second of two hosts compute three quarters of the text.
const HOSTS: &[Hosts] = &[
    Hosts { name: "star_attention, 1 host", hosts: 1, params: &[] },
    Hosts { name: "star_attention, 2 hosts", hosts: 2, params: &[] },
    Hosts { name: "the same, anchor 256", hosts: 2, params: &[("anchor_size", 256)] },
];

/// Who reads the prompt: full attention, or a method on hosts.
#[derive(Serialize)]
pub struct Arrangement {
    /// What the table calls it.
    pub name: &'static str,
    /// Its row in the registry.
    pub method: &'static str,
    /// How many hosts.
    pub hosts: u32,
    /// Parameters that are not at their default.
    pub params: BTreeMap<&'static str, u32>,
    /// Multiply-adds of the host that has most to do in the prompt.
    pub work: u64,
}

/// Whether hosts are among the settings of these names; they are among all.
pub fn wanted(names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == METHOD)
}

/// Full attention on one host, the base of the others, and every arrangement of [`HOSTS`].
///
/// # Errors
/// For a prompt that cannot be cut for so many hosts.
pub fn arrangements(loaded: &Loaded, context: u32) -> Result<Vec<Arrangement>> {
    let alone = work(loaded, u64::from(context), pairs(0, context));
    let mut all = vec![Arrangement { name: "full", method: "full", hosts: 1, params: BTreeMap::new(), work: alone }];
    for &Hosts { name, hosts, params } in HOSTS {
        let mut own = Arrangement { name, method: METHOD, hosts, params: params.iter().copied().collect(), work: 0 };
        let plan = plan(loaded, &own, context)?;
        own.work = (0..hosts).map(|host| of_host(loaded, plan, host, context)).max().unwrap_or(0);
        all.push(own);
    }
    Ok(all)
}

/// How the hosts of an arrangement cut a prompt of so many tokens.
///
/// # Errors
/// For a prompt that cannot be cut for so many hosts.
pub fn plan(loaded: &Loaded, arrangement: &Arrangement, context: u32) -> Result<Plan> {
    let given = |(name, value): (&&str, &u32)| ((*name).to_owned(), Value::Number((*value).into()));
    let given: Vec<_> = arrangement.params.iter().map(given).collect();
    Rule::given(&given, &loaded.shape())?.plan(context, &[0], arrangement.hosts)
}

/// Multiply-adds of one host: the anchor, its blocks, and the question over its share.
fn of_host(loaded: &Loaded, plan: Plan, host: u32, context: u32) -> u64 {
    let share = plan.share(host);
    let question = context - plan.context;
    let anchor = if share.start == 0 { 0 } else { plan.anchor };
    let kept = share.end - share.start;
    let mut seen = pairs(0, anchor) + u64::from(question) * u64::from(kept) + pairs(0, question);
    for start in share.step_by(plan.block as usize) {
        seen += pairs(plan.anchor.min(start), plan.block.min(plan.context - start));
    }
    work(loaded, u64::from(anchor + kept + question), seen)
}

/// Pairs of `rows` queries with the `before` keys before them and, causally, their own.
fn pairs(before: u32, rows: u32) -> u64 {
    let (before, rows) = (u64::from(before), u64::from(rows));
    rows * before + rows * (rows + 1) / 2
}
