//! The registry: a row a method. Adding a method is its file, its row in [`REGISTRY`] and its golden folder.
//!
//! Method files do not know each other. What several share is a file of its own: `observation` (SnapKV's prompt rule)
//! for `snap_kv`, `pyramid_kv`, `ada_kv` and `scope`.

mod ada_kv;
mod classic;
mod compose;
mod flex_prefill;
mod full;
mod h2o;
mod l2_norm;
mod listing;
mod look_m;
mod observation;
mod observed_attention;
mod params;
mod profile;
mod pyramid_kv;
mod quant_spec;
mod quest;
mod round_attention;
mod scope;
mod snap_kv;
mod spec;
mod star_attention;
mod streaming_llm;
mod tidal_decode;
mod tova;

pub use ada_kv::AdaKv;
pub use classic::{Classic, Policy};
pub use compose::choices;
pub use flex_prefill::{FlexPrefill, OnePattern};
pub use h2o::{H2o, Masked};
pub use l2_norm::L2Norm;
pub use listing::{MethodInfo, ParamInfo, listing};
pub use look_m::{LookM, TwoPools};
pub use observation::Observation;
pub use observed_attention::ObservedAttention;
pub use params::{Param, ParamKind, Params, Value};
pub use profile::{ModelKey, Profile};
pub use pyramid_kv::{Budgets, PyramidKv};
pub use quant_spec::{ByPlane, Planes, Rounds};
pub use quest::Quest;
pub use scope::Scope;
pub use snap_kv::SnapKv;
pub use spec::{Part, Roles, Spec};
pub use star_attention::{Plan, Rule};
pub use streaming_llm::StreamingLlm;
pub use tidal_decode::{Correction, Share, TidalDecode};
pub use tova::Tova;

use crate::{Error, Result, method::Method};

/// Every method, in the order in which people meet them.
pub const REGISTRY: &[Row] = &[
    full::ROW,
    streaming_llm::ROW,
    h2o::ROW,
    tova::ROW,
    snap_kv::ROW,
    pyramid_kv::ROW,
    ada_kv::ROW,
    l2_norm::ROW,
    observed_attention::ROW,
    scope::ROW,
    look_m::ROW,
    tidal_decode::ROW,
    quest::ROW,
    flex_prefill::ROW,
    star_attention::ROW,
    round_attention::ROW,
    quant_spec::ROW,
    classic::FIFO,
    classic::LRU,
    classic::LFU,
    classic::IMPORTANCE,
];

/// The method that runs on several hosts too, each with its share of the cache.
pub const SPREADS: &str = star_attention::ROW.name;

/// What a method does to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Chooses what a prompt reads.
    Prefill,
    /// Chooses what every other pass reads; alone, also what a prompt reads.
    Select,
    /// Chooses what is kept.
    Retain,
    /// Chooses what is run.
    Schedule,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 4] = [Role::Prefill, Role::Select, Role::Retain, Role::Schedule];

    /// Its name in listings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Prefill => "prefill",
            Role::Select => "select",
            Role::Retain => "retain",
            Role::Schedule => "schedule",
        }
    }
}

/// What of the model a method may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Layers.
    pub layers: u32,
}

type Build = fn(&Params, &Shape) -> Result<Method>;

/// A method of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name in code, files, links and the command line.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// arXiv id.
    pub paper: Option<&'static str>,
    /// Roles it fills; none: full attention.
    pub roles: &'static [Role],
    /// Its roles work only together, so that none of them can stand beside another method's.
    pub whole: bool,
    /// Its parameters.
    pub params: &'static [Param],
    /// Makes it from checked parameters.
    build: Build,
}

/// The row called `name`.
///
/// # Errors
/// [`Error::UnknownMethod`] with all names.
pub fn find(name: &str) -> Result<&'static Row> {
    REGISTRY.iter().find(|r| r.name == name).ok_or_else(|| Error::UnknownMethod {
        got: name.to_owned(),
        allowed: REGISTRY.iter().map(|r| r.name).collect::<Vec<_>>().join(", "),
    })
}

/// Builds a method by name. Parameters that are not given take their default.
///
/// # Errors
/// An unknown name or parameter, or a value out of its range; each says what is allowed.
pub fn build(name: &str, given: &[(String, Value)], shape: &Shape) -> Result<Method> {
    Part::new(name, given).build(shape)
}
