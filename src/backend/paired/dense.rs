//! What the model computes, by both.

use std::ops::Range;

use super::{
    CPU, GPU, Paired,
    check::{Keeps, Part},
    pick,
    tolerance::{EXACT, OUTPUT, PRODUCT, TURNED_OUTPUT, Tolerance},
};
use crate::{
    Result,
    kernels::{Pick, Picked},
    ops::{Dense, Fold, Kept, Kv, Mass, Missed, Partial, PlaneGroups, Read, Scores, Set, Tag, Weight},
    trace::Tracer,
};

impl Paired {
    /// Rows of the residual stream were written.
    fn check_residual(&mut self, rows: &Range<u32>, tolerance: Tolerance) -> Result<()> {
        let (want, place) = (self.cpu.residual(rows), self.gpu.residual_place(rows.start));
        let part =
            Part::rows(["row of the residual", "number"], place, want, want.len() / rows.len().max(1), tolerance);
        self.check_parts(vec![part])
    }

    /// Attention of `n` rows left an output, and mass in some tables.
    fn check_output(&mut self, n: usize, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        let tolerance = if self.gpu.rounds_turned_keys() { TURNED_OUTPUT } else { OUTPUT };
        let [output, sums] = self.gpu.output_places();
        let (want, lse) = (self.cpu.output(), self.cpu.log_sums());
        let parts = vec![
            Part::rows(["row of the output", "number"], output, want, want.len() / n.max(1), tolerance),
            Part::rows(["row of log-sum-exps", "head"], sums, lse, lse.len() / n.max(1), tolerance),
        ];
        self.check(parts, Keeps::Output, [Scores(0); 2])?;
        let tolerance = self.weights();
        leave.iter().flatten().try_for_each(|(_, table)| self.check_table(*table, tolerance))
    }

    /// The handles that a read names, for one of the two.
    fn read_on(&self, read: Read) -> Result<[Read; 2]> {
        Ok(match read {
            Read::Slots(set) => self.set(set)?.map(Read::Slots),
            Read::Blocks { pairs, size } => self.set(pairs)?.map(|pairs| Read::Blocks { pairs, size }),
            other => [other; 2],
        })
    }
}

impl Dense for Paired {
    fn embed(&mut self, table: Weight, ids: &[u32], first: u32) -> Result<()> {
        self.new_pass(ids.len() as u32);
        self.call("embed", None, |on, _| on.embed(table, ids, first))?;
        self.check_residual(&(0..ids.len() as u32), EXACT)
    }

    fn narrow(&mut self, on: bool) {
        self.cpu.narrow(on);
        self.gpu.narrow(on);
    }

    fn measure_noise(&mut self, on: bool) {
        self.cpu.measure_noise(on);
        self.gpu.measure_noise(on);
    }

    fn put_row(&mut self, row: u32, values: &[f32]) -> Result<()> {
        self.call("put_row", None, |on, _| on.put_row(row, values))?;
        self.check_residual(&(row..row + 1), EXACT)
    }

    fn project(&mut self, kv: Kv, norm: Weight, qkv: [Weight; 3], rows: Range<u32>, stores: bool) -> Result<()> {
        self.call("project", Some(kv), |on, _| on.project(kv, norm, qkv, rows.clone(), stores))?;
        self.check_stored(kv, &rows, stores, PRODUCT)
    }

    fn open(&mut self, kv: Kv, leave: Mass) -> Result<Scores> {
        self.new_table("open", Some(kv), EXACT, |on, _| on.open(kv, leave))
    }

    fn attend(&mut self, kv: Kv, read: Read, rows: Range<u32>, leave: &[Option<(Mass, Scores)>]) -> Result<()> {
        let read = self.read_on(read)?;
        let mut tables = [const { Vec::new() }; 2];
        for &(mass, scores) in leave.iter().flatten() {
            let on = self.on(scores)?;
            for i in [CPU, GPU] {
                tables[i].push(Some((mass, on[i])));
            }
        }
        self.call("attend", Some(kv), |on, i| on.attend(kv, read[i], rows.clone(), &tables[i]))?;
        self.check_output(rows.len(), leave)
    }

    fn weigh(&mut self, kv: Kv, read: Read, left: Option<Scores>) -> Result<()> {
        let (read, left) = (self.read_on(read)?, left.map(|table| self.on(table)).transpose()?);
        // What it found is in the trace, which is compared when the pass is over.
        self.call("weigh", Some(kv), |on, i| on.weigh(kv, read[i], left.map(|tables| tables[i])))?;
        self.check_parts(Vec::new())
    }

    fn partial(&self) -> Result<Partial> {
        // Compared with the attention that left it.
        self.cpu.partial()
    }

    fn merge(&mut self, kv: Kv, partials: &[Partial]) -> Result<()> {
        self.call("merge", Some(kv), |on, _| on.merge(kv, partials))?;
        let n = partials.first().map_or(0, |partial| partial.lse.len()) / self.gpu.query_heads();
        self.check_output(n, &[None; 2])
    }

