//! What the model and the engine ask of a back end.

use super::{Expected, Fold, Kv, Mass, Ops, PlaneGroups, Read, Scores, Set, Tag};
use crate::{
    Error, Result,
    kernels::{Pick, Picked, SharedProducts},
    tape::Tape,
    trace::{Kind, Tracer},
};
use std::ops::Range;

/// What a sparse read missed of the live slots; what was dropped before is not there to compare with. Means over query
/// heads.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Missed {
    /// Share of the full attention that fell on slots that were read.
    pub recall: f32,
    /// Norm of the output's difference from dense attention over the norm of that.
    pub error: f32,
}

/// What the cache holds and what the running pass read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    /// Slots, summed over layers and KV heads.
    pub rows: u64,
    /// Bytes of their keys and values, and of page bounds.
    pub bytes: u64,
    /// Bytes reserved for keys and values.
    pub allocated: u64,
    /// Rows the newest query read, summed over layers and query heads.
    pub rows_read: u64,
    /// Bytes the pass read, each row once.
    pub bytes_read: u64,
    /// Of `bytes`, those in the far tier.
    pub far: u64,
    /// Bytes that the pass moved between the tiers.
    pub moved: u64,
    /// Least signal-to-noise ratio, in dB, of the keys or the values of a head that the pass quantised, if any and if it
    /// was [measured](Dense::measure_noise).
    pub noise: Option<f32>,
}

/// What one host's attention found for some rows of a layer: its output, `[rows, query_heads * head_dim]`, and the
/// natural log-sum-exp of its scores, `[rows, query_heads]`, minus infinity where it has nothing to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partial {
    /// `[rows, query_heads * head_dim]`
    pub output: Vec<f32>,
    /// `[rows, query_heads]`
    pub lse: Vec<f32>,
}

impl Partial {
    /// Bytes that a host sends.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        ((self.output.len() + self.lse.len()) * size_of::<f32>()) as u64
    }

    /// Share of the newest row's attention that each host found, mean over its `heads` query heads: `exp(lse - lse of all)`.
    /// A head that found nothing anywhere counts for nobody.
    pub fn shares(all: &[Partial], heads: usize) -> impl ExactSizeIterator<Item = f32> + '_ {
        let newest = move |partial: &Partial, head: usize| partial.lse[partial.lse.len() - heads + head];
        let share = move |own: &Partial, head: usize| {
            let top = all.iter().map(|partial| newest(partial, head)).fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = all.iter().map(|partial| (newest(partial, head) - top).exp()).sum();
            if top == f32::NEG_INFINITY { 0.0 } else { (newest(own, head) - top).exp() / sum }
        };
        all.iter().map(move |own| (0..heads).map(|head| share(own, head)).sum::<f32>() / heads as f32)
    }
}

/// A weight of the model, by its place in the back end's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight(pub u32);

