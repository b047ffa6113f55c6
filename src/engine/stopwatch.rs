//! How long attention takes, for whoever measures it.

/// A stopwatch; without a clock it does nothing. The clock is the caller's, since wasm has none of its own.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    clock: Option<fn() -> f64>,
    spent: f64,
}

impl Stopwatch {
    pub(super) fn new(clock: fn() -> f64) -> Stopwatch {
        Stopwatch { clock: Some(clock), spent: 0.0 }
    }

    /// Does the work and adds the time it takes.
    pub(super) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Some(clock) = self.clock else { return work() };
        let begun = clock();
        let done = work();
        self.spent += clock() - begun;
        done
    }

    /// Seconds so far.
    pub(super) fn spent(&self) -> f64 {
        self.spent
    }
}
