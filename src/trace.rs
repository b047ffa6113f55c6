//! What the engine did, as a stream of 16-byte records that the page draws.
//!
//! A record is `kind: u8, layer: u8, head: u8, aux: u8, step: u32, a: u32, b: u32`, little endian. Kinds whose
//! `b` counts payload records are followed by that many times 16 bytes of payload. [`SCHEMA`] names every kind and
//! is exported to TypeScript by `cargo xtask gen`. Records come from the engine and the cache, never from a method,
//! so every back end gives the same trace. All positions are original positions in the text, never slots.

mod schema;

pub use schema::SCHEMA;

/// Bytes of a record.
pub const RECORD: usize = 16;
/// `head` of a record that holds for every head of its layer.
pub const ALL_HEADS: u8 = 255;
/// Least weight that [`Kind::Weights`] lists. A softmax sums to 1, so a head lists at most 256 positions.
pub const LEAST_WEIGHT: f32 = 1.0 / 256.0;
/// A listed position and its weight share a word: the position above, so many bits of weight below.
const WEIGHT_BITS: u32 = 12;
/// Stands for a weight of 1.
const WHOLE: u32 = (1 << WEIGHT_BITS) - 1;

/// How much is recorded. Watching changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Passes, tokens and totals.
    #[default]
    Totals,
    /// And every set read, appended and evicted.
    Sets,
    /// And how much of its attention the newest query of each head gave to each position.
    Weights,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A pass begins.
    Pass = 1,
    /// A token was chosen.
    Token = 2,
    /// A pass ended: bytes.
    Bytes = 3,
    /// A pass ended: rows.
    Rows = 4,
    /// Rows were stored.
    Append = 5,
    /// Every stored row was read.
    ReadAll = 6,
    /// Each query read its newest rows.
    ReadWindow = 7,
    /// A run of positions was read.
    ReadRun = 8,
    /// A set of positions was read.
    ReadBits = 9,
    /// A run of positions was dropped for good.
    EvictRun = 10,
    /// A set of positions was dropped for good.
    EvictBits = 11,
    /// A number the method remarks on.
    Note = 12,
    /// Rows were taken back.
    Cut = 13,
    /// Rows were quantised.
    Quantise = 14,
    /// A row that is about to be dropped was added to one that stays.
    Fold = 15,
    /// The blocks of keys that the blocks of queries read.
    ReadBlocks = 16,
    /// What a sparse read missed.
    Shadow = 17,
    /// A monitor tripped, and the run goes on along the safe path.
    Guard = 18,
    /// A run of positions was parked in the far tier.
    Park = 19,
    /// A run of positions was fetched from the far tier.
    Fetch = 20,
    /// A pass ended: bytes of the far tier.
    Far = 21,
    /// Hosts exchanged what their attention found in a layer.
    Exchange = 22,
    /// What quantising the rows just recorded cost.
    PlaneNoise = 23,
    /// How much of its attention the newest query gave to positions.
    Weights = 24,
    /// A head took one of two ways, by a number of its own.
    Choice = 25,
    /// How much of the newest query's attention one of several hosts found.
    Share = 26,
}

/// One row of [`SCHEMA`].
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// The kind.
    pub kind: Kind,
    /// Its name in the generated TypeScript.
    pub name: &'static str,
    /// What `head` counts: `""`, `"kv"` or `"query"`.
    pub head: &'static str,
    /// Meaning of `aux`, `a` and `b`.
    pub fields: [&'static str; 3],
    /// True when `b` payload records follow.
    pub payload: bool,
}

/// Collects records. What is not taken is kept, so whoever asks for [`Detail::Sets`] takes them every step.
#[derive(Debug, Default)]
pub struct Tracer {
    /// How much is recorded.
    pub detail: Detail,
    /// Tokens generated before the pass that is running.
    pub step: u32,
    bytes: Vec<u8>,
}

impl Tracer {
    /// Appends a record.
    pub fn record(&mut self, kind: Kind, layer: u32, head: u32, aux: u8, a: u32, b: u32) {
        let mut r = [0; RECORD];
        r[..4].copy_from_slice(&[kind as u8, layer.min(255) as u8, head.min(255) as u8, aux]);
        r[4..8].copy_from_slice(&self.step.to_le_bytes());
        r[8..12].copy_from_slice(&a.to_le_bytes());
        r[12..].copy_from_slice(&b.to_le_bytes());
        self.bytes.extend_from_slice(&r);
    }

