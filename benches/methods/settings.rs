//! What is compared: full attention first, then each method in a setting whose quality has been measured.

/// What a method makes faster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Both are measured, as the base of the others.
    Base,
    /// Reading the prompt.
    Prefill,
    /// Making tokens after it.
    Decode,
}

/// A method and its parameters.
pub struct Setting {
    /// What the table calls it.
    pub name: &'static str,
    /// Its row in the registry.
    pub method: &'static str,
    /// Parameters for a prompt of so many tokens: `name=value`, separated by spaces.
    pub params: fn(u32) -> String,
    /// What it makes faster.
    pub phase: Phase,
}

/// All of them.
pub const SETTINGS: &[Setting] = &[
    Setting { name: "full", method: "full", params: |_| String::new(), phase: Phase::Base },
    Setting {
        name: "tidal_decode",
        method: "tidal_decode",
        // Sparse layers read 12 % of the text; with the two that select, the second by the model's profile, and the two
        // before them that makes 24 %.
        params: |context| format!("share=all_heads top_k={}", context * 12 / 100),
        phase: Phase::Decode,
    },
    Setting { name: "quant_spec", method: "quant_spec", params: |_| "gamma=4".to_owned(), phase: Phase::Decode },
    Setting {
        name: "flex_prefill",
        method: "flex_prefill",
        // A least budget that grows with the text keeps the share of block pairs read near 30 %.
        params: |context| format!("block=64 gamma=0.9 min_budget={}", context * 17 / 200),
        phase: Phase::Prefill,
    },
];

/// Those of these names; all if there are none.
pub fn named(names: &[String]) -> Vec<&'static Setting> {
    SETTINGS.iter().filter(|setting| names.is_empty() || names.iter().any(|name| name == setting.name)).collect()
}
