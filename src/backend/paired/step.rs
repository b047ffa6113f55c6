//! A call on both: recorded, asked for, compared.

use super::{
    CPU, GPU, Paired,
    check::{Check, Keeps, Part},
};
use crate::{
    Error, Result,
    ops::{Dense, Kv, Scores},
};

impl Paired {
    /// Compares what has come back; whether that is all.
    pub(super) fn look(&mut self) -> Result<bool> {
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
    pub(super) fn judge(&mut self, check: Check, words: &[Vec<u32>]) -> Result<()> {
        let (worst, said) = check.compare(words)?;
        self.agreed.add(check.op, worst);
        match check.keeps {
            Keeps::Nothing => {}
            Keeps::Output => self.output = said.into_iter().flatten().collect(),
            Keeps::Table(scores) => {
                if let Some(table) = self.tables.get_mut(scores.0 as usize).filter(|table| table.on == check.table) {
                    table.said = said;
                }
            }
        }
        Ok(())
    }

    /// Fails for good with the first failure.
    pub(super) fn hold<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(why) = &result {
            self.failed.get_or_insert_with(|| why.clone());
        }
        result
    }

    pub(super) fn fine(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// An operation begins.
    pub(super) fn start(&mut self, op: &'static str, kv: Option<Kv>) -> Result<()> {
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
    pub(super) fn end<T>(&mut self, results: [Result<T>; 2]) -> Result<[T; 2]> {
        self.records.take(&mut self.cpu, &mut self.tracer);
        match results {
            [Ok(cpu), Ok(gpu)] => Ok([cpu, gpu]),
            [Err(cpu), Err(gpu)] if cpu.code() == gpu.code() => Err(cpu),
            // What it cannot do is no difference, but from here on the two are not in step.
            [Ok(_), Err(why @ (Error::Unsupported { .. } | Error::Gpu { .. } | Error::Memory { .. }))] => {
                self.hold(Err(why))
            }
            [cpu, gpu] => {
                let [cpu, gpu] =
                    [cpu, gpu].map(|result| result.err().map_or("no refusal".into(), |why| why.to_string()));
                let differ = Err(self.differ(format!("{gpu}, the CPU: {cpu}")));
                self.hold(differ)
            }
        }
    }

    pub(super) fn differ(&self, what: String) -> Error {
        Error::Differ { op: self.op, call: self.call, layer: self.layer.map(|kv| kv.0), what }
    }

    /// Does the same on both; the second argument says where.
    pub(super) fn call<T>(
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
    pub(super) fn check(&mut self, parts: Vec<Part>, keeps: Keeps, table: [Scores; 2]) -> Result<()> {
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

    pub(super) fn check_parts(&mut self, parts: Vec<Part>) -> Result<()> {
        self.check(parts, Keeps::Nothing, [Scores(0); 2])
    }
}