    /// Appends the record of a guess.
    pub fn guess(&mut self, id: u32, position: u32) {
        self.record(Kind::Token, 0, 0, 2, id, position);
    }

    /// Appends ascending positions as runs.
    pub fn runs(&mut self, kind: Kind, layer: u32, head: u32, set: impl Iterator<Item = u32>) {
        for (first, len) in runs(set) {
            self.record(kind, layer, head, 0, first, len);
        }
    }

    /// Appends a set of ascending positions, as runs or as bits, whichever is shorter.
    pub fn positions(&mut self, run: Kind, bits: Kind, layer: u32, head: u32, set: impl Iterator<Item = u32> + Clone) {
        let Some(base) = set.clone().next() else { return };
        let last = set.clone().last().unwrap_or(base);
        let payload = (last - base) as usize / (8 * RECORD) + 1;
        if runs(set.clone()).count() <= 1 + payload {
            return self.runs(run, layer, head, set);
        }
        self.bits(bits, layer, head, base, (last - base) as usize + 1, set.map(|position| (position - base) as usize));
    }

    /// Appends a record whose payload are `len` bits, those of `set` being 1.
    pub fn bits(&mut self, kind: Kind, layer: u32, head: u32, a: u32, len: usize, set: impl Iterator<Item = usize>) {
        let payload = len.div_ceil(8 * RECORD);
        self.record(kind, layer, head, 0, a, payload as u32);
        let at = self.bytes.len();
        self.bytes.resize(at + payload * RECORD, 0);
        for bit in set {
            self.bytes[at + bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Appends the weights of a query head by ascending position, those that are listed. A position that does not fit into
    /// its word is left out; no context is as long.
    pub fn weights(&mut self, layer: u32, head: u32, weights: impl Iterator<Item = (u32, f32)> + Clone) {
        let listed = weights.filter(|&(at, weight)| weight >= LEAST_WEIGHT && at < 1 << (u32::BITS - WEIGHT_BITS));
        let count = listed.clone().count();
        let payload = (count * size_of::<u32>()).div_ceil(RECORD);
        self.record(Kind::Weights, layer, head, 0, count as u32, payload as u32);
        let end = self.bytes.len() + payload * RECORD;
        for (at, weight) in listed {
            let code = (weight.min(1.0) * WHOLE as f32).round() as u32;
            self.bytes.extend_from_slice(&(at << WEIGHT_BITS | code).to_le_bytes());
        }
        self.bytes.resize(end, 0);
    }

    /// Appends what hosts exchanged in a layer: that of one and that of all others, in bytes, and the share of each host.
    pub fn exchange(&mut self, layer: u32, bytes: u32, shares: impl ExactSizeIterator<Item = f32>) {
        let hosts = shares.len() as u32;
        let received = bytes.saturating_mul(hosts.saturating_sub(1));
        self.record(Kind::Exchange, layer, ALL_HEADS.into(), hosts.min(255) as u8, bytes, received);
        for (share, host) in shares.zip(0..=u8::MAX) {
            self.record(Kind::Share, layer, ALL_HEADS.into(), host, share.to_bits(), 0);
        }
    }

    /// Appends which way each of `groups` heads took: the first one where its number is below the cut.
    pub fn choices(&mut self, layer: u32, groups: usize, cut: f32, numbers: impl Iterator<Item = f32>) {
        for (group, number) in numbers.enumerate() {
            let head = if groups == 1 { ALL_HEADS.into() } else { group as u32 };
            self.record(Kind::Choice, layer, head, u8::from(number < cut), number.to_bits(), cut.to_bits());
        }
    }

    /// Appends records that another collected.
    pub fn append(&mut self, records: &[u8]) {
        self.bytes.extend_from_slice(records);
    }

    /// Hands out all records since the last call.
    pub fn take<T>(&mut self, with: impl FnOnce(&[u8]) -> T) -> T {
        let out = with(&self.bytes);
        self.bytes.clear();
        out
    }
}

/// Ascending positions as runs: first and length.
fn runs(set: impl Iterator<Item = u32>) -> impl Iterator<Item = (u32, u32)> {
    let mut rest = set.peekable();
    std::iter::from_fn(move || {
        let first = rest.next()?;
        let mut len = 1;
        while rest.next_if_eq(&(first + len)).is_some() {
            len += 1;
        }
        Some((first, len))
    })
}

/// One record read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Numeric kind; one that [`SCHEMA`] does not name may be skipped.
    pub kind: u8,
    /// Layer.
    pub layer: u8,
    /// Head, or [`ALL_HEADS`].
    pub head: u8,
    /// See [`SCHEMA`].
    pub aux: u8,
    /// Tokens generated before the pass.
    pub step: u32,
    /// See [`SCHEMA`].
    pub a: u32,
    /// See [`SCHEMA`].
    pub b: u32,
    /// Payload, when the kind has one.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// The positions a run or set record names.
    pub fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        let run = if self.payload.is_empty() { self.b } else { 0 };
        let bits = self
            .payload
            .iter()
            .enumerate()
            .flat_map(|(i, &byte)| (0..8).filter(move |b| byte >> b & 1 == 1).map(move |b| 8 * i as u32 + b));
        (0..run).chain(bits).map(|i| self.a.wrapping_add(i))
    }

    /// The positions that a record of weights lists, and their weights.
    pub fn weights(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        let words = self.payload.as_chunks().0.iter().map(word).take(self.a as usize);
        words.map(|word| (word >> WEIGHT_BITS, (word & WHOLE) as f32 / WHOLE as f32))
    }
}

/// Reads a trace block. A block that ends inside a record, or claims more payload than it has, ends early.
pub fn records(mut block: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (r, rest) = block.split_first_chunk::<RECORD>()?;
        let word = |i: usize| u32::from_le_bytes([r[i], r[i + 1], r[i + 2], r[i + 3]]);
        let b = word(12);
        let has_payload = SCHEMA.iter().any(|s| s.kind as u8 == r[0] && s.payload);
        let (payload, rest) =
            rest.split_at_checked(if has_payload { (b as usize).checked_mul(RECORD)? } else { 0 })?;
        block = rest;
        Some(Record { kind: r[0], layer: r[1], head: r[2], aux: r[3], step: word(4), a: word(8), b, payload })
    })
}