/// What the model computes. A back end has one set of activation buffers, named after their role: the residual
/// stream, queries (kept for the whole pass), attention output and the MLP's hidden rows. Calls work on a range of
/// the pass's rows, so a long prompt is done in bounded pieces.
pub trait Dense: Ops {
    /// Begins a pass: residual = embeddings of `ids`, the first at position `first`; 0 where an id is [`ROW`], and of
    /// a token that only the device knows where it is from [`AHEAD`] on.
    fn embed(&mut self, table: Weight, ids: &[u32], first: u32) -> Result<()>;
    /// Whether products from now on may be with narrower copies of matrices, where the back end has any.
    fn narrow(&mut self, on: bool);
    /// Products from now on may be those that another session has just made. A back end that computes elsewhere makes
    /// its own.
    fn share(&mut self, _products: SharedProducts) {}
    /// Whether what is quantised from now on is compared with what it was.
    fn measure_noise(&mut self, on: bool);
    /// Residual of row `row` of the pass = `values`.
    fn put_row(&mut self, row: u32, values: &[f32]) -> Result<()>;
    /// queries, keys, values = norm(residual) times three matrices; rotates queries and, if the pass stores its rows,
    /// appends keys and values to `kv`.
    fn project(&mut self, kv: Kv, norm: Weight, qkv: [Weight; 3], rows: Range<u32>, stores: bool) -> Result<()>;
    /// A zeroed score table for each request, that [`attend`](Dense::attend) of this layer fills.
    fn open(&mut self, kv: Kv, leave: Mass) -> Result<Scores>;
    /// output = attention of the queries over `kv`, which already holds all rows of the pass if they are stored at all;
    /// adds the mass each slot got to the tables of `leave`.
    fn attend(&mut self, kv: Kv, read: Read, rows: Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()>;
    /// Puts into the trace what share of its attention the pass's newest query gave to each position: `left` by the newest
    /// [`attend`](Dense::attend), by query head, in a pass of one row; in one of more rows computed anew for the newest,
    /// so that asking changes no kernel. Changes nothing else. Of a read by blocks there are none.
    fn weigh(&mut self, kv: Kv, read: Read, left: Option<Scores>) -> Result<()>;
    /// What the newest [`attend`](Dense::attend) of [`Read::All`] or [`Read::BottomRight`] found, for other hosts.
    fn partial(&self) -> Result<Partial>;
    /// output = what the hosts found together, each over its own share of the keys (Star Attention).
    fn merge(&mut self, kv: Kv, partials: &[Partial]) -> Result<()>;
    /// Compares the newest [`attend`](Dense::attend), of a pass of one row, with attention over every live slot and
    /// records both figures by query head. Changes nothing else.
    fn shadow(&mut self, kv: Kv, read: Read) -> Result<()>;
    /// residual += output times a matrix.
    fn add_output(&mut self, w: Weight, rows: Range<u32>) -> Result<()>;
    /// hidden = silu(gate) * up of norm(residual).
    fn gate_up(&mut self, norm: Weight, gate: Weight, up: Weight, rows: Range<u32>) -> Result<()>;
    /// residual += hidden times a matrix.
    fn add_down(&mut self, w: Weight, rows: Range<u32>) -> Result<()>;
    /// Asks for norm(residual) of some rows of the pass times the output matrix; `back` if they are to be an
    /// [`answer`](Dense::answer).
    fn logits(&mut self, norm: Weight, head: Weight, rows: Range<u32>, back: bool) -> Result<()>;
    /// Asks for a token after each row of these logits, the pass's last work. A guess, at this position, is recorded.
    fn pick(&mut self, how: Pick, guess: Option<u32>) -> Result<()>;
    /// Ends a pass: sends off what was recorded of it.
    fn submit(&mut self) -> Result<()>;
    /// The same, but the next pass begins before this one has arrived, and names what it picked by an id from [`AHEAD`] on;
    /// then both arrive at once. False where that cannot be: then nothing was done.
    ///
    /// # Errors
    /// As [`submit`](Dense::submit).
    fn submit_ahead(&mut self) -> Result<bool> {
        Ok(false)
    }
    /// Whether all is done and known here that the pass made: only then is its trace complete, and do
    /// [`answer`](Dense::answer), [`picked`](Dense::picked), [`missed`](Dense::missed), [`kept`](Dense::kept) and
    /// [`live`](Dense::live) tell of it. Ask again until it is; natively the first call waits.
    fn arrived(&mut self) -> Result<bool>;
    /// The newest [`logits`](Dense::logits), `[rows, vocabulary]`; nothing if they were not to come back.
    fn answer(&self) -> &[f32];
    /// What was [picked](Dense::pick) by the passes that arrived last, by row; nothing if it was not asked.
    fn picked(&self) -> &[Picked];
    /// What each [`shadow`](Dense::shadow) of the pass found, as the mean over the query heads.
    fn missed(&self) -> &[Missed];

    /// Reserves room for `rows` slots in every KV head of every layer and forgets all slots.
    fn reset(&mut self, rows: u32) -> Result<()>;
    /// Makes room for `rows` slots in every KV head of every layer, those that are there included.
    fn reserve(&mut self, rows: u32) -> Result<()>;
    /// Keeps only the slots of `set` (by KV head, or one list for all) in `kv`, and no more room than was reserved.
    fn keep(&mut self, kv: Kv, set: Set) -> Result<()>;
    /// Moves the oldest `rows` full-precision rows of `kv` into two 4-bit planes.
    fn quantise(&mut self, kv: Kv, groups: PlaneGroups, rows: u32) -> Result<()>;
    /// Moves the slots of `near` (by KV head, or one list for all) to the near tier and all others of `kv` to the far one.
    fn place(&mut self, kv: Kv, near: Set) -> Result<()>;
    /// Takes back the slots of `kv` from position `first` on.
    fn cut(&mut self, kv: Kv, first: u32) -> Result<()>;
    /// Most live slots of any KV head of `kv`.
    fn live(&self, kv: Kv) -> u32;
    /// Most slots in two planes of any KV head of `kv`.
    fn quantised(&self, kv: Kv) -> u32;
    /// What the cache holds and what this pass read.
    fn kept(&self) -> Kept;
    /// Writes what the cache holds and what the newest pass read, or reads it into a cache that was just
    /// [reset](Dense::reset).
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless the back end can; [`Error::Saved`], [`Error::Memory`].
    fn save_or_restore(&mut self, _tape: &mut Tape, _expected: &Expected) -> Result<()> {
        let (got, supported) = ("this back end".to_owned(), "the CPU".to_owned());
        Err(Error::Unsupported { what: "saving a session on", got, supported })
    }
    /// The trace.
    fn tracer(&mut self) -> &mut Tracer;
    /// Adds a record of no layer to the trace, behind those of the passes before.
    fn log(&mut self, kind: Kind, aux: u8, a: u32, b: u32) {
        self.tracer().record(kind, 0, 0, aux, a, b);
    }
    /// Tags the tokens at original positions from `first` on; a token that was never tagged is text of the
    /// same round as the one before. [`reset`](Dense::reset) forgets all tags.
    fn tag(&mut self, first: u32, tags: &[Tag]);
    /// As [`keep`](Dense::keep), but every dropped row first goes into the kept row whose key is nearest.
    fn fold(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::Partial;

    #[test]
    fn shares_are_those_of_the_newest_row() {
        let host = |lse: [f32; 4]| Partial { output: Vec::new(), lse: lse.to_vec() };
        let three = 3f32.ln();
        // Two rows of two heads; of the second row's second head only the first host found anything.
        let all = [host([9.0, 9.0, 0.0, 5.0]), host([0.0, 0.0, three, f32::NEG_INFINITY])];
        let shares: Vec<f32> = Partial::shares(&all, 2).collect();
        assert!((shares[0] - 0.625).abs() < 1e-6 && (shares[1] - 0.375).abs() < 1e-6, "{shares:?}");
        let nothing = [host([f32::NEG_INFINITY; 4]), host([f32::NEG_INFINITY; 4])];
        assert!(Partial::shares(&nothing, 2).all(|share| share == 0.0));
    }
}
