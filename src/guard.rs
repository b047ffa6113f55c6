//! Watches a run and says when to leave a method's path for the safe one. A monitor trips once a text; the engine then
//! puts the default in place of the roles it names (read everything, keep everything as it is, no drafting) and the run
//! goes on.
//! Rows that were dropped are gone: the safe path spares what comes after.

use crate::{
    Error, Result,
    methods::Role,
    ops::Missed,
    tape::{Tape, check},
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A window of guesses that is not judged yet has fewer.
const MOST_UNJUDGED: u32 = 1 << 30;

/// What may go wrong; the number is `aux` of the trace record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Monitor {
    /// A sparse read missed too much of the attention.
    Recall = 0,
    /// Its output was too far from that of a dense one.
    Error = 1,
    /// Too few guesses held.
    Acceptance = 2,
    /// Logits were not numbers.
    Finite = 3,
    /// Quantised keys or values were too far from what they were.
    Noise = 4,
}

impl Monitor {
    /// All monitors.
    pub const ALL: [Monitor; 5] =
        [Monitor::Recall, Monitor::Error, Monitor::Acceptance, Monitor::Finite, Monitor::Noise];

    /// Its name in options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Monitor::Recall => "recall",
            Monitor::Error => "error",
            Monitor::Acceptance => "acceptance",
            Monitor::Finite => "finite",
            Monitor::Noise => "noise",
        }
    }

    /// The roles that take their default when it trips. What is kept need not be wrong because too little of it was
    /// read; numbers that are none may have reached the scores by which rows are kept. What is quantised stays so, all
    /// that follows is kept as it is.
    #[must_use]
    pub fn leaves(self) -> &'static [Role] {
        match self {
            Monitor::Recall | Monitor::Error => &[Role::Select],
            Monitor::Acceptance => &[Role::Schedule],
            Monitor::Finite => &[Role::Select, Role::Retain, Role::Schedule],
            Monitor::Noise => &[Role::Retain],
        }
    }
}

/// Limits of the monitors; `None`: not watched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Limits {
    /// Least share of the full attention that falls on what was read, mean over the sparse layers of a step.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "number | null"))]
    pub recall: Option<f32>,
    /// Largest relative error of the attention output, mean over the sparse layers of a step.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "number | null"))]
    pub error: Option<f32>,
    /// Least share of guesses that hold.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "number | null"))]
    pub acceptance: Option<f32>,
    /// Guesses after which acceptance is judged, and again after as many more.
    pub window: u32,
    /// Logits must be numbers.
    pub finite: bool,
    /// Least signal-to-noise ratio of quantised keys or values, in dB, in any head of any layer.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "number | null"))]
    pub noise: Option<f32>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            recall: Some(0.8),
            error: Some(0.5),
            acceptance: Some(0.3),
            window: 64,
            finite: true,
            noise: Some(20.0),
        }
    }
}

impl Limits {
    /// # Errors
    /// [`Error::Param`] for a window of no guesses.
    pub fn check(&self) -> Result<()> {
        if self.window == 0 {
            let (name, allowed) = ("guard.window".to_owned(), "guesses, from 1".to_owned());
            return Err(Error::Param { name, got: "0".to_owned(), allowed });
        }
        Ok(())
    }
}

/// `recall=0.9,acceptance=off`; what is not named has its default.
impl FromStr for Limits {
    type Err = Error;
    fn from_str(text: &str) -> Result<Limits> {
        let mut limits = Limits::default();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = value.parse::<f32>().ok().filter(|x| *x >= 0.0);
            let limit = if value == "off" { Some(None) } else { number.map(Some) };
            match (name, limit, number) {
                ("recall", Some(limit), _) => limits.recall = limit,
                ("error", Some(limit), _) => limits.error = limit,
                ("acceptance", Some(limit), _) => limits.acceptance = limit,
                ("noise", Some(limit), _) => limits.noise = limit,
                ("window", _, Some(window)) if window >= 1.0 => limits.window = window as u32,
                ("finite", Some(None), _) => limits.finite = false,
                _ => {
                    return Err(Error::Param {
                        name: "guard".to_owned(),
                        got: pair.to_owned(),
                        allowed:
                            "recall, error, acceptance or noise = a number from 0 or off; window = guesses, from 1; finite = \
                                  off"
                            .to_owned(),
                    });
                }
            }
        }
        Ok(limits)
    }
}

/// A monitor past its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trip {
    /// Which.
    pub monitor: Monitor,
    /// What it saw.
    pub value: f32,
    /// What was allowed.
    pub limit: f32,
}

/// The monitors of one text.
#[derive(Debug)]
pub struct Guard {
    limits: Limits,
    tripped: [bool; Monitor::ALL.len()],
    /// Sums over the sparse layers of the running pass, and how many they are.
    missed: (f32, f32, u32),
    /// Guesses since acceptance was judged last, and those that held.
    guesses: (u32, u32),
    finite: bool,
    /// Least signal-to-noise ratio of what was quantised since the monitors were asked last.
    noise: f32,
}

impl Guard {
    /// Watches a new text.
    #[must_use]
    pub fn new(limits: Limits) -> Guard {
        Guard {
            limits,
            tripped: Default::default(),
            missed: Default::default(),
            guesses: (0, 0),
            finite: true,
            noise: f32::INFINITY,
        }
    }