// proptest does not build for wasm.
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What was written as runs or bits is read back, whatever the set.
        #[test]
        fn sets_come_back(set in prop::collection::btree_set(0u32..3000, 0..200), dense in 0u32..400) {
            let all: Vec<u32> = set.into_iter().chain(5000..5000 + dense).collect();
            let mut tracer = Tracer { detail: Detail::Sets, step: 7, ..Tracer::default() };
            tracer.positions(Kind::EvictRun, Kind::EvictBits, 3, 2, all.iter().copied());
            let back: Vec<u32> = tracer.take(|b| records(b).inspect(|r| assert_eq!((r.layer, r.head, r.step), (3, 2, 7))).flat_map(|r| r.positions().collect::<Vec<_>>()).collect());
            prop_assert_eq!(back, all);
        }

        /// Weights come back with their positions, but for those below the least and those whose position has no room.
        #[test]
        fn weights_come_back(set in prop::collection::btree_map(0u32..1 << 21, 0f32..1.0, 0..300)) {
            let mut tracer = Tracer::default();
            tracer.weights(3, 2, set.iter().map(|(at, weight)| (*at, *weight)));
            let back: Vec<_> = tracer.take(|b| records(b).flat_map(|r| r.weights().collect::<Vec<_>>()).collect());
            let want: Vec<_> = set.into_iter().filter(|&(at, weight)| weight >= LEAST_WEIGHT && at < 1 << 20).collect();
            prop_assert_eq!(back.len(), want.len());
            for (back, want) in back.iter().zip(&want) {
                prop_assert!(back.0 == want.0 && (back.1 - want.1).abs() < 0.6 / 4095.0);
            }
        }

        /// A trace file is hostile input.
        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let read: usize = records(&bytes).inspect(|r| _ = r.weights().count()).map(|r| RECORD + r.payload.len()).sum();
            prop_assert!(read <= bytes.len());
        }
    }

    #[test]
    fn the_schema_lists_every_kind_once_in_order() {
        assert!(SCHEMA.windows(2).all(|w| (w[0].kind as u8) < (w[1].kind as u8)));
    }
}
