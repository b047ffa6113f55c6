//! Attention of one layer: per KV head, its group of query heads together.

use super::{Cpu, rounded::round_rows};
use crate::{
    Error, Result,
    backend::account::{Accountant, Reading, block_grid},
    cache::{Head, Planes},
    kernels::{
        AttendScratch, Blocks, Element, Keys, MassOut, Queries, Rope, Span, attend_blocks, attend_listed,
        attend_planes, attend_span, planes_serve,
    },
    method::Positions,
    model::MAX_GROUP,
    ops::{Group, Kv, Mass, Read, Scores, Set},
};
use std::ops::Range;

/// Which rows one KV head's group reads, in the kernel's terms.
enum Reads<'a> {
    Span(Span),
    Lists(&'a [&'a [u32]]),
    /// The slot of the first row, and what each head reads.
    Blocks(usize, Blocks<'a>),
}

/// Runs the same code on the keys and values of a head, however they are stored.
macro_rules! each_store {
    ($head:expr, |$k:ident, $v:ident| $body:expr) => {
        crate::backend::cpu::attention::each_rows!(&$head.k, &$head.v, |$k, $v| $body)
    };
}
pub(super) use each_store;

/// The same of any keys and values.
macro_rules! each_rows {
    ($keys:expr, $values:expr, |$k:ident, $v:ident| $body:expr) => {
        match ($keys, $values) {
            (crate::cache::Rows::F16($k), crate::cache::Rows::F16($v)) => $body,
            (crate::cache::Rows::F32($k), crate::cache::Rows::F32($v)) => $body,
            _ => return Err(crate::Error::State("keys and values are stored alike")),
        }
    };
}
pub(super) use each_rows;

/// Query heads that may share a KV head.
const MOST: usize = MAX_GROUP as usize;

/// Rotation of keys at their read, if they are stored without.
pub(super) fn at_read(rope: Option<&Rope>, positions: Positions) -> Option<&Rope> {
    rope.filter(|_| positions == Positions::Slot)
}

impl Cpu {
    pub(super) fn attend_rows(
        &mut self,
        kv: Kv,
        read: Read,
        rows: Range<u32>,
        leave: &[Option<(Mass, Scores)>],
    ) -> Result<()> {
        let (n, dim, group) = (rows.len(), self.shape.head_dim, self.shape.query_heads / self.shape.kv_heads);
        if group > MOST {
            let (want, got) = (format!("at most {MOST} query heads a KV head"), group.to_string());
            return Err(Error::Shape { op: "attend", want, got });
        }
        if let Read::Slots(set) = read
            && self.pass.rows > 1
        {
            self.check_gathered(kv, set)?;
        }
        let width = self.shape.query_heads * dim;
        self.output.clear();
        self.output.resize(n * width, 0.0);
        self.lse.clear();
        if matches!(read, Read::All | Read::BottomRight) {
            self.lse.resize(n * self.shape.query_heads, f32::NEG_INFINITY);
        }
        // What a call leaves is shared by requests for the same rows, which in a pass of one row all are.
        let total = self.pass.rows;
        let counted = |asked: &Option<(Mass, Scores)>| asked.map(|(mass, _)| mass.rows.min(total));
        for head in 0..self.shape.kv_heads {
            if leave.iter().all(Option::is_none) {
                self.attend_head(kv, head, read, &rows, 0, &[])?;
            }
            for (i, asked) in leave.iter().enumerate() {
                if let Some(newest) = counted(asked)
                    && !leave[..i].iter().any(|earlier| counted(earlier) == Some(newest))
                {
                    self.attend_head(kv, head, read, &rows, newest, leave)?;
                }
            }
        }
        let first = *self.pass.attended.get_or_insert(rows.start);
        if rows.end == self.pass.rows {
            self.pass.attended = None;
            self.account(kv, read, first)?;
        }
        Ok(())
    }

