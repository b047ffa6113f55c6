//! What the model computes: [`Dense`] on the CPU.

use super::Cpu;
use crate::{
    Error, Result,
    backend::account::ReadCount,
    cache::Head,
    kernels::{Pick, Picked, SharedProducts, swiglu},
    ops::{
        AHEAD, Dense, Expected, Fold, Kept, Kv, Mass, Missed, Partial, PlaneGroups, ROW, Read, Scores, Set, Tag, Weight,
    },
    tape::Tape,
    trace::Tracer,
};
use std::ops::Range;

impl Dense for Cpu {
    fn embed(&mut self, table: Weight, ids: &[u32], first: u32) -> Result<()> {
        self.begin(first, ids.len() as u32);
        let table = self.weights.matrix(table)?;
        let bytes = (ids.len() * table.cols() * size_of::<f32>()) as u64;
        self.x.clear();
        self.x.try_reserve(ids.len() * table.cols()).map_err(|_| Error::Memory { what: "activations", bytes })?;
        self.x.resize(ids.len() * table.cols(), 0.0);
        for (&id, row) in ids.iter().zip(self.x.chunks_exact_mut(table.cols())) {
            if (AHEAD..ROW).contains(&id) {
                return Err(Error::State("a token that was not picked"));
            }
            if id != ROW {
                table.row(id as usize, row);
            }
        }
        Ok(())
    }

    fn narrow(&mut self, on: bool) {
        self.narrow = on;
    }

    fn share(&mut self, products: SharedProducts) {
        self.products.shared = Some(products);
    }

    fn measure_noise(&mut self, on: bool) {
        self.measure_noise = on;
    }

    fn put_row(&mut self, row: u32, values: &[f32]) -> Result<()> {
        let width = self.width();
        match self.x.chunks_exact_mut(width.max(1)).nth(row as usize) {
            Some(x) if x.len() == values.len() => x.copy_from_slice(values),
            _ => {
                let (want, got) = (format!("a row of {width} numbers"), format!("{} for row {row}", values.len()));
                return Err(Error::Shape { op: "put_row", want, got });
            }
        }
        Ok(())
    }

    fn project(
        &mut self,
        kv: Kv,
        norm: Weight,
        [wq, wk, wv]: [Weight; 3],
        rows: Range<u32>,
        stores: bool,
    ) -> Result<()> {
        self.load_normed(norm, &rows)?;
        let mut q = std::mem::take(&mut self.output);
        self.products.times(self.weights.matrix(wq)?, &self.activations, &mut q);
        if stores {
            self.times(wk, 0)?;
            self.times(wv, 1)?;
        }
        let [mut k, v] = std::mem::take(&mut self.chunk);
        let own = stores.then_some((&mut k[..], &v[..]));
        let stored = self.store(kv, &q, own, rows);
        self.chunk = [k, v];
        self.output = q;
        stored
    }

    fn open(&mut self, kv: Kv, leave: Mass) -> Result<Scores> {
        self.open_mass(kv, leave)
    }

    fn attend(&mut self, kv: Kv, read: Read, rows: Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        self.attend_rows(kv, read, rows, leave)
    }

    fn weigh(&mut self, kv: Kv, read: Read, left: Option<Scores>) -> Result<()> {
        self.weigh_newest(kv, read, left)
    }

    fn partial(&self) -> Result<Partial> {
        self.own_partial()
    }

    fn merge(&mut self, kv: Kv, partials: &[Partial]) -> Result<()> {
        self.merge_partials(kv, partials)
    }

    fn shadow(&mut self, kv: Kv, read: Read) -> Result<()> {
        let missed = self.compare_dense(kv, read)?;
        self.missed.push(missed);
        Ok(())
    }

    fn add_output(&mut self, w: Weight, rows: Range<u32>) -> Result<()> {
        let width = self.shape.query_heads * self.shape.head_dim;
        self.activations.load(&self.output, rows.len(), width);
        self.add_times(w, &rows)
    }

