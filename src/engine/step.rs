//! What a run is asked for and what it reports.

use crate::{guard::Limits, ops::Kept, sampler::Sampling, trace::Detail};

/// Tokens from one shadow evaluation to the next when only a guard asks for them.
pub const WATCHED: u32 = 16;

/// What a call of [`Engine::advance`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A piece of a pass.
    Working,
    /// A piece of a pass that other hosts take part in: [`Engine::partial`] has this host's, [`Engine::merge`] goes on.
    Exchange,
    /// Nothing: what the pass made is on its way from the device. Natively it is waited for instead.
    Waiting,
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

impl Default for Options {
    fn default() -> Self {
        let (trace, sampling) = (Detail::default(), Sampling::default());
        Options { max_tokens: 0, trace, sampling, logits: true, eos: Vec::new(), shadow: 0, guard: None }
    }
}

impl Options {
    /// Whether somebody watches what quantising loses.
    pub(super) fn measures_noise(&self) -> bool {
        self.guard.is_some_and(|limits| limits.noise.is_some())
    }

    /// Tokens from one shadow evaluation to the next; 0: none.
    #[must_use]
    pub fn compared(&self) -> u32 {
        let limits = self.guard.is_some_and(|limits| limits.recall.is_some() || limits.error.is_some());
        if self.shadow == 0 && limits { WATCHED } else { self.shadow }
    }
}

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tokens to generate, at least 1.
    pub max_tokens: u32,
    /// How much is recorded.
    pub trace: Detail,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Whether [`Engine::logits`] is asked after steps. If not, a device sends the chosen token alone, unless guesses are
    /// drawn: whole distributions judge them.
    pub logits: bool,
    /// Tokens that end the text; empty: none does.
    pub eos: Vec<u32>,
    /// Every so many tokens a decoding step also attends densely where it read sparsely, and records what was missed;
    /// 0: never. Only live slots count.
    pub shadow: u32,
    /// Limits past which the run goes on along the safe path; `None`: none. With a limit on what may be missed and
    /// `shadow` 0, every [`WATCHED`] tokens are compared.
    pub guard: Option<Limits>,
}