    /// Other limits for what follows; what has tripped stays so.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Writes what has tripped and the guesses that were not judged yet, or reads it back.
    ///
    /// # Errors
    /// [`Error::Saved`](crate::Error::Saved).
    pub fn save_or_restore(&mut self, tape: &mut Tape) -> Result<()> {
        for tripped in &mut self.tripped {
            let mut number = u8::from(*tripped);
            tape.number(&mut number)?;
            *tripped = number > 0;
        }
        tape.number(&mut self.guesses.0)?;
        tape.number(&mut self.guesses.1)?;
        check(self.guesses.0.max(self.guesses.1) < MOST_UNJUDGED, "more guesses than there can be")
    }

    /// What a layer's sparse read missed.
    pub fn missed(&mut self, missed: Missed) {
        let (recall, error, layers) = self.missed;
        self.missed = (recall + missed.recall, error + missed.error, layers + 1);
    }

    /// How many guesses of a round held.
    pub fn round(&mut self, guessed: u32, held: u32) {
        self.guesses = (self.guesses.0 + guessed, self.guesses.1 + held);
    }

    /// Whether the logits of a pass are all finite.
    pub fn finite(&mut self, finite: bool) {
        self.finite = finite || !self.limits.finite;
    }

    /// Least signal-to-noise ratio of what a pass quantised, in dB, if anything.
    pub fn quantised(&mut self, noise: Option<f32>) {
        self.noise = self.noise.min(noise.unwrap_or(f32::INFINITY));
    }

    /// The next monitor that trips; asked until there is none, at the end of every pass.
    pub fn trip(&mut self) -> Option<Trip> {
        let (recall, error, layers) = self.missed;
        let mean = |sum: f32| sum / layers as f32;
        let (guessed, held) = self.guesses;
        let judged = guessed >= self.limits.window;
        let past = |monitor| {
            let (value, limit, past) = match monitor {
                Monitor::Recall => {
                    (mean(recall), self.limits.recall?, layers > 0 && mean(recall) < self.limits.recall?)
                }
                Monitor::Error => (mean(error), self.limits.error?, layers > 0 && mean(error) > self.limits.error?),
                Monitor::Acceptance => {
                    let (share, limit) = (held as f32 / guessed.max(1) as f32, self.limits.acceptance?);
                    (share, limit, judged && share < limit)
                }
                Monitor::Finite => (f32::from(u8::from(self.finite)), 1.0, !self.finite),
                Monitor::Noise => (self.noise, self.limits.noise?, self.noise < self.limits.noise?),
            };
            (past && !self.tripped[monitor as usize]).then_some(Trip { monitor, value, limit })
        };
        let trip = Monitor::ALL.into_iter().find_map(past);
        match trip {
            Some(trip) => self.tripped[trip.monitor as usize] = true,
            None => {
                self.missed = Default::default();
                self.noise = f32::INFINITY;
                if judged {
                    self.guesses = (0, 0);
                }
            }
        }
        trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_monitor_trips_once_past_its_limit() {
        let mut guard = Guard::new("recall=0.5,error=off,window=8".parse().unwrap());
        let miss = |guard: &mut Guard, recall| guard.missed(Missed { recall, error: 9.0 });
        for recall in [0.9, 0.2] {
            miss(&mut guard, recall);
        }
        assert_eq!(guard.trip(), None, "the mean counts");
        for recall in [0.7, 0.2] {
            miss(&mut guard, recall);
        }
        let trip = guard.trip().unwrap();
        assert_eq!((trip.monitor, trip.limit), (Monitor::Recall, 0.5));
        assert!((trip.value - 0.45).abs() < 1e-6);
        miss(&mut guard, 0.1);
        guard.round(7, 0);
        assert_eq!(guard.trip(), None, "once, and a window is not full yet");
        guard.round(1, 1);
        let trip = guard.trip().unwrap();
        assert_eq!((trip.monitor, trip.value), (Monitor::Acceptance, 0.125));
        guard.finite(false);
        assert_eq!(guard.trip().map(|trip| trip.monitor), Some(Monitor::Finite));
        assert_eq!(guard.trip(), None);
        // The least of several passes counts, and only until it was judged.
        for (passes, trips) in [([None, None], false), ([Some(20.5), None], false), ([Some(19.5), Some(30.0)], true)] {
            passes.into_iter().for_each(|noise| guard.quantised(noise));
            assert_eq!(guard.trip().map(|trip| trip.monitor), trips.then_some(Monitor::Noise), "{passes:?} dB");
            assert_eq!(guard.trip(), None);
        }
    }

    #[test]
    fn limits_are_read_and_refused() {
        assert_eq!("".parse::<Limits>().unwrap(), Limits::default());
        let limits: Limits = "finite=off,acceptance=0.25".parse().unwrap();
        assert_eq!((limits.finite, limits.acceptance, limits.recall), (false, Some(0.25), Some(0.8)));
        for bad in ["recall", "recall=-1", "recall=x", "window=0", "finite=1", "speed=3"] {
            assert_eq!(bad.parse::<Limits>().unwrap_err().code(), "param", "{bad}");
        }
    }
}