    fn shadow(&mut self, kv: Kv, read: Read) -> Result<()> {
        let read = self.read_on(read)?;
        // What it found is in the trace, which is compared when the pass is over.
        self.call("shadow", Some(kv), |on, i| on.shadow(kv, read[i])).map(|_| ())
    }

    fn add_output(&mut self, w: Weight, rows: Range<u32>) -> Result<()> {
        self.call("add_output", None, |on, _| on.add_output(w, rows.clone()))?;
        self.check_residual(&rows, PRODUCT)
    }

    fn gate_up(&mut self, norm: Weight, gate: Weight, up: Weight, rows: Range<u32>) -> Result<()> {
        self.call("gate_up", None, |on, _| on.gate_up(norm, gate, up, rows.clone()))?;
        let (want, place) = (self.cpu.hidden(), self.gpu.hidden_place());
        let part = Part::rows(["hidden row", "number"], place, want, want.len() / rows.len().max(1), PRODUCT);
        self.check_parts(vec![part])
    }

    fn add_down(&mut self, w: Weight, rows: Range<u32>) -> Result<()> {
        self.call("add_down", None, |on, _| on.add_down(w, rows.clone()))?;
        self.check_residual(&rows, PRODUCT)
    }

    fn logits(&mut self, norm: Weight, head: Weight, rows: Range<u32>, back: bool) -> Result<()> {
        self.call("logits", None, |on, _| on.logits(norm, head, rows.clone(), back))?;
        let (want, place) = (self.cpu.answer(), self.gpu.logits_place());
        let part = Part::rows(["row of logits", "id"], place, want, want.len() / rows.len().max(1), PRODUCT);
        self.check_parts(vec![part])
    }

    fn pick(&mut self, how: Pick, guess: Option<u32>) -> Result<()> {
        self.call("pick", None, |on, _| on.pick(how, guess))?;
        let (picked, logits) = (self.cpu.picked(), self.cpu.answer());
        let logits = logits.chunks_exact((logits.len() / picked.len().max(1)).max(1));
        let candidates = &mut self.candidates;
        let want = picked.iter().zip(logits).map(|(picked, row)| {
            let ids = pick::allowed(candidates, row, &how);
            vec![ids, vec![picked.finite.into()]]
        });
        let part = Part::one_of(["row of logits", "token"], self.gpu.picked_place(), want.collect());
        self.check_parts(vec![part])
    }

    fn submit(&mut self) -> Result<()> {
        self.call("submit", None, |on, _| on.submit()).map(|_| ())
    }

    fn arrived(&mut self) -> Result<bool> {
        self.pass_is_over()
    }

    fn answer(&self) -> &[f32] {
        self.cpu.answer()
    }

    fn picked(&self) -> &[Picked] {
        self.cpu.picked()
    }

    fn missed(&self) -> &[Missed] {
        self.cpu.missed()
    }

    fn reset(&mut self, rows: u32) -> Result<()> {
        self.failed = None;
        self.checks.clear();
        self.records.clear();
        self.new_pass(0);
        self.call("reset", None, |on, _| on.reset(rows)).map(|_| ())
    }

    fn reserve(&mut self, rows: u32) -> Result<()> {
        self.call("reserve", None, |on, _| on.reserve(rows)).map(|_| ())
    }

    fn keep(&mut self, kv: Kv, set: Set) -> Result<()> {
        let set = self.set(set)?;
        self.call("keep", Some(kv), |on, i| on.keep(kv, set[i]))?;
        self.check_rows(kv, EXACT)
    }

    fn quantise(&mut self, kv: Kv, groups: PlaneGroups, rows: u32) -> Result<()> {
        self.call("quantise", Some(kv), |on, _| on.quantise(kv, groups, rows))?;
        self.check_planes(kv)
    }

    fn place(&mut self, kv: Kv, near: Set) -> Result<()> {
        // What moves is counted, and compared when the pass is over.
        let near = self.set(near)?;
        self.call("place", Some(kv), |on, i| on.place(kv, near[i]))?;
        self.check_parts(Vec::new())
    }

    fn cut(&mut self, kv: Kv, first: u32) -> Result<()> {
        self.call("cut", Some(kv), |on, _| on.cut(kv, first))?;
        let parts = self.slot_parts(kv);
        self.check_parts(parts)
    }

    fn live(&self, kv: Kv) -> u32 {
        self.cpu.live(kv)
    }

    fn quantised(&self, kv: Kv) -> u32 {
        self.cpu.quantised(kv)
    }

    fn kept(&self) -> Kept {
        self.cpu.kept()
    }

    fn tracer(&mut self) -> &mut Tracer {
        &mut self.tracer
    }

    fn tag(&mut self, first: u32, tags: &[Tag]) {
        self.cpu.tag(first, tags);
        self.gpu.tag(first, tags);
    }

    fn fold(&mut self, kv: Kv, set: Set, how: Fold) -> Result<()> {
        let set = self.set(set)?;
        self.call("fold", Some(kv), |on, i| on.fold(kv, set[i], how))?;
        self.check_folded(kv)
    }
}
