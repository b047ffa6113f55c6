//! Both back ends in lock-step: every call goes to the CPU and to the GPU, and the first result that differs is an error
//! that names the operation, its layer, its number among the calls of the pass, and both numbers.
//!
//! The CPU's answers are what is returned. After every call the GPU's numbers are written over with the CPU's: each
//! operation is compared on equal operands, so its tolerance is that of one operation ([`tolerance`] gives each), a set
//! must be the same to the last slot, and nothing that differs a little makes something else differ later.
//!
//! A call records, submits, and asks for what it changed; what the CPU said waits for that to come back. Natively it is
//! waited for at once, so the call itself fails. In a page it arrives when the event loop has had its turn: then
//! [`settle`](Paired::settle), [`arrived`](crate::ops::Dense::arrived) or the next call fails, with the first difference in the
//! order of calls.

mod check;
mod dense;
mod made;
mod ops;
mod pick;
mod record;
mod rows;
mod step;
pub mod tolerance;

use std::{collections::VecDeque, ops::Range};

use super::{Cpu, gpu::Gpu};
use crate::{
    Error, Result,
    cache::Cache,
    kernels::Candidates,
    ops::{Kv, Scores, Set},
    trace::Tracer,
};
use check::Check;
use record::Records;
pub use record::{Agreed, same_records};

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
    candidates: Candidates,
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
            candidates: Candidates::default(),
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
                Some(mut pending) => pending.wait().await,
                None => Ok(Vec::new()),
            };
            let judged = words.and_then(|words| self.judge(check, &words));
            self.hold(judged)?;
        }
        Ok(())
    }
}
