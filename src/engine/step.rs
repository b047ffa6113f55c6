//! What a run is asked for and what it reports.

use crate::{ops::Kept, sampler::Sampling, trace::Detail};

/// What a call of [`Engine::advance`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A piece of a pass.
    Working,
    /// A piece of a pass that other hosts take part in: [`Engine::part`] has this host's, [`Engine::merge`] goes on.
    Exchange,
    /// The last piece: a token was proposed. It is taken unless [`Engine::choose`] replaces it.
    Step(Step),
    /// Nothing is left to do.
    Done,
}

/// A finished pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Tokens generated before this one.
    pub index: u32,
    /// The proposed token.
    pub id: u32,
    /// Its position in the text.
    pub position: u32,
    /// What the cache holds and what the pass read.
    pub kept: Kept,
    /// Why nothing follows, if so.
    pub end: Option<End>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The model ended its text.
    Eos,
    /// As many tokens as asked for.
    Length,
}

/// How a run is done.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Tokens to generate, at least 1.
    pub max_tokens: u32,
    /// How much is recorded.
    pub trace: Detail,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens that end the text; empty: none does.
    pub eos: Vec<u32>,
}
