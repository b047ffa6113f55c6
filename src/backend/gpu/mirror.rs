//! What the host knows of the cache: a cache whose rows are elsewhere. The calls of a pass are noted while they are
//! recorded, and made on it when the pass has come back with the lists the device chose: so the trace, the counts and
//! the positions are those of the same calls on the CPU.

use std::{collections::VecDeque, ops::Range};

use super::{Gpu, device::Burst, memory::TableAt};
use crate::{
    Result,
    backend::account::{Accountant, ReadCount, Reading},
    cache::Cache,
    ops::{Kv, Missed, PlaneGroups, Read, Set},
    trace::{Kind, Tracer},
};

/// A call whose result is known when the pass has come back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// A pass begins.
    Begin,
    /// The engine recorded something while a pass was on its way.
    Record { kind: Kind, aux: u8, a: u32, b: u32 },
    /// A guess was picked, for this position.
    Guess { position: u32 },
    /// Slots from a position on were taken back.
    Cut { kv: Kv, first: u32 },
    /// Rows of the pass were stored.
    Append { kv: Kv, first: u32, rows: u32 },
    /// The newest `rows` rows of the pass attended.
    Read { kv: Kv, read: Read, rows: u32 },
    /// Only a set's slots were kept.
    Keep { kv: Kv, set: Set },
    /// All slots were kept but those from one number to another.
    Drop { kv: Kv, gone: [u32; 2] },
    /// Only the slots of a set stayed near.
    Place { kv: Kv, set: Set },
    /// The oldest rows moved into planes; what was lost, if somebody wants to know.
    Quantise { kv: Kv, groups: PlaneGroups, rows: u32, noise: Option<TableAt>, measure: bool },
    /// A sparse read was compared with full attention: of each query head recall and error.
    Shadow { kv: Kv, missed: TableAt },
    /// A table is what the newest query gave each slot.
    Weights { kv: Kv, table: TableAt },
    /// A table's numbers are remark `what` of the method.
    Note { kv: Kv, what: u8, table: TableAt },
    /// Dropped rows went into kept ones; by KV head pairs of slots, for the trace.
    Fold { kv: Kv, moves: Option<Set> },
    /// The hosts' attentions were merged, each of so many bytes.
    Exchange { kv: Kv, hosts: usize, bytes: u32 },
    /// Each head took one of two ways, by the only number of its group.
    Choose { kv: Kv, table: TableAt, cut: f32 },
    /// Bounds of pages were read.
    Bounds { kv: Kv, page: u32, recent: u32 },
}

/// The cache as of the newest pass that has come back, the trace, and what is still to be told to both.
pub(super) struct Mirror {
    pub cache: Cache,
    pub tracer: Tracer,
    pub read: ReadCount,
    /// What the pass's sparse reads missed, where they were compared.
    pub missed: Vec<Missed>,
    query_heads: usize,
    seen: Vec<bool>,
    /// The calls of the pass that is recorded.
    pub log: Log,
    /// What came back of the one that is told.
    sets: Vec<Set>,
    lists: Vec<Vec<Vec<u32>>>,
    scores: VecDeque<Vec<u32>>,
    shares: VecDeque<f32>,
    /// Tokens that have come back, of which guesses are told in their order; they come first.
    pub guesses: VecDeque<u32>,
}

/// The calls of a pass, and what of the device's memory they need.
#[derive(Default)]
pub(super) struct Log {
    calls: Vec<Call>,
    /// Sets, in the order in which they are read back.
    sets: Vec<Set>,
    /// Tables, in the order in which they are noted; they are read back behind the sets.
    tables: Vec<TableAt>,
    /// What each host found in every exchange.
    shares: Vec<f32>,
}

impl Log {
    /// Whether the slots that were there still are, and in their places.
    pub fn keeps_slots(&self) -> bool {
        !self.calls.iter().any(|call| matches!(call, Call::Keep { .. } | Call::Drop { .. } | Call::Cut { .. }))
    }
}

fn set_of(call: &Call) -> Option<Set> {
    match call {
        Call::Read { read: Read::Slots(set) | Read::Blocks { pairs: set, .. }, .. }
        | Call::Keep { set, .. }
        | Call::Place { set, .. } => Some(*set),
        Call::Fold { moves, .. } => *moves,
        _ => None,
    }
}

