//! What both say when a pass is over: trace records, positions and counts; and what agreed so far.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::{Cpu, Paired};
use crate::{
    Result,
    ops::{Dense, Kept, Kv},
    trace::{self, Kind, LEAST_WEIGHT, Record, Tracer},
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

/// What two back ends may differ by in a weight: two steps of its code.
const WEIGHT: f32 = 2.5 / 4095.0;

/// Compares the trace records of a run with the CPU's. Decibels and the worst error of planes, what a sparse read missed,
/// the numbers by which heads choose, the shares of hosts and what a method remarks on are sums in another order: within
/// 1e-3, of those above 1 that share. Weights are within two steps of their code, so one that is barely listed may be
/// listed by one alone.
///
/// # Errors
/// The first record that differs, in words.
pub fn same_records(cpu: &[u8], theirs: &[u8]) -> std::result::Result<(), String> {
    let [mut ours, mut others] = [cpu, theirs].map(trace::records);
    for at in 0.. {
        match (ours.next(), others.next()) {
            (None, None) => break,
            (Some(a), Some(b)) if is_same(&a, &b) => {}
            (a, b) => return Err(format!("record {at}: {b:?}, the CPU {a:?}")),
        }
    }
    Ok(())
}

fn is_same(a: &Record, b: &Record) -> bool {
    let near = |a: u32, b: u32| {
        let [x, y] = [a, b].map(f32::from_bits);
        a == b || (x - y).abs() < 1e-3 * x.abs().max(1.0)
    };
    let is = |kind: Kind| a.kind == kind as u8;
    if (a.kind, a.layer, a.head, a.aux, a.step) != (b.kind, b.layer, b.head, b.aux, b.step) {
        false
    } else if is(Kind::Weights) {
        let listed: [BTreeMap<u32, f32>; 2] = [a, b].map(|record| record.weights().collect());
        let [a, b] = &listed;
        let weight = |of: &BTreeMap<u32, f32>, at| of.get(at).copied();
        a.keys().chain(b.keys()).all(|at| match (weight(a, at), weight(b, at)) {
            (Some(a), Some(b)) => (a - b).abs() < WEIGHT,
            (one, other) => one.or(other).is_some_and(|barely| barely < LEAST_WEIGHT + WEIGHT),
        })
    } else if is(Kind::PlaneNoise) || is(Kind::Shadow) || is(Kind::Choice) || is(Kind::Share) {
        near(a.a, b.a) && near(a.b, b.b)
    } else if is(Kind::Note) {
        a.a == b.a && near(a.b, b.b)
    } else {
        (a.a, a.b, a.payload) == (b.a, b.b, b.payload)
    }
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
