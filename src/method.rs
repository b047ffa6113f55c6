//! The three roles of a method: [`Select`] chooses what is read, [`Retain`] what is kept, [`Schedule`] what is run.
//! A method fills one or more of them; the others keep their default.
//!
//! `Select` and `Retain` sit inside the layer loop and see handles only. A selector cannot edit the cache, and a
//! retainer cannot change what the pass it follows has read.

use crate::{Result, ops::*};
use std::{any::Any, ops::Range};

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PassKind {
    /// Prompt rows.
    Prefill = 0,
    /// One new token.
    Decode = 1,
    /// A guess, which may be taken back.
    Draft = 2,
    /// The last accepted token and the guesses after it, to check them.
    Verify = 3,
    /// Tokens that were there already, once more: their keys and values are replaced.
    Correct = 4,
}

/// Where in the model and in the run a call is made.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// 0-based layer.
    pub layer: u32,
    /// Layers in the model.
    pub layers: u32,
    /// Query heads that share a KV head.
    pub group: u32,
    /// What the pass is for.
    pub kind: PassKind,
    /// Tokens fed in this pass.
    pub rows: u32,
    /// Original position of the pass's newest token.
    pub position: u32,
    /// Passes that this session ran before this one.
    pub step: u32,
    /// Most live slots of any KV head of this layer, this pass's rows included once they are stored.
    pub live: u32,
    /// Those of them, the oldest, that are in two planes.
    pub quantised: u32,
    /// Number of the newest round of the conversation.
    pub round: u32,
    /// Rows of the pass, the newest, that belong to it.
    pub question: u32,
}

/// All that a method may touch in one layer of one pass. It can compute; it cannot edit the cache.
pub struct LayerCx<'a> {
    /// Where we are.
    pub site: Site,
    /// This layer's cache.
    pub kv: Kv,
    /// The back end.
    pub ops: &'a mut dyn Ops,
}

/// How alike the KV heads of a layer are in what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heads {
    /// Each may hold another number of tokens.
    #[default]
    Uneven,
    /// As many tokens each, perhaps others.
    Even,
    /// The same tokens.
    Alike,
}

/// What a select or schedule role needs of the retain role beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Heads at least so much alike.
    pub heads: Heads,
    /// Keys stored rotated: [`Positions::Text`].
    pub rotated_keys: bool,
    /// Nothing dropped and nothing scored: [`KeepAll`].
    pub everything: bool,
}

/// Which cached rows are read. Never changes what is stored.
pub trait Select: Any {
    /// What must hold of the cache, whoever keeps it.
    fn needs(&self) -> Needs {
        Needs::default()
    }
    /// Of a layer with `live` slots: slots of the pages whose bounds it has the back end keep, and newest slots in none.
    fn pages(&self, _layer: u32, _live: u32) -> Option<[u32; 2]> {
        None
    }
    /// Mass needed from this layer's attention for [`learn`](Select::learn).
    fn wants(&self, _at: &Site) -> Option<Mass> {
        None
    }
    /// Rows to read; called once a layer and pass, after the pass's own rows were stored.
    fn read(&mut self, _cx: &mut LayerCx) -> Result<Read> {
        Ok(Read::All)
    }
    /// Called after attention when [`wants`](Select::wants) asked for mass.
    fn learn(&mut self, _cx: &mut LayerCx, _mass: Scores) -> Result<()> {
        Ok(())
    }
}

/// An edit of one layer's cache. The cache applies it and records it in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing.
    None,
    /// Drop all but these (a set by KV head, or one list for all).
    Keep(Set),
    /// Move the oldest so many full-precision rows, a multiple of the key group, into two 4-bit planes.
    Quantise(PlaneGroups, u32),
    /// Keep these in the near tier, which is read, and park all others in the far one.
    Place(Set),
    /// Drop all but some, but every dropped row first goes into the kept row whose key is nearest.
    Fold {
        /// What is kept.
        keep: Set,
        /// How the others go into it.
        how: Fold,
    },
}

/// What RoPE rotates a cached key by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Positions {
    /// Its position in the text; keys are stored rotated.
    #[default]
    Text,
    /// Its slot, so the distance to an old token shrinks when tokens between are dropped; keys are stored unrotated
    /// and rotated at every read.
    Slot,
}

/// A text, as far as one layer's memory goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Tokens of prompts.
    pub prompt: u32,
    /// Those of them that belong to pictures.
    pub pictures: u32,
    /// Tokens generated; the newest has no row.
    pub generated: u32,
    /// 0-based layer.
    pub layer: u32,
    /// Layers in the model.
    pub layers: u32,
}

impl Extent {
    /// Rows of the whole text.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.prompt.saturating_add(self.generated).saturating_sub(1)
    }

    /// Rows when a prompt is cut to `budget` and nothing that is generated is dropped.
    #[must_use]
    pub fn with_prompt(&self, budget: u32) -> Holds {
        Holds::rows(self.rows().min(budget.saturating_add(self.generated.saturating_sub(1))))
    }
}

/// What a KV head of a layer holds at the end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holds {
    /// Rows in full precision, on average over the layer's KV heads.
    pub rows: u32,
    /// Rows in full precision of any of them, after any pass; memory is reserved by it.
    pub most: u32,
    /// Rows in two planes, and their groups.
    pub planes: Option<(PlaneGroups, u32)>,
}

