//! Attention of a layer, and the mass it leaves.

use std::ops::Range;

use super::{
    Buffer, Burst, Gpu, Rows, at_least,
    kernels::{
        Blocks, Counts, Decode, DecodePlanes, DecodeRead, Gather, Merge, Partials, Prefill, RoundRows, RowsMass,
        StepRead, Stored, Turn, row_words,
    },
    memory::ListsAt,
    mirror::Call,
};
use crate::{
    Error, Result,
    kernels::Span,
    method::Positions,
    ops::{Group, Kv, Mass, Read, Scores},
};

/// Rows up to which a pass attends as a decode step does.
const FEW: u32 = 8;

/// A read of few rows, its keys split over workgroups.
pub(super) struct Split {
    /// First row of the pass, and how many.
    first: u32,
    rows: u32,
    listed: Option<ListsAt>,
    /// Slots that a row reads at most.
    most: u32,
    window: u32,
    /// Slots that are read from planes.
    skipped: u32,
    /// Numbers from a query head's scores to the next.
    pub stride: u32,
    tiles: u32,
    /// Of planes the upper one alone.
    coarse: bool,
}

impl Gpu {
    pub(super) fn groups(&self, per: Group) -> u32 {
        match per {
            Group::Query => self.heads.query,
            Group::Kv => self.heads.kv,
            Group::All => 1,
        }
    }

    pub(super) fn attend_rows(
        &mut self,
        kv: Kv,
        read: Read,
        rows: Range<u32>,
        leave: &[Option<(Mass, Scores)>],
    ) -> Result<()> {
        let (n, heads) = (rows.end - rows.start, self.heads);
        let numbers = u64::from(n * heads.query);
        at_least(&self.device, &mut self.room.output, numbers * u64::from(heads.dim))?;
        at_least(&self.device, &mut self.room.lse, numbers)?;
        // What earlier pieces left in a table must stay there; and of another host's rows each sees all that is here.
        let blank = |(_, scores): &(Mass, Scores)| self.handles.table(*scores).is_ok_and(|table| table.blank);
        let alone = n == 1 && leave.iter().flatten().all(blank);
        let together = leave.iter().all(Option::is_none) && !self.pass.elsewhere;
        let is_step = rows.end == self.pass.rows && n <= FEW && (alone || together);
        // Of rows that are rounded all are read.
        let read_as = match read {
            Read::Rounded(bits) => self.round_rows(kv, bits).map(|()| Read::All)?,
            read => read,
        };
        if self.positions == Positions::Slot {
            self.turn_keys(kv)?;
        }
        match read_as {
            Read::All | Read::BottomRight | Read::Window(_) | Read::Coarse if is_step => {
                self.step(kv, read_as, &rows, leave)?;
            }
            Read::Slots(_) if self.pass.rows == 1 => self.step(kv, read_as, &rows, leave)?,
            Read::Slots(set) => {
                let lists = self.listed(set)?.at;
                self.gathered(kv, lists, &rows, leave)?;
            }
            Read::All | Read::BottomRight | Read::Window(_) | Read::Blocks { .. } | Read::Rounded(_) => {
                self.many(kv, read_as, &rows, leave)?;
            }
            Read::Coarse if self.quantised[kv.0 as usize] == 0 => self.many(kv, Read::All, &rows, leave)?,
            Read::Coarse => Gpu::missing("many rows that read one plane")?,
        }
        self.pass.rounded = false;
        self.pass.newest = n;
        let first = *self.pass.attended.get_or_insert(rows.start);
        if rows.end == self.pass.rows {
            self.pass.attended = None;
            self.mirror.note(Call::Read { kv, read, rows: self.pass.rows - first });
        }
        Ok(())
    }

    /// Rounds the layer's rows for the attention that follows.
    fn round_rows(&mut self, kv: Kv, bits: u8) -> Result<()> {
        let slots = self.live[kv.0 as usize];
        let numbers = u64::from(self.heads.kv * slots) * u64::from(self.heads.dim);
        self.room.gathered.iter_mut().try_for_each(|buffer| at_least(&self.device, buffer, numbers))?;
        // Once a pass: pieces of a prompt read the same copies.
        self.record(|on, burst| {
            if on.pass.attended.is_some() {
                return Ok(());
            }
            let [k, v] = &on.room.gathered;
            RoundRows { heads: on.heads, stored: on.stored(kv), slots, bits }.record(burst, [k, v])
        })?;
        self.pass.rounded = true;
        Ok(())
    }