impl Mirror {
    pub fn new(cache: Cache, query_heads: usize) -> Mirror {
        Mirror {
            cache,
            tracer: Tracer::default(),
            read: ReadCount::default(),
            missed: Vec::new(),
            query_heads,
            seen: Vec::new(),
            log: Log::default(),
            sets: Vec::new(),
            lists: Vec::new(),
            scores: VecDeque::new(),
            shares: VecDeque::new(),
            guesses: VecDeque::new(),
        }
    }

    /// Forgets the cache and what was not told to it.
    pub fn reset(&mut self) -> Result<()> {
        self.log = Log::default();
        self.cache.reset(0)
    }

    pub fn note(&mut self, call: Call) {
        if let Some(set) = set_of(&call)
            && !self.log.sets.contains(&set)
        {
            self.log.sets.push(set);
        }
        if let Call::Note { table, .. }
        | Call::Choose { table, .. }
        | Call::Weights { table, .. }
        | Call::Quantise { noise: Some(table), .. }
        | Call::Shadow { missed: table, .. } = call
        {
            self.log.tables.push(table);
        }
        self.log.calls.push(call);
    }

    /// Notes a merge, and the share of each host.
    pub fn exchange(&mut self, kv: Kv, bytes: u32, shares: impl ExactSizeIterator<Item = f32>) {
        self.note(Call::Exchange { kv, hosts: shares.len(), bytes });
        self.log.shares.extend(shares);
    }

    /// Makes the calls of a pass, given the words of each set's lists, then of each table.
    pub fn replay(&mut self, log: Log, mut words: Vec<Vec<u32>>, strides: &[u32]) -> Result<()> {
        self.lists.clear();
        self.sets = log.sets;
        self.shares = log.shares.into();
        self.scores = words.split_off(self.sets.len().min(words.len())).into();
        for (words, stride) in words.iter().zip(strides) {
            let list = |words: &[u32]| words[1..].iter().take(words[0] as usize).copied().collect();
            self.lists.push(words.chunks_exact(*stride as usize).map(list).collect());
        }
        for call in log.calls {
            self.make(call)?;
        }
        Ok(())
    }