impl Holds {
    /// As many rows in every head.
    #[must_use]
    pub fn rows(rows: u32) -> Holds {
        Holds { rows, most: rows, planes: None }
    }
}

/// Numbers in the saved state of a [`Retain`] role are below this.
pub const MOST_STATE: u32 = 1 << 22;

/// Which rows are kept.
pub trait Retain: Any {
    /// How alike its edits leave the KV heads of a layer.
    fn heads(&self) -> Heads {
        Heads::Even
    }
    /// How keys are rotated; asked once.
    fn positions(&self) -> Positions {
        Positions::Text
    }
    /// Most rows a KV head keeps after a pass, those in planes not counted; `None` when they grow with the text.
    fn bound(&self) -> Option<u32> {
        None
    }
    /// What it holds of a text; the engine reserves memory by it.
    fn holds(&self, of: &Extent) -> Holds {
        Holds::rows(self.bound().map_or(of.rows(), |bound| of.rows().min(bound)))
    }
    /// Called before the rows of a pass are stored in this layer.
    fn make_room(&mut self, _cx: &mut LayerCx) -> Result<Edit> {
        Ok(Edit::None)
    }
    /// Mass needed from this layer's attention for [`edit`](Retain::edit).
    fn wants(&self, _at: &Site) -> Option<Mass> {
        None
    }
    /// Called after attention, once a layer and pass.
    fn edit(&mut self, _cx: &mut LayerCx, _mass: Option<Scores>) -> Result<Edit> {
        Ok(Edit::None)
    }
    /// What outlives a pass and is in no score column, to be saved and put back: numbers of tokens or of passes, below
    /// [`MOST_STATE`].
    fn state(&mut self) -> Vec<&mut u32> {
        Vec::new()
    }
}

/// One run through all layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// What for.
    pub kind: PassKind,
    /// Ids fed, by their index in [`Text::ids`]; also their positions.
    pub rows: Range<u32>,
    /// Positions before the pass's own that none of its rows reads, whatever the select role says.
    pub hidden: Range<u32>,
    /// The cache holds one host's share of the text: in every layer the outputs of all hosts become one.
    pub shared: bool,
    /// The rows' keys and values are stored; else another host stores them.
    pub stores: bool,
}

impl Pass {
    /// A pass over the whole text, on one host.
    #[must_use]
    pub fn new(kind: PassKind, rows: Range<u32>) -> Pass {
        Pass { kind, rows, hidden: 0..0, shared: false, stores: true }
    }
}

/// The text so far: prompt and accepted ids.
#[derive(Debug, Default)]
pub struct Text {
    /// Prompt, what was accepted after it, and guesses that were not checked yet.
    pub ids: Vec<u32>,
    /// Ids that are no guesses.
    pub accepted: u32,
    /// Ids that passes have already stored, guesses included until they are checked. A pass that begins before it takes
    /// the rows from there on back first.
    pub fed: u32,
    /// Length at which the run ends.
    pub limit: u32,
    /// Position at which each round begins.
    pub rounds: Vec<u32>,
}

/// Which passes are run, in what order. A [`PassKind::Draft`] adds a guess to the text, a [`PassKind::Verify`] accepts
/// the guesses that the target agrees with and a token of its own. Any other pass adds a token when it feeds the text's
/// last one, else nothing.
pub trait Schedule: Any {
    /// What must hold of the cache, whoever keeps it.
    fn needs(&self) -> Needs {
        Needs::default()
    }
    /// The next pass; `None` at the end.
    fn next(&mut self, text: &Text) -> Option<Pass>;
    /// Whether guesses are computed with narrower copies of the feed-forward matrices; asked at every pass.
    fn narrow_guesses(&self) -> bool {
        false
    }
    /// A new text begins.
    fn restart(&mut self) {}
    /// What outlives a pass, to be saved and put back: lengths of the text that passes have already stored.
    fn state(&mut self) -> Vec<&mut u32> {
        Vec::new()
    }
}

/// Whole prompt, then one token a pass.
#[derive(Debug, Default)]
pub struct Plain;

impl Schedule for Plain {
    fn next(&mut self, text: &Text) -> Option<Pass> {
        let len = text.accepted;
        let kind = if len - text.fed > 1 || text.fed == 0 { PassKind::Prefill } else { PassKind::Decode };
        (len < text.limit && text.fed < len).then(|| Pass::new(kind, text.fed..len))
    }
}

/// Reads everything.
#[derive(Debug, Default)]
pub struct ReadAll;
impl Select for ReadAll {}

/// Keeps everything.
#[derive(Debug, Default)]
pub struct KeepAll;
impl Retain for KeepAll {
    fn heads(&self) -> Heads {
        Heads::Alike
    }
}

/// A method, ready to run.
pub struct Method {
    /// What is read.
    pub select: Box<dyn Select>,
    /// What is kept.
    pub retain: Box<dyn Retain>,
    /// What is run.
    pub schedule: Box<dyn Schedule>,
}

impl Method {
    /// Full attention: the base that every constructor changes one or two fields of.
    #[must_use]
    pub fn full() -> Method {
        Method { select: Box::new(ReadAll), retain: Box::new(KeepAll), schedule: Box::new(Plain) }
    }
}