    /// Rotates the layer's keys by their slots.
    pub(super) fn turn_keys(&mut self, kv: Kv) -> Result<()> {
        let words = self.unturned(kv).k.words();
        at_least(&self.device, &mut self.room.turned, words)?;
        self.record(|on, burst| {
            let Some((_, rope)) = &on.rope else { return Ok(()) };
            let (stored, slots) = (on.unturned(kv), on.live[kv.0 as usize]);
            Turn { heads: on.heads, stored, rope, slots }.record(burst, &on.room.turned)
        })
    }

    /// Few rows: the keys are split over workgroups.
    fn step(&mut self, kv: Kv, read: Read, rows: &Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        let split = self.split(kv, read, rows)?;
        let (heads, slots) = (self.heads, self.memory.slots(kv));
        self.record(|on, burst| {
            let wanted = leave.iter().any(Option::is_some);
            on.record_split(burst, kv, &split, wanted, [&on.room.output, &on.room.lse])?;
            let (lists, window, stride) = (split.listed, split.window, split.stride);
            let read = StepRead { heads, slots, lists, window, scores: &on.room.scores, stride, lse: &on.room.lse };
            leave
                .iter()
                .flatten()
                .try_for_each(|(_, table)| read.mass(burst, &on.memory.words, on.handles.table(*table)?.at))
        })?;
        leave.iter().flatten().for_each(|(_, table)| self.handles.written(*table));
        Ok(())
    }

    /// How the keys of a read are split over workgroups; makes room for the parts.
    pub(super) fn split(&mut self, kv: Kv, read: Read, rows: &Range<u32>) -> Result<Split> {
        let (n, heads) = (rows.end - rows.start, self.heads);
        let (listed, most) = match read {
            Read::Slots(set) => {
                let lists = self.listed(set)?.at;
                (Some(lists), lists.most)
            }
            Read::Window(w) => (None, self.live[kv.0 as usize].min(w)),
            _ => (None, self.live[kv.0 as usize]),
        };
        let window = if let Read::Window(w) = read { w } else { u32::MAX };
        // What is in planes is read from there, unless a list or a window names it.
        let skipped = if matches!(read, Read::All | Read::Coarse) && !self.pass.rounded {
            self.quantised[kv.0 as usize]
        } else {
            0
        };
        let stride = self.live[kv.0 as usize].max(most).max(1);
        let tiles = self.plane_tiles(skipped) + Decode::tiles_of(most - skipped);
        at_least(&self.device, &mut self.room.partials, u64::from(n * heads.query * tiles * (heads.dim + 2)))?;
        at_least(&self.device, &mut self.room.scores, u64::from(n * heads.query * stride))?;
        Ok(Split {
            first: rows.start,
            rows: n,
            listed,
            most,
            window,
            skipped,
            stride,
            tiles,
            coarse: read == Read::Coarse,
        })
    }

    /// Records it: output and log-sum-exps, and the scores if they are wanted.
    pub(super) fn record_split(
        &self,
        burst: &mut Burst,
        kv: Kv,
        split: &Split,
        wanted: bool,
        [out, lse]: [&Buffer; 2],
    ) -> Result<()> {
        let &Split { rows, listed, most, window, skipped, stride, tiles, coarse, .. } = split;
        let heads = self.heads;
        let counts = ListsAt { at: self.memory.slots(kv).count, stride: 1, groups: heads.kv, most };
        let q_first = split.first * heads.query * heads.dim;
        let wanted = wanted.then_some((&self.room.scores, stride));
        let first = Partials { buffer: &self.room.partials, tiles, first: 0 };
        if let Some(planes) = self.planes.as_ref().filter(|_| skipped > 0) {
            let planes = planes.layer(kv);
            let of_planes =
                DecodePlanes { heads, q: &self.room.q, q_first, rows, planes, slots: skipped, both: !coarse };
            of_planes.record(burst, first, wanted)?;
        }
        let decode = Decode {
            heads,
            q: &self.room.q,
            q_first,
            rows,
            stored: self.readable(kv),
            read: if listed.is_some() { DecodeRead::Slots } else { DecodeRead::All { window } },
            lists: listed.unwrap_or(counts).within(&self.memory.words),
            most: most - skipped,
            skipped,
        };
        let partials = Partials { first: self.plane_tiles(skipped), ..first };
        decode.record(burst, partials, wanted)?;
        Merge { heads: rows * heads.query, dim: heads.dim, partials }.record(burst, out, lse)
    }

    /// Tiles of a decode step over so many slots in planes.
    fn plane_tiles(&self, slots: u32) -> u32 {
        self.planes.as_ref().map_or(0, |planes| DecodePlanes::tiles_of(slots, planes.groups.tokens))
    }

