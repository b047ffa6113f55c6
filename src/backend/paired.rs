//! Both back ends in lock-step: every call goes to the CPU and to the GPU, and the first result that differs is an error
//! that names the operation, its layer, its number among the calls of the pass, and both numbers.
//!
//! The CPU's answers are what is returned. After every call the GPU's numbers are written over with the CPU's: each
//! operation is compared on equal operands, so its tolerance is that of one operation ([`tolerance`] gives each), a set
//! must be the same to the last slot, and nothing that differs a little makes something else differ later.
//!
//! A call records, submits, and asks for what it changed; what the CPU said waits for that to come back. Natively it is
//! waited for at once, so the call itself fails. In a page it arrives when the event loop has had its turn: then
//! [`settle`](Paired::settle), [`arrived`](Dense::arrived) or the next call fails, with the first difference in the
//! order of calls.

mod check;
mod dense;
mod ops;
mod record;
mod rows;
pub mod tolerance;

use std::{collections::VecDeque, ops::Range};

use super::{Cpu, gpu::Gpu};
use crate::{
    Error, Result,
    cache::Cache,
    ops::{Dense, Kv, Scores, Set},
    trace::Tracer,
};
use check::{Check, Part};
pub use record::Agreed;
use record::Records;
use tolerance::Tolerance;

/// What was found in one of two back ends.
pub(super) const CPU: usize = 0;
/// And in the other.
pub(super) const GPU: usize = 1;

/// A table of both, and what the GPU said of it before it was written over.
struct Table {
    on: [Scores; 2],
    said: Vec<Vec<f32>>,
}

/// The CPU and the GPU in lock-step. Both must be of the same shape, positions and store, with the same weights, and the
/// CPU's products [exact](crate::kernels::Precision::Exact).
pub struct Paired {
    cpu: Cpu,
    gpu: Gpu,
    tables: Vec<Table>,
    sets: Vec<[Set; 2]>,
    checks: VecDeque<Check>,
    failed: Option<Error>,
    /// The operation that runs, its number in the pass, and the layer that was named last.
    op: &'static str,
    call: u32,
    layer: Option<Kv>,
    /// Rows of the pass.
    rows: u32,
    /// The newest attention's output as the GPU has it.
    output: Vec<f32>,
    tracer: Tracer,
    records: Records,
    agreed: Agreed,
}

impl Paired {
    /// Both with empty caches.
    #[must_use]
    pub fn new(cpu: Cpu, gpu: Gpu) -> Paired {
        Paired {
            cpu,
            gpu,
            tables: Vec::new(),
            sets: Vec::new(),
            checks: VecDeque::new(),
            failed: None,
            op: "",
            call: 0,
            layer: None,
            rows: 0,
            output: Vec::new(),
            tracer: Tracer::default(),
            records: Records::default(),
            agreed: Agreed::default(),
        }
    }

