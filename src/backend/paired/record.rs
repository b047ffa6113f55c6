//! What both say when a pass is over: trace records, positions and counts; and what agreed so far.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::{Cpu, Paired};
use crate::{
    Result,
    ops::{Dense, Kept, Kv},
    trace::{Kind, RECORD, Tracer},
};

/// Records of the CPU that the GPU has not told yet.
#[derive(Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    /// Hands the CPU's newest records on.
    pub fn take(&mut self, cpu: &mut Cpu, to: &mut Tracer) {
        cpu.tracer().take(|records| {
            self.0.extend_from_slice(records);
            to.append(records);
        });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn compare(&mut self, theirs: &[u8]) -> std::result::Result<(), String> {
        same_records(&std::mem::take(&mut self.0), theirs)
    }
}

/// Compares the trace records of a run with the CPU's. Decibels and the worst error of planes, what a sparse read missed,
/// and the numbers that a method remarks on are sums in another order: within 1e-3, of those above 1 that share.
///
/// # Errors
/// The first record that differs, in words.
pub fn same_records(cpu: &[u8], theirs: &[u8]) -> std::result::Result<(), String> {
    for (at, (a, b)) in cpu.chunks_exact(RECORD).zip(theirs.chunks_exact(RECORD)).enumerate() {
        let sums: &[usize] = match a[0] {
            kind if kind == Kind::PlaneNoise as u8 || kind == Kind::Shadow as u8 => &[8, 12],
            kind if kind == Kind::Note as u8 => &[12],
            _ => &[],
        };
        let exact = sums.first().copied().unwrap_or(RECORD);
        let near = |sum: &usize| {
            let [a, b] = [a, b].map(|record| number(&record[*sum..]));
            a == b || (a - b).abs() < 1e-3 * a.abs().max(1.0)
        };
        if a[..exact] != b[..exact] || !sums.iter().all(near) {
            return Err(format!("record {at}: {b:?}, the CPU {a:?}"));
        }
    }
    if cpu.len() != theirs.len() {
        return Err(format!("{} records, the CPU {}", theirs.len() / RECORD, cpu.len() / RECORD));
    }
    Ok(())
}

fn number(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(f32::NAN, |bytes| f32::from_le_bytes(*bytes))
}

/// How many calls of each operation agreed, and how much of its tolerance was used at most, 0 to 1. Copies are the same
/// record: they show what happens to a back end that an engine has.
#[derive(Clone, Debug, Default)]
pub struct Agreed(Rc<RefCell<BTreeMap<&'static str, (u64, f32)>>>);

impl Agreed {
    pub(super) fn add(&self, op: &'static str, used: f32) {
        let mut operations = self.0.borrow_mut();
        let (calls, worst) = operations.entry(op).or_default();
        *calls += 1;
        *worst = worst.max(used);
    }

    /// Calls of all operations.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.borrow().values().map(|(calls, _)| calls).sum()
    }

    /// By operation: calls, and the largest share of the tolerance.
    #[must_use]
    pub fn operations(&self) -> Vec<(&'static str, u64, f32)> {
        self.0.borrow().iter().map(|(op, (calls, worst))| (*op, *calls, *worst)).collect()
    }
}

impl Paired {
    /// Compares what both know of the pass that has come back.
    pub(super) fn compare_pass(&mut self) -> Result<()> {
        self.records.take(&mut self.cpu, &mut self.tracer);
        let records = &mut self.records;
        let same = self.gpu.tracer().take(|theirs| records.compare(theirs));
        (self.op, self.layer) = ("trace", None);
        same.map_err(|what| self.differ(what))?;
        self.op = "cache";
        for (own, theirs) in (0..).map(Kv).map_while(|kv| self.heads(kv)).flatten() {
            if own != theirs {
                return Err(self.differ(format!("positions {theirs:?}, the CPU {own:?}")));
            }
        }
        let [cpu, gpu] = [self.cpu.kept(), self.gpu.kept()];
        // Where a device has planes it has room for the whole rows too.
        let exact = |kept: &Kept| Kept { allocated: 0, noise: None, ..*kept };
        let near = match (cpu.noise, gpu.noise) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-3 * a.abs().max(1.0),
            (a, b) => a == b,
        };
        if exact(&cpu) != exact(&gpu) || !near {
            return Err(self.differ(format!("{gpu:?}, the CPU {cpu:?}")));
        }
        self.agreed.add("pass", 0.0);
        Ok(())
    }

    /// Positions of a layer's KV heads as either knows them; `None` behind the last.
    fn heads(&self, kv: Kv) -> Option<Vec<(&[u32], &[u32])>> {
        ((kv.0 as usize) < self.gpu.layers()).then(|| {
            let [own, theirs] = [self.cpu.cache(), self.gpu.cache()].map(|cache| cache.layer(kv));
            own.iter().zip(theirs).map(|(own, theirs)| (&own.position[..], &theirs.position[..])).collect()
        })
    }

    pub(super) fn pass_is_over(&mut self) -> Result<bool> {
        if !self.look()? || !self.gpu.arrived()? {
            return Ok(false);
        }
        let same = self.compare_pass();
        self.hold(same).map(|()| true)
    }
}