    /// Many rows: each workgroup has some of them.
    fn many(&mut self, kv: Kv, read: Read, rows: &Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        let (n, heads) = (rows.end - rows.start, self.heads);
        let (live, sees) = (self.live[kv.0 as usize] as usize, self.before(kv, rows.start) as usize + 1);
        let (span, blocks) = match read {
            Read::All if self.pass.elsewhere => (Span { fixed: true, ..Span::causal(live) }, None),
            Read::BottomRight => {
                (Span::causal((live + 1).saturating_sub((self.pass.rows - rows.start) as usize)), None)
            }
            Read::Window(w) => (Span { window: w as usize, ..Span::causal(sees) }, None),
            Read::Blocks { pairs, size } => (Span::causal(sees), Some((self.listed(pairs)?.at, size))),
            _ => (Span::causal(sees), None),
        };
        // Of KV heads that may differ only the device knows how many slots each has.
        let after = self.pass.rows - 1 - rows.start;
        let whole = self.pass.elsewhere || read == Read::BottomRight;
        let counted = !self.alike[kv.0 as usize] && blocks.is_none();
        if counted && whole {
            return Gpu::missing("rows of another host over KV heads of different lengths");
        }
        let slots = self.memory.slots(kv);
        if blocks.is_some() && leave.iter().any(Option::is_some) {
            return Gpu::missing("the mass of a read by blocks");
        }
        let width = heads.query * heads.dim;
        self.record(|on, burst| {
            let (stored, q, words) = (on.readable(kv), &on.room.q, &on.memory.words);
            let counts = counted.then_some(Counts { buffer: words, at: slots.count, stride: 1, after });
            let blocks = blocks.map(|(pairs, size): (ListsAt, u32)| Blocks {
                size,
                count: (live as u32).div_ceil(size.max(1)),
                pairs: pairs.within(words),
            });
            let prefill = Prefill { heads, q, q_first: rows.start * width, rows: n, stored, span, counts, blocks };
            prefill.record(burst, &on.room.output, &on.room.lse)
        })?;
        for (mass, scores) in leave.iter().flatten() {
            // Of the pass's rows only the newest so many count.
            let first = self.pass.rows.saturating_sub(mass.rows).max(rows.start);
            if first >= rows.end {
                continue;
            }
            let (skipped, table) = (first - rows.start, self.handles.table(*scores)?);
            self.record(|on, burst| {
                let rows_mass = RowsMass {
                    heads,
                    mass: table.at,
                    stored: on.readable(kv),
                    slots: live as u32,
                    q: &on.room.q,
                    q_first: first * width,
                    lse: &on.room.lse,
                    lse_first: skipped * heads.query,
                    rows: rows.end - first,
                    counts: counted.then_some((slots.count, after - skipped)),
                    span: Span { sees: if span.fixed { span.sees } else { span.sees + skipped as usize }, ..span },
                    adds: !table.blank,
                };
                rows_mass.record(burst, &on.memory.words)
            })?;
            // Not before: of a piece whose rows do not count, the table stays blank.
            self.handles.written(*scores);
        }
        Ok(())
    }

    /// Many rows over a list of slots, which ends with their own.
    fn gathered(&mut self, kv: Kv, lists: ListsAt, rows: &Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        let (n, heads) = (rows.end - rows.start, self.heads);
        if lists.groups == 0 || !heads.kv.is_multiple_of(lists.groups) || self.positions != Positions::Text {
            let want = "slots by KV head of stored rows with keys rotated by position".to_owned();
            return Err(Error::Shape { op: "attend", want, got: format!("{} groups", lists.groups) });
        }
        if leave.iter().any(Option::is_some) {
            return Gpu::missing("the mass of several rows over listed slots");
        }
        let words = u64::from(heads.kv) * u64::from(lists.most) * u64::from(row_words(self.store, heads.dim));
        self.room.gathered.iter_mut().try_for_each(|buffer| at_least(&self.device, buffer, words))?;
        self.record(|on, burst| {
            let ([k, v], words) = (&on.room.gathered, &on.memory.words);
            if on.pass.attended.is_none() {
                Gather { heads, stored: on.stored(kv), lists }.record(burst, words, [k, v])?;
            }
            let prefill = Prefill {
                heads,
                q: &on.room.q,
                q_first: rows.start * heads.query * heads.dim,
                rows: n,
                stored: Stored { k, v, rows: Rows { first: 0, stride: lists.most }, store: on.store },
                span: Span::causal(1),
                counts: Some(Counts {
                    buffer: words,
                    at: lists.at,
                    stride: if lists.groups == 1 { 0 } else { lists.stride },
                    after: on.pass.rows - 1 - rows.start,
                }),
                blocks: None,
            };
            prefill.record(burst, &on.room.output, &on.room.lse)
        })
    }
}