    /// Attention of a KV head's group, whose mass goes to those of `leave` that ask for the pass's `newest` rows.
    pub(super) fn attend_head(
        &mut self,
        kv: Kv,
        head: usize,
        read: Read,
        rows: &Range<u32>,
        newest: u32,
        leave: &[Option<(Mass, Scores)>],
    ) -> Result<()> {
        let (dim, group, query_heads) =
            (self.shape.head_dim, self.shape.query_heads / self.shape.kv_heads, self.shape.query_heads);
        let width = query_heads * dim;
        let cached = &self.cache.layer(kv)[head];
        let live = cached.len();
        let before = self.pass.before(live, rows.start);
        let mut gathered = std::mem::take(&mut self.slots);
        gathered.clear();
        let mut lists: [&[u32]; MOST] = [&[]; MOST];
        let reads = match read {
            Read::All if self.pass.elsewhere => Reads::Span(Span { fixed: true, ..Span::causal(live) }),
            Read::All | Read::Coarse | Read::Rounded(_) => Reads::Span(Span::causal(before + 1)),
            Read::BottomRight => {
                Reads::Span(Span::causal((live + 1).saturating_sub((self.pass.rows - rows.start) as usize)))
            }
            Read::Window(w) => Reads::Span(Span { window: w as usize, ..Span::causal(before + 1) }),
            Read::Slots(set) if self.pass.rows > 1 => {
                let set = self.tables.set(set)?;
                let list = set.list(head * set.groups() / self.shape.kv_heads);
                gathered.extend_from_slice(&list[..list.len() - (self.pass.rows - rows.end) as usize]);
                Reads::Span(Span::causal(gathered.len() + 1 - rows.len()))
            }
            Read::Slots(set) => {
                let set = self.tables.set(set)?;
                for (g, list) in lists[..group].iter_mut().enumerate() {
                    *list = set.list((head * group + g) * set.groups() / query_heads);
                }
                Reads::Lists(&lists[..group])
            }
            Read::Blocks { pairs, size } => {
                let count = block_grid(&self.cache, kv, size)?;
                let set = self.tables.set(pairs)?;
                for (g, list) in lists[..group].iter_mut().enumerate() {
                    *list = set.list((head * group + g) * set.groups() / query_heads);
                }
                Reads::Blocks(before, Blocks { size: size as usize, count, pairs: &lists[..group] })
            }
        };
        let q = Queries {
            q: &self.q[rows.start as usize * width + head * group * dim..],
            stride: width,
            rows: rows.len(),
            group,
            head_dim: dim,
            scale: 1.0 / (dim as f32).sqrt(),
        };
        let rotate = at_read(self.rope.as_ref(), self.positions);
        let out = &mut self.output[head * group * dim..];
        let mut columns = std::mem::take(&mut self.columns);
        // Of gathered slots, a column each; of all others a column a slot.
        let read_slots = if gathered.is_empty() { live } else { gathered.len() };
        if !leave.is_empty() {
            columns.clear();
            columns.resize(group * read_slots, 0.0);
        }
        let mass = (!leave.is_empty()).then_some(MassOut {
            columns: &mut columns,
            stride: read_slots,
            first_row: self.pass.rows.saturating_sub(newest).saturating_sub(rows.start) as usize,
        });
        let scratch = &mut self.attend;
        scratch.lse.clear();
        let in_planes = cached.planes.as_ref().filter(|planes| planes.rows > 0);
        if !gathered.is_empty() {
            let [k, v] = &mut self.gathered;
            k.gather(&cached.k, &gathered, dim)?;
            v.gather(&cached.v, &gathered, dim)?;
            each_rows!(&self.gathered[0], &self.gathered[1], |k, v| run(
                &q, k, v, rotate, reads, out, width, mass, scratch
            ));
        } else if let (Some(planes), Read::All | Read::Coarse) = (in_planes, read)
            && planes_serve(&q, planes.groups.channels as usize)
        {
            let planes = planes.to_read(matches!(read, Read::Coarse));
            each_store!(cached, |k, v| {
                let tail = Keys { k, v, rotate };
                attend_planes(&q, &planes, &tail, before + 1, out, width, mass, scratch);
            });
        } else if in_planes.is_some() || matches!(read, Read::Rounded(_)) {
            whole(cached, in_planes, matches!(read, Read::Coarse), dim, &mut self.whole);
            if let Read::Rounded(bits) = read {
                self.whole.iter_mut().for_each(|part| round_rows(part, dim, bits));
            }
            let [k, v] = &self.whole;
            run(&q, k, v, rotate, reads, out, width, mass, scratch);
        } else {
            each_store!(cached, |k, v| run(&q, k, v, rotate, reads, out, width, mass, scratch));
        }
        let pass = self.pass.rows;
        for &(mass, scores) in leave.iter().flatten().filter(|(mass, _)| mass.rows.min(pass) == newest) {
            let table = self.tables.table_mut(scores)?;
            for (g, column) in columns.chunks_exact(read_slots).enumerate() {
                let to = match mass.per {
                    Group::Query => head * group + g,
                    Group::Kv => head,
                    Group::All => 0,
                };
                let to = &mut table.data[to * table.stride..][..live];
                if gathered.is_empty() {
                    to.iter_mut().zip(column).for_each(|(t, c)| *t += c);
                } else {
                    gathered.iter().zip(column).for_each(|(&slot, c)| to[slot as usize] += c);
                }
            }
        }
        (self.columns, self.slots) = (columns, gathered);
        if self.attend.lse.is_empty() {
            // Over planes the kernel leaves none.
            self.lse.clear();
        }
        let query_heads = self.shape.query_heads;
        for (row, own) in self.lse.chunks_exact_mut(query_heads).zip(self.attend.lse.chunks_exact(group)) {
            row[head * group..][..group].copy_from_slice(own);
        }
        Ok(())
    }

