//! What the model computes: [`Dense`] on a GPU.

use std::ops::Range;

use super::{
    Buffer, Gpu, Logits, at_least,
    kernels::{Embed, Ending, Keep, Norm, Product, record_pick},
    memory::ListsAt,
    mirror::Call,
    planes::PlaneStore,
    tables::Table,
};
use crate::{
    Error, Result,
    backend::account::ReadCount,
    cache::Head,
    kernels::{Pick, Picked},
    ops::{AHEAD, Dense, Fold, Kept, Kv, Mass, Missed, Partial, PlaneGroups, ROW, Read, Scores, Set, Tag, Weight},
    trace::{Kind, Tracer},
};

impl Gpu {
    /// Records the product of `rows` rows, from a number of a buffer on, with a matrix or a stack of them, into a buffer
    /// from a number on, rows so many apart.
    fn product(
        &mut self,
        w: Weight,
        norm: Option<Weight>,
        (x, x_first): (&Buffer, u32),
        rows: u32,
        ending: Ending,
        (into, first, stride): (&Buffer, u32, u32),
    ) -> Result<()> {
        let weights = self.weights()?;
        let norm = norm.map(|norm| weights.norm(norm)).transpose()?;
        let narrow = self.narrow;
        if narrow {
            weights.narrow(&self.device)?;
        }
        let norm = norm.map(|first| Norm { weights: &weights.norms, first, eps: self.shape.eps });
        self.record(|_, burst| {
            weights.product(w, narrow)?.iter().try_for_each(|part| {
                let product = Product { x, x_first, rows, norm, w: &part.stack, ending };
                product.record(burst, into, first + part.first, Some(stride))
            })
        })
    }

    fn width(&self) -> u32 {
        self.pass.width
    }
}

impl Dense for Gpu {
    fn embed(&mut self, table: Weight, ids: &[u32], first: u32) -> Result<()> {
        self.begin(first, ids.len() as u32)?;
        let weights = self.weights()?;
        let width = weights.width(table)?;
        let mut x = vec![0.0; ids.len() * width];
        for (&id, row) in ids.iter().zip(x.chunks_exact_mut(width)) {
            if id < AHEAD {
                weights.embedding(table, id, row)?;
            }
        }
        self.pass.width = width as u32;
        at_least(&self.device, &mut self.room.x, x.len() as u64)?;
        self.device.write(&self.room.x, 0, &x)?;
        // Guesses are the newest ids.
        let is_ahead = |id: &u32| (AHEAD..ROW).contains(id);
        let Some(row) = ids.iter().position(is_ahead) else { return Ok(()) };
        let table = weights.table().ok_or(Error::State("the device has no embedding table"))?;
        let (first, rows) = (ids[row] - AHEAD, (ids.len() - row) as u32);
        if first + rows > self.picks || !ids[row..].iter().all(is_ahead) {
            return Err(Error::State("a token that was not picked"));
        }
        let embed = Embed { first, rows, x_first: (row * width) as u32 };
        self.record(|on, burst| embed.record(burst, &on.room.picked, table, &on.room.x))
    }

    fn narrow(&mut self, on: bool) {
        self.narrow = on;
    }

    fn measure_noise(&mut self, on: bool) {
        self.measure_noise = on;
    }

    fn put_row(&mut self, row: u32, values: &[f32]) -> Result<()> {
        let width = self.width();
        if row >= self.pass.rows || values.len() != width as usize {
            let (want, got) = (format!("a row of {width} numbers"), format!("{} for row {row}", values.len()));
            return Err(Error::Shape { op: "put_row", want, got });
        }
        self.device.write(&self.room.x, u64::from(row) * u64::from(width), values)
    }

    fn project(&mut self, kv: Kv, norm: Weight, qkv: [Weight; 3], rows: Range<u32>, stores: bool) -> Result<()> {
        let (n, width) = (rows.end - rows.start, self.width());
        let all = (self.heads.query + 2 * self.heads.kv) * self.heads.dim;
        at_least(&self.device, &mut self.room.qkv, u64::from(n) * u64::from(all))?;
        let (x, out) = (self.room.x.clone(), self.room.qkv.clone());
        self.product(qkv[0], Some(norm), (&x, rows.start * width), n, Ending::Store, (&out, 0, all))?;
        self.append(kv, rows, stores)
    }

    fn open(&mut self, kv: Kv, leave: Mass) -> Result<Scores> {
        let (groups, most) = (self.groups(leave.per), self.live[kv.0 as usize]);
        self.make_room(u64::from(groups) * u64::from(most))?;
        let at = self.memory.slot_table(kv, groups, most)?;
        Ok(self.handles.add_table(Table { kv, at, most, blank: true }))
    }