    /// The CPU's cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        self.cpu.cache()
    }

    /// The GPU.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// What agreed so far.
    #[must_use]
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// The newest attention's output as the GPU computed it, `[rows, query_heads * head_dim]`; in a page once it
    /// [has settled](Paired::settle).
    #[must_use]
    pub fn output(&self) -> &[f32] {
        &self.output
    }

    /// Slots that a query head reads of a set of the running pass: both say the same.
    ///
    /// # Errors
    /// [`Error::State`] when the pass has ended.
    pub fn slots(&self, set: Set, head: usize) -> Result<&[u32]> {
        self.cpu.slots(self.set(set)?[CPU], head)
    }

    /// Scores of one group of a table of the running pass as the GPU computed them; in a page once they
    /// [have settled](Paired::settle).
    ///
    /// # Errors
    /// [`Error::State`] when the pass has ended, [`Error::Shape`] when the table has fewer groups.
    pub fn scores(&self, scores: Scores, group: usize) -> Result<&[f32]> {
        let table = self.table(scores)?;
        match table.said.get(group) {
            Some(said) => Ok(said),
            None => self.cpu.scores(table.on[CPU], group),
        }
    }

    /// A score table of given numbers, `[groups, columns]`, over a layer's slots.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Gpu`].
    pub fn given(&mut self, kv: Kv, groups: usize, scores: &[f32]) -> Result<Scores> {
        let on = [self.cpu.given(kv, groups, scores), self.gpu.given(kv, groups as u32, scores)?];
        Ok(self.add_table(on))
    }

    /// Begins a pass of `rows` rows at position `first` without a model: [`store`](Paired::store) brings its queries.
    ///
    /// # Errors
    /// Those of [`Gpu::begin`].
    pub fn begin(&mut self, first: u32, rows: u32) -> Result<()> {
        self.new_pass(rows);
        self.cpu.begin(first, rows);
        self.gpu.begin(first, rows)
    }

    fn new_pass(&mut self, rows: u32) {
        self.tables.clear();
        self.sets.clear();
        (self.call, self.layer, self.rows) = (0, None, rows);
    }

    /// Takes in the rows of a layer, as [`Cpu::store`] does.
    ///
    /// # Errors
    /// [`Error::Differ`], [`Error::Memory`], [`Error::Gpu`].
    pub fn store(&mut self, kv: Kv, q: &[f32], own: Option<(&mut [f32], &[f32])>, rows: Range<u32>) -> Result<()> {
        self.start("store", Some(kv))?;
        let stores = own.is_some();
        let gpu = self.gpu.store(kv, q, own.as_ref().map(|(k, v)| (&**k, *v)), rows.clone());
        let cpu = self.cpu.store(kv, q, own, rows.clone());
        self.end([cpu, gpu])?;
        self.check_stored(kv, &rows, stores, tolerance::ROTATED)
    }

    /// Waits until all that was asked for has come back and was compared.
    ///
    /// # Errors
    /// [`Error::Differ`] with the first difference in the order of calls; what was found before it is [`Error::Gpu`] when
    /// the device is lost.
    pub async fn settle(&mut self) -> Result<()> {
        self.fine()?;
        while let Some(mut check) = self.checks.pop_front() {
            let words = match check.pending.take() {
                Some(pending) => pending.wait().await,
                None => Ok(Vec::new()),
            };
            let judged = words.and_then(|words| self.judge(check, &words));
            self.hold(judged)?;
        }
        Ok(())
    }

    /// Compares what has come back; whether that is all.
    fn look(&mut self) -> Result<bool> {
        self.fine()?;
        while let Some(check) = self.checks.front_mut() {
            let came = match &mut check.pending {
                Some(pending) => pending.take(),
                None => Ok(Some(Vec::new())),
            };
            let judged = match came {
                Ok(None) => return Ok(false),
                Ok(Some(words)) => match self.checks.pop_front() {
                    Some(check) => self.judge(check, &words),
                    None => Ok(()),
                },
                Err(why) => Err(why),
            };
            self.hold(judged)?;
        }
        Ok(true)
    }

    /// Compares one call's results.
    fn judge(&mut self, check: Check, words: &[Vec<u32>]) -> Result<()> {
        let (worst, said) = check.compare(words)?;
        self.agreed.add(check.op, worst);
        match check.keeps {
            check::Keeps::Nothing => {}
            check::Keeps::Output => self.output = said.into_iter().flatten().collect(),
            check::Keeps::Table(scores) => {
                if let Some(table) = self.tables.get_mut(scores.0 as usize).filter(|table| table.on == check.table) {
                    table.said = said;
                }
            }
        }
        Ok(())
    }

    /// Fails for good with the first failure.
    fn hold<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(why) = &result {
            self.failed.get_or_insert_with(|| why.clone());
        }
        result
    }

    fn fine(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// An operation begins.
    fn start(&mut self, op: &'static str, kv: Option<Kv>) -> Result<()> {
        self.fine()?;
        self.call += 1;
        self.op = op;
        self.layer = kv.or(self.layer);
        for tracer in [self.cpu.tracer(), self.gpu.tracer()] {
            (tracer.detail, tracer.step) = (self.tracer.detail, self.tracer.step);
        }
        Ok(())
    }

    /// It has been recorded: both did it, or both refused.
    fn end<T>(&mut self, results: [Result<T>; 2]) -> Result<[T; 2]> {
        self.records.take(&mut self.cpu, &mut self.tracer);
        match results {
            [Ok(cpu), Ok(gpu)] => Ok([cpu, gpu]),
            [Err(cpu), Err(gpu)] if cpu.code() == gpu.code() => Err(cpu),
            // What it cannot do is no difference.
            [_, Err(why @ (Error::Unsupported { .. } | Error::Gpu { .. } | Error::Memory { .. }))] => Err(why),
            [cpu, gpu] => {
                let [cpu, gpu] =
                    [cpu, gpu].map(|result| result.err().map_or("no refusal".into(), |why| why.to_string()));
                let differ = Err(self.differ(format!("{gpu}, the CPU: {cpu}")));
                self.hold(differ)
            }
        }
    }

    fn differ(&self, what: String) -> Error {
        Error::Differ { op: self.op, call: self.call, layer: self.layer.map(|kv| kv.0), what }
    }

    /// Does the same on both; the second argument says where.
    fn call<T>(
        &mut self,
        op: &'static str,
        kv: Option<Kv>,
        what: impl Fn(&mut dyn Dense, usize) -> Result<T>,
    ) -> Result<[T; 2]> {
        self.start(op, kv)?;
        let results = [what(&mut self.cpu, CPU), what(&mut self.gpu, GPU)];
        self.end(results)
    }

    /// Asks for what a call changed, to be compared, and writes it over with the CPU's.
    fn check(&mut self, parts: Vec<Part>, keeps: check::Keeps, table: [Scores; 2]) -> Result<()> {
        let parts: Vec<Part> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let pending = if parts.is_empty() {
            None
        } else {
            Some(self.gpu.ask(parts.iter().map(|part| (&part.place.buffer, part.range())))?)
        };
        parts.iter().try_for_each(|part| part.write_over(self.gpu.device()))?;
        let (op, call, layer) = (self.op, self.call, self.layer);
        self.checks.push_back(Check { op, call, layer, pending, parts, keeps, table });
        self.look().map(|_| ())
    }

    fn check_parts(&mut self, parts: Vec<Part>) -> Result<()> {
        self.check(parts, check::Keeps::Nothing, [Scores(0); 2])
    }

    fn add_table(&mut self, on: [Scores; 2]) -> Scores {
        self.tables.push(Table { on, said: Vec::new() });
        Scores(self.tables.len() as u32 - 1)
    }

    fn table(&self, scores: Scores) -> Result<&Table> {
        self.tables.get(scores.0 as usize).ok_or(Error::State("a score handle outlived its pass"))
    }

    /// The handles of a table.
    fn on(&self, scores: Scores) -> Result<[Scores; 2]> {
        self.table(scores).map(|table| table.on)
    }

    /// The handles of a set.
    fn set(&self, set: Set) -> Result<[Set; 2]> {
        self.sets.get(set.0 as usize).copied().ok_or(Error::State("a set handle outlived its pass"))
    }

    /// A table was written.
    fn check_table(&mut self, scores: Scores, tolerance: Tolerance) -> Result<()> {
        let on = self.on(scores)?;
        let place = self.gpu.table_place(on[GPU])?;
        let want = self.cpu.table_rows(on[CPU])?;
        let mut parts = Vec::new();
        if let Some((place, groups)) = place {
            self.same_groups(groups, want.len())?;
            parts.push(Part::floats(["group", "column"], place, want, tolerance));
        }
        self.check(parts, check::Keeps::Table(scores), on)
    }

    fn same_groups(&mut self, got: usize, want: usize) -> Result<()> {
        if got == want {
            return Ok(());
        }
        let differ = Err(self.differ(format!("{got} groups, the CPU {want}")));
        self.hold(differ)
    }

    /// An operation that makes a table.
    fn new_table(
        &mut self,
        op: &'static str,
        kv: Option<Kv>,
        tolerance: Tolerance,
        what: impl Fn(&mut dyn Dense, usize) -> Result<Scores>,
    ) -> Result<Scores> {
        let on = self.call(op, kv, what)?;
        let scores = self.add_table(on);
        self.check_table(scores, tolerance)?;
        Ok(scores)
    }

    /// An operation that changes one.
    fn change(
        &mut self,
        op: &'static str,
        dst: Scores,
        tolerance: Tolerance,
        what: impl Fn(&mut dyn Dense, usize) -> Result<()>,
    ) -> Result<()> {
        self.call(op, None, what)?;
        self.check_table(dst, tolerance)
    }

    /// An operation that makes a set.
    fn new_set(
        &mut self,
        op: &'static str,
        kv: Option<Kv>,
        what: impl Fn(&mut dyn Dense, usize) -> Result<Set>,
    ) -> Result<Set> {
        let on = self.call(op, kv, what)?;
        let (place, groups) = self.gpu.set_place(on[GPU])?;
        let want = self.cpu.set_lists(on[CPU])?.to_vec();
        self.same_groups(groups, want.len())?;
        self.check_parts(vec![Part::lists(place, want)])?;
        self.sets.push(on);
        Ok(Set(self.sets.len() as u32 - 1))
    }

    /// The tolerance of weights of a softmax over a layer's keys.
    fn weights(&self) -> Tolerance {
        if self.gpu.rounds_turned_keys() { tolerance::TURNED_WEIGHTS } else { tolerance::WEIGHTS }
    }

    /// Slots, positions and counts of a layer, by KV head.
    fn slot_parts(&self, kv: Kv) -> Vec<Part> {
        let heads = self.cpu.cache().layer(kv);
        let [counts, positions] = self.gpu.slot_places(kv);
        let want = [
            heads.iter().map(|head| vec![head.len() as u32]).collect(),
            heads.iter().map(|head| head.position.clone()).collect(),
        ];
        let [slots, position] = want;
        vec![
            Part::words(["head", "slots"], counts, slots),
            Part::words(["head", "position of slot"], positions, position),
        ]
    }
}
