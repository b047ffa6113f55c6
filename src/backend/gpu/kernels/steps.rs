//! Steps: what one workgroup does for one group of a table. Steps that follow each other become one dispatch, a *chain*,
//! whose workgroups have a *cell* each: the groups of every step that need nothing of other cells.

use std::hash::{Hash, Hasher};

use super::shaders::file;

/// A function of a file in `src/kernels`, called with its parameters, what it does, a group, and the invocation.
pub struct Step {
    /// The function, and the file without its end.
    pub name: &'static str,
    /// The struct of its parameters.
    params: &'static str,
    text: &'static str,
    /// How many things it can do.
    pub ops: u32,
    /// Whether it reads the scores and log-sum-exps of a decode step.
    pub inputs: bool,
}

macro_rules! step {
    ($name:literal, $params:literal, $ops:literal, $inputs:literal) => {
        Step { name: $name, params: $params, text: file!($name), ops: $ops, inputs: $inputs }
    };
}

/// Mass of a decode step.
pub(crate) static MASS: Step = step!("mass", "Mass", 1, true);
/// Columns of tables, changed or made of others.
pub(crate) static CHANGE: Step = step!("change", "Change", 6, false);
pub(crate) static DERIVE: Step = step!("derive", "Derive", 9, false);
/// Places in an order.
pub(crate) static PLACE: Step = step!("place", "Place", 2, false);
/// The best columns.
pub(crate) static TOP_K: Step = step!("top_k", "TopK", 1, false);
/// Lists by a rule, and what is made of lists number by number.
pub(crate) static LISTING: Step = step!("listing", "Listing", 8, false);
pub(crate) static MARK: Step = step!("mark", "Mark", 2, false);

/// All steps.
pub static STEPS: [&Step; 7] = [&MASS, &CHANGE, &DERIVE, &PLACE, &TOP_K, &LISTING, &MARK];

// A step is its name: its text need not be compared when a chain is looked up.
impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        self.name == other.name
    }
}

impl Eq for Step {}

impl Hash for Step {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// What every step may use.
const SHARED: [&str; 6] =
    [file!("rank"), file!("memory"), file!("ordered"), file!("numbers"), file!("precise"), file!("random")];
/// Bytes of a step's parameters in a slot of 256; behind them its groups in a cell.
pub(crate) const PARAMS: usize = 240;

/// Steps that are one dispatch, each with what it does.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Chain(pub Vec<(&'static Step, u32)>);

impl Chain {
    /// Whether a step reads the scores and log-sum-exps of a decode step.
    #[must_use]
    pub fn inputs(&self) -> bool {
        self.0.iter().any(|(step, _)| step.inputs)
    }

    /// The whole WGSL: the files of the steps, and a kernel that calls one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        let (mut params, mut calls) = (String::new(), String::new());
        for (i, (step, op)) in self.0.iter().enumerate() {
            let Step { name, params: own, .. } = step;
            params += &format!("    @align(16) @size({PARAMS}) step{i}: {own},\n    @size(16) groups{i}: u32,\n");
            calls += &format!(
                "    for (var i = 0u; i < chain.groups{i}; i++) {{
        {name}(chain.step{i}, {op}u, workgroup.x * chain.groups{i} + i, own);
        storageBarrier();
        workgroupBarrier();
    }}\n"
            );
        }
        let files = STEPS.iter().filter(|of| self.0.iter().any(|(step, _)| step == *of));
        SHARED.into_iter().chain(files.map(|step| step.text)).collect::<String>()
            + &format!(
                "
struct Chain {{
{params}}}

@group(0) @binding(0) var<uniform> chain: Chain;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) own: u32) {{
{calls}}}
"
            )
    }
}