    fn attend(&mut self, kv: Kv, read: Read, rows: Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        self.attend_rows(kv, read, rows, leave)
    }

    fn weigh(&mut self, kv: Kv, read: Read, left: Option<Scores>) -> Result<()> {
        self.weigh_newest(kv, read, left)
    }

    fn partial(&self) -> Result<Partial> {
        Gpu::missing("attention shared with other hosts")
    }

    fn merge(&mut self, kv: Kv, partials: &[Partial]) -> Result<()> {
        self.merge_partials(kv, partials)
    }

    fn shadow(&mut self, kv: Kv, read: Read) -> Result<()> {
        self.compare_dense(kv, read)
    }

    fn add_output(&mut self, w: Weight, rows: Range<u32>) -> Result<()> {
        let (x, out, width) = (self.room.output.clone(), self.room.x.clone(), self.width());
        self.product(w, None, (&x, 0), rows.end - rows.start, Ending::Add, (&out, rows.start * width, width))
    }

    fn gate_up(&mut self, norm: Weight, gate: Weight, _up: Weight, rows: Range<u32>) -> Result<()> {
        let (n, width) = (rows.end - rows.start, self.width());
        let stacked = self.weights()?.product(gate, false)?.iter().map(|part| part.stack.rows()).sum::<u32>();
        self.pass.hidden = stacked / 2;
        at_least(&self.device, &mut self.room.hidden, u64::from(n) * u64::from(self.pass.hidden))?;
        let (x, out, hidden) = (self.room.x.clone(), self.room.hidden.clone(), self.pass.hidden);
        self.product(gate, Some(norm), (&x, rows.start * width), n, Ending::Gate, (&out, 0, hidden))
    }

    fn add_down(&mut self, w: Weight, rows: Range<u32>) -> Result<()> {
        let (x, out, width) = (self.room.hidden.clone(), self.room.x.clone(), self.width());
        self.product(w, None, (&x, 0), rows.end - rows.start, Ending::Add, (&out, rows.start * width, width))
    }

    fn logits(&mut self, norm: Weight, head: Weight, rows: Range<u32>, back: bool) -> Result<()> {
        let (n, width) = (rows.end - rows.start, self.width());
        let vocabulary = self.weights()?.product(head, false)?.iter().map(|part| part.stack.rows()).sum::<u32>();
        self.pass.logits = Logits { rows: n, columns: vocabulary, back };
        at_least(&self.device, &mut self.room.logits, self.pass.logits.words())?;
        let (x, out) = (self.room.x.clone(), self.room.logits.clone());
        self.product(head, Some(norm), (&x, rows.start * width), n, Ending::Store, (&out, 0, vocabulary))
    }

    fn pick(&mut self, how: Pick, guess: Option<u32>) -> Result<()> {
        let (Logits { rows, columns, .. }, first) = (self.pass.logits, self.picks);
        if first == 0 {
            at_least(&self.device, &mut self.room.picked, 2 * u64::from(rows))?;
        }
        if 2 * u64::from(first + rows) > self.room.picked.words() {
            return Err(Error::State("more tokens are picked than there is room for"));
        }
        self.picks += rows;
        if let Some(position) = guess {
            self.mirror.note(Call::Guess { position });
        }
        self.record(|on, burst| record_pick(burst, how, [rows, columns], &on.room.logits, &on.room.picked, first))
    }

    fn submit(&mut self) -> Result<()> {
        self.send(true)
    }

    fn submit_ahead(&mut self) -> Result<bool> {
        let can = !self.pass.logits.back && self.weights.as_ref().is_some_and(|weights| weights.table().is_some());
        if can {
            self.send(false)?;
        }
        Ok(can)
    }

    fn arrived(&mut self) -> Result<bool> {
        for sent in self.sent.iter_mut().filter(|sent| sent.words.is_none()) {
            sent.words = sent.pending.take()?;
            if sent.words.is_none() {
                return Ok(false);
            }
        }
        self.take_in().map(|()| true)
    }

    fn answer(&self) -> &[f32] {
        &self.answer
    }

    fn picked(&self) -> &[Picked] {
        &self.picked
    }

    fn missed(&self) -> &[Missed] {
        &self.mirror.missed
    }

    fn reset(&mut self, rows: u32) -> Result<()> {
        self.burst = None;
        self.sent.clear();
        self.picks = 0;
        self.tags.clear();
        self.tags_sent = false;
        self.live.fill(0);
        self.alike.fill(true);
        self.whole.fill(true);
        self.quantised.fill(0);
        self.planes = None;
        self.handles.clear();
        self.mirror.reset()?;
        self.memory.forget(&self.device)?;
        self.reserve(rows)
    }

    fn reserve(&mut self, rows: u32) -> Result<()> {
        if rows > self.memory.capacity() { self.grow(rows) } else { Ok(()) }
    }