    fn make(&mut self, call: Call) -> Result<()> {
        let at = set_of(&call).and_then(|set| self.sets.iter().position(|own| *own == set));
        let lists = at.map_or(&[][..], |at| &self.lists[at]);
        match call {
            // What was lost and missed is of all passes that arrive at once.
            Call::Begin => self.read = ReadCount { noise: self.read.noise, ..ReadCount::default() },
            Call::Record { kind, aux, a, b } => self.tracer.record(kind, 0, 0, aux, a, b),
            Call::Guess { position } => {
                let id = self.guesses.pop_front().unwrap_or(0);
                self.tracer.guess(id, position);
            }
            Call::Cut { kv, first } => self.cache.cut(kv, first, &mut self.tracer)?,
            Call::Append { kv, first, rows } => {
                self.cache.record_append(kv, first, rows, &mut self.tracer);
                self.cache.append_elsewhere(kv, first, rows);
            }
            Call::Read { kv, read, rows } => {
                let mut accountant = Accountant {
                    cache: &self.cache,
                    query_heads: self.query_heads,
                    count: &mut self.read,
                    tracer: &mut self.tracer,
                    seen: &mut self.seen,
                };
                accountant.count(&Reading { kv, read, lists, rows })?;
            }
            Call::Keep { kv, .. } => {
                let last = lists.len().saturating_sub(1);
                self.cache.keep(kv, |head| &lists[head.min(last)], &mut self.tracer);
            }
            Call::Drop { kv, gone: [low, high] } => {
                let high = high.max(low);
                let lengths = self.cache.layer(kv).iter().map(|head| head.len() as u32);
                let kept = |len: u32| (0..low.min(len)).chain(high.min(len)..len).collect();
                let lists: Vec<Vec<u32>> = lengths.map(kept).collect();
                self.cache.keep(kv, |head| &lists[head], &mut self.tracer);
            }
            Call::Place { kv, .. } => {
                let last = lists.len().saturating_sub(1);
                self.read.moved += self.cache.place(kv, |head| &lists[head.min(last)], &mut self.tracer);
            }
            Call::Quantise { kv, groups, rows, noise, measure } => {
                let words = noise.and_then(|_| self.scores.pop_front()).unwrap_or_default();
                let numbers: Vec<f32> = words.into_iter().map(f32::from_bits).collect();
                let lost = self.cache.quantise_elsewhere(kv, groups, rows as usize, &numbers, &mut self.tracer)?;
                self.read.hear(lost.filter(|_| measure));
            }
            Call::Fold { kv, .. } => {
                for (head, moves) in lists.iter().enumerate() {
                    let position = &self.cache.layer(kv)[head].position;
                    for pair in moves.chunks_exact(2) {
                        let [a, b] = [pair[0], pair[1]].map(|slot| position[slot as usize]);
                        self.tracer.record(Kind::Fold, kv.0, head as u32, 0, a, b);
                    }
                }
                // Forgets the bounds of its pages.
                (0..self.cache.layer(kv).len()).for_each(|head| _ = self.cache.head_mut(kv, head));
            }
            Call::Exchange { kv, hosts, bytes } => {
                let shares = self.shares.drain(..hosts.min(self.shares.len()));
                self.tracer.exchange(kv.0, bytes, shares);
            }
            Call::Bounds { kv, page, recent } => {
                // They are counted as a host keeps and reads them; here they are taken from the keys.
                self.cache.update_bounds(kv, page as usize, recent as usize);
                self.read.bytes += self.cache.layer(kv).iter().map(|head| head.bounds().bytes() as u64).sum::<u64>();
            }
            Call::Shadow { kv, .. } => {
                let words = self.scores.pop_front().unwrap_or_default();
                let mut sum = [0.0; 2];
                for (head, pair) in words.chunks_exact(2).enumerate() {
                    self.tracer.record(Kind::Shadow, kv.0, head as u32, 0, pair[0], pair[1]);
                    sum.iter_mut().zip(pair).for_each(|(sum, bits)| *sum += f32::from_bits(*bits));
                }
                let [recall, error] = sum.map(|sum| sum / self.query_heads as f32);
                self.missed.push(Missed { recall, error });
            }
            Call::Weights { kv, table } => {
                let (words, heads) = (self.scores.pop_front().unwrap_or_default(), self.cache.layer(kv));
                for (query, row) in words.chunks_exact(table.stride as usize).enumerate() {
                    let positions = &heads[query * heads.len() / self.query_heads].position;
                    let weights = row.iter().map(|bits| f32::from_bits(*bits));
                    self.tracer.weights(kv.0, query as u32, positions.iter().copied().zip(weights));
                }
            }
            Call::Choose { kv, table, cut } => {
                let words = self.scores.pop_front().unwrap_or_default();
                let numbers = words.chunks_exact(table.stride as usize).map(|row| f32::from_bits(row[0]));
                self.tracer.choices(kv.0, table.groups() as usize, cut, numbers);
            }
            Call::Note { kv, what, table } => {
                let (words, heads) = (self.scores.pop_front().unwrap_or_default(), self.cache.layer(kv));
                let groups = table.groups() as usize;
                for (group, row) in words.chunks_exact(table.stride as usize).enumerate() {
                    let columns = table.fixed().map_or(heads[group * heads.len() / groups].len(), |n| n as usize);
                    for (&bits, at) in row.iter().take(columns).zip(0..=u32::from(u16::MAX)) {
                        self.tracer.record(Kind::Note, kv.0, group as u32, what, at, bits);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Gpu {
    /// Asks for the lists and tables that the noted calls need; returns the words from one list to the next of each
    /// set.
    pub(super) fn ask_lists(&self, burst: &mut Burst) -> Result<Vec<u32>> {
        let mut strides = Vec::new();
        for set in &self.mirror.log.sets {
            let lists = self.handles.listed(*set)?.at;
            let range: Range<u64> = lists.at.into()..u64::from(lists.at) + u64::from(lists.stride * lists.groups);
            burst.read(&self.memory.words, range)?;
            strides.push(lists.stride);
        }
        for table in &self.mirror.log.tables {
            let range: Range<u64> = table.at.into()..u64::from(table.at) + u64::from(table.stride * table.groups());
            burst.read(&self.memory.words, range)?;
        }
        Ok(strides)
    }
}