    /// What several rows read as one list must hold their own slots, in KV heads that are whole and keep rotated keys.
    fn check_gathered(&self, kv: Kv, set: Set) -> Result<()> {
        let refuse = |want: &str, got: String| Err(Error::Shape { op: "attend", want: want.to_owned(), got });
        let (groups, heads, rows) = (self.tables.set(set)?.groups(), self.shape.kv_heads, self.pass.rows as usize);
        self.check_unquantised(kv)?;
        if groups == 0 || !heads.is_multiple_of(groups) || self.positions != Positions::Text || self.pass.elsewhere {
            return refuse("slots by KV head of stored rows with keys rotated by position", format!("{groups} groups"));
        }
        for head in 0..heads {
            let (list, live) = (self.list_of(set, head, heads)?, self.cache.layer(kv)[head].len());
            if list.len() < rows || list[list.len() - rows] as usize != live - rows {
                return refuse("slots that end with those of the pass", format!("{} slots", list.len()));
            }
        }
        Ok(())
    }

    /// Counts what the rows of the pass from `first` on read of a layer, and records it.
    fn account(&mut self, kv: Kv, read: Read, first: u32) -> Result<()> {
        let lists = match read {
            Read::Slots(set) | Read::Blocks { pairs: set, .. } => self.tables.set(set)?.all(),
            _ => &[],
        };
        let mut accountant = Accountant {
            cache: &self.cache,
            query_heads: self.shape.query_heads,
            count: &mut self.read,
            tracer: &mut self.tracer,
            seen: &mut self.seen,
        };
        accountant.count(&Reading { kv, read, lists, rows: self.pass.rows - first })
    }
}

/// Keys and values of a head as f32, quantised rows too: for the many rows of a prompt, which share the conversion.
fn whole(head: &Head, planes: Option<&Planes>, coarse: bool, dim: usize, out: &mut [Vec<f32>; 2]) {
    for (part, rows) in out.iter_mut().zip([&head.k, &head.v]) {
        part.resize(head.len() * dim, 0.0);
        rows.fetch_into(0, &mut part[head.quantised() * dim..]);
    }
    let Some(planes) = planes else { return };
    let [keys, values] = out;
    for (row, (key, value)) in
        keys.chunks_exact_mut(dim).zip(values.chunks_exact_mut(dim)).take(planes.rows).enumerate()
    {
        planes.key(row, coarse, key);
        planes.value(row, coarse, value);
    }
}

#[expect(clippy::too_many_arguments, reason = "the three kernels behind one generic call")]
fn run<E: Element>(
    q: &Queries,
    k: &[E],
    v: &[E],
    rotate: Option<&Rope>,
    reads: Reads,
    out: &mut [f32],
    width: usize,
    mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    let keys = Keys { k, v, rotate };
    match reads {
        Reads::Span(span) => attend_span(q, &keys, span, out, width, mass, scratch),
        Reads::Lists(lists) => attend_listed(q, &keys, lists, out, mass, scratch),
        Reads::Blocks(first, blocks) => attend_blocks(q, &keys, first, blocks, out, width, mass, scratch),
    }
}