    fn gate_up(&mut self, norm: Weight, gate: Weight, up: Weight, rows: Range<u32>) -> Result<()> {
        self.load_normed(norm, &rows)?;
        self.times(gate, 0)?;
        self.times(up, 1)?;
        let [gate, up] = &mut self.chunk;
        swiglu(gate, up);
        Ok(())
    }

    fn add_down(&mut self, w: Weight, rows: Range<u32>) -> Result<()> {
        let width = self.chunk[0].len() / rows.len().max(1);
        self.activations.load(&self.chunk[0], rows.len(), width);
        self.add_times(w, &rows)
    }

    fn logits(&mut self, norm: Weight, head: Weight, rows: Range<u32>, _back: bool) -> Result<()> {
        self.load_normed(norm, &rows)?;
        self.picked.clear();
        self.answered = rows.len();
        self.times(head, 0)
    }

    fn pick(&mut self, how: Pick, guess: Option<u32>) -> Result<()> {
        let (logits, candidates) = (&self.chunk[0], &mut self.candidates);
        let rows = logits.chunks_exact((logits.len() / self.answered.max(1)).max(1));
        self.picked.clear();
        self.picked.extend(rows.map(|row| candidates.pick(row, &how)));
        if let (Some(position), Some(picked)) = (guess, self.picked.first()) {
            self.tracer.guess(picked.id, position);
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<()> {
        Ok(())
    }

    fn arrived(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn answer(&self) -> &[f32] {
        &self.chunk[0]
    }

    fn picked(&self) -> &[Picked] {
        &self.picked
    }

    fn missed(&self) -> &[Missed] {
        &self.missed
    }

    fn reset(&mut self, rows: u32) -> Result<()> {
        self.tags.clear();
        self.cache.reset(rows as usize)
    }

    fn reserve(&mut self, rows: u32) -> Result<()> {
        self.cache.reserve(rows as usize)
    }

    fn keep(&mut self, kv: Kv, set: Set) -> Result<()> {
        let one = self.check_kept("keep", kv, set)?;
        let kept = self.tables.set(set)?;
        self.cache.keep(kv, |h| kept.list(if one { 0 } else { h }), &mut self.tracer);
        Ok(())
    }

    fn quantise(&mut self, kv: Kv, groups: PlaneGroups, rows: u32) -> Result<()> {
        self.read.hear(self.cache.quantise(kv, groups, rows as usize, self.measure_noise, &mut self.tracer)?);
        Ok(())
    }

    fn place(&mut self, kv: Kv, near: Set) -> Result<()> {
        let one = self.check_kept("place", kv, near)?;
        let near = self.tables.set(near)?;
        self.read.moved += self.cache.place(kv, |h| near.list(if one { 0 } else { h }), &mut self.tracer);
        Ok(())
    }

    fn cut(&mut self, kv: Kv, first: u32) -> Result<()> {
        self.cache.cut(kv, first, &mut self.tracer)
    }

    fn live(&self, kv: Kv) -> u32 {
        self.cache.live(kv) as u32
    }

    fn quantised(&self, kv: Kv) -> u32 {
        self.cache.layer(kv).iter().map(Head::quantised).max().unwrap_or(0) as u32
    }

    fn kept(&self) -> Kept {
        let ReadCount { rows: rows_read, bytes: bytes_read, moved, noise } = self.read;
        Kept { rows_read, bytes_read, moved, noise, ..self.cache.kept() }
    }

    fn save_or_restore(&mut self, tape: &mut Tape, expected: &Expected) -> Result<()> {
        self.cache.save_or_restore(tape, expected)?;
        let ReadCount { rows, bytes, moved, noise } = &mut self.read;
        [rows, bytes, moved].into_iter().try_for_each(|n| tape.number(n))?;
        // No number where nothing was measured.
        let mut measured = noise.unwrap_or(f32::NAN);
        tape.number(&mut measured)?;
        *noise = (!measured.is_nan()).then_some(measured);
        Ok(())
    }

    fn tracer(&mut self) -> &mut Tracer {
        &mut self.tracer
    }

    fn tag(&mut self, first: u32, tags: &[Tag]) {
        self.tags.put(first, tags);
    }

    fn fold(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()> {
        self.fold_rows(kv, set, how)?;
        self.keep(kv, set)
    }
}