    fn keep(&mut self, kv: Kv, set: Set) -> Result<()> {
        self.check_kept("keep", kv, self.handles.listed(set)?.at)?;
        let gone = self.handles.spend(set, kv);
        self.list_all(kv)?;
        let kept = if gone.is_some() { self.handles.listed(set)?.at } else { self.listed(set)?.at };
        self.record(|on, burst| {
            let keep = Keep {
                heads: on.heads,
                stored: on.stored(kv),
                slots: on.memory.slots(kv),
                kept,
                gone,
                columns: on.memory.columns(kv).map(|column| column.map(|(at, _)| at)),
                new_count: on.memory.next_count(kv),
            };
            keep.record(burst, &on.memory.words)
        })?;
        self.memory.turn(kv);
        let layer = kv.0 as usize;
        self.live[layer] = self.live[layer].min(kept.most);
        self.whole[layer] = false;
        self.mirror.note(match gone {
            Some(gone) => Call::Drop { kv, gone },
            None => Call::Keep { kv, set },
        });
        Ok(())
    }

    fn quantise(&mut self, kv: Kv, groups: PlaneGroups, rows: u32) -> Result<()> {
        self.quantise_rows(kv, groups, rows)
    }

    fn place(&mut self, kv: Kv, near: Set) -> Result<()> {
        let near_at = self.listed(near)?.at;
        self.check_kept("place", kv, near_at)?;
        // One memory: as on the CPU, what a second one would hold and move is only counted.
        self.mirror.note(Call::Place { kv, set: near });
        Ok(())
    }

    fn cut(&mut self, kv: Kv, first: u32) -> Result<()> {
        if self.sent.is_empty() {
            self.mirror.cache.cut(kv, first, &mut self.mirror.tracer)?;
        } else if self.sent.iter().all(|sent| sent.first >= first && sent.log.keeps_slots()) {
            // What they added goes, so the cache as it was before them has what stays.
            self.mirror.note(Call::Cut { kv, first });
        } else {
            return Err(Error::State("what a pass left that has not arrived cannot be cut"));
        }
        let slots = |head: &Head| head.position.partition_point(|&position| position < first) as u32;
        let counts: Vec<u32> = self.mirror.cache.layer(kv).iter().map(slots).collect();
        if counts.iter().any(|&count| count < self.quantised[kv.0 as usize]) {
            return Err(Error::State("quantised rows cannot be taken back"));
        }
        let live = counts.iter().max().copied().unwrap_or(0);
        self.live[kv.0 as usize] = live;
        self.alike[kv.0 as usize] = counts.iter().all(|count| *count == live);
        self.device.write(&self.memory.words, self.memory.slots(kv).count.into(), &counts)
    }

    fn live(&self, kv: Kv) -> u32 {
        self.live[kv.0 as usize]
    }

    fn quantised(&self, kv: Kv) -> u32 {
        self.quantised[kv.0 as usize]
    }

    fn kept(&self) -> Kept {
        let stored: u64 = self.stored.iter().map(|stored| 4 * stored.words()).sum();
        let allocated = stored + self.planes.as_ref().map_or(0, PlaneStore::bytes);
        let ReadCount { rows: rows_read, bytes: bytes_read, moved, noise } = self.mirror.read;
        Kept { rows_read, bytes_read, moved, noise, allocated, ..self.mirror.cache.kept() }
    }

    fn tracer(&mut self) -> &mut Tracer {
        &mut self.mirror.tracer
    }

    fn log(&mut self, kind: Kind, aux: u8, a: u32, b: u32) {
        if self.sent.is_empty() {
            self.mirror.tracer.record(kind, 0, 0, aux, a, b);
        } else {
            self.mirror.note(Call::Record { kind, aux, a, b });
        }
    }

    fn tag(&mut self, first: u32, tags: &[Tag]) {
        self.tags.put(first, tags);
        self.tags_sent = false;
    }

    fn fold(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()> {
        self.fold_rows(kv, set, how)?;
        self.keep(kv, set)
    }
}

impl Gpu {
    /// A set that a layer's slots are kept by: one list a KV head, or one for all that have the same slots.
    pub(super) fn check_kept(&self, op: &'static str, kv: Kv, kept: ListsAt) -> Result<()> {
        let heads = self.heads.kv;
        if self.quantised[kv.0 as usize] > 0 {
            return Err(Error::State("quantised rows cannot be dropped, merged or scored by their numbers"));
        }
        if kept.groups == heads || (kept.groups == 1 && self.alike[kv.0 as usize]) {
            return Ok(());
        }
        let want = format!("a set by KV head ({heads}), or one list for heads that keep the same rows");
        Err(Error::Shape { op, want, got: format!("{} groups", kept.groups) })
    }
}
