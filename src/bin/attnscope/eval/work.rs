//! Runs what is not finished yet, several cases side by side.

use super::{
    Origin,
    plan::Setting,
    run::{Outcome, Run, Speed},
    store::{self, Record, Store},
    suite::{Answer, Case, Suite},
    values::Collect,
};
use crate::Failure;
use attnscope::{
    kernels::{Precision, SharedProducts},
    loader::Loaded,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// To be raised when something else is measured, or in another way: cases finished before are then run again.
const MEASURE: u32 = 3;

/// Tokens of all runs that share the products of their prompts: their caches are in memory at once.
const TOGETHER: u64 = 1 << 16;

/// What is to be done about cases that are not finished.
#[derive(Clone, Copy)]
pub enum Todo {
    /// They are run, so many side by side.
    All {
        /// How many.
        threads: usize,
    },
    /// They are left out.
    Nothing,
}

/// A case with the settings that are to run on it, one after another: they share its text with full attention.
struct Unit<'a> {
    case: &'a Case,
    settings: Vec<(&'a Setting, String)>,
}

impl Unit<'_> {
    fn tokens(&self) -> u64 {
        self.case.tokens() * self.settings.len() as u64
    }
}

/// The records of all settings on all cases, in any order; those that `store` has are not run again.
///
/// # Errors
/// The first one that a case or the store gives.
pub fn all(
    cases: &[Case],
    settings: &[Setting],
    origin: &Origin,
    loaded: &Loaded,
    store: &Store,
    todo: Todo,
) -> Result<Vec<Record>, Failure> {
    let (mut records, mut units) = (Vec::new(), Vec::new());
    for case in cases {
        let mut unit = Unit { case, settings: Vec::new() };
        for setting in settings.iter().filter(|setting| setting.suites.contains(&case.suite)) {
            let key = key(case, setting, origin, loaded)?;
            match store.get(&key) {
                // The label may have changed, the result has not.
                Some(record) => records.push(Record { setting: setting.label.clone(), ..record.clone() }),
                None => unit.settings.push((setting, key)),
            }
        }
        units.push(unit);
    }
    let Todo::All { threads } = todo else { return Ok(records) };
    // Long ones first, so that the threads end together.
    units.sort_by_key(|unit| std::cmp::Reverse(unit.tokens()));
    let bar = ProgressBar::new(units.iter().map(Unit::tokens).sum()).with_style(
        ProgressStyle::with_template("{bar:32} {pos}/{len} tokens, {eta} left  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    // Speed is measured alone.
    let (alone, beside): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| unit.case.suite == Suite::Speed);
    let new = Mutex::new(records);
    let run = |unit: &Unit| {
        each_setting(unit, origin, loaded, &bar, |record| {
            store.add(&record)?;
            new.lock().unwrap_or_else(PoisonError::into_inner).push(record);
            Ok(())
        })
    };
    side_by_side(&beside, threads, run)?;
    side_by_side(&alone, 1, run)?;
    bar.finish_and_clear();
    Ok(new.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Hash of all that a result depends on.
fn key(case: &Case, setting: &Setting, origin: &Origin, loaded: &Loaded) -> Result<String, Failure> {
    let spec = loaded.profile.fill(&setting.method.spec(setting.budget, case.asked()));
    let fast = case.suite.precision(origin.fast) == Precision::Fast;
    store::key(&(MEASURE, case, spec, fast, &origin.sha256, &origin.build))
}

fn each_setting(
    unit: &Unit,
    origin: &Origin,
    loaded: &Loaded,
    bar: &ProgressBar,
    finished: impl Fn(Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let case = unit.case;
    let precision = case.suite.precision(origin.fast);
    let full = if case.suite.compares() && !unit.settings.is_empty() {
        Some(reference(case, precision, loaded).map_err(|why| blame("full attention", case, why))?)
    } else {
        None
    };
    // Speed is measured alone.
    let most = if case.suite == Suite::Speed { 1 } else { (TOGETHER / case.tokens().max(1)).max(1) as usize };
    for settings in unit.settings.chunks(most) {
        let labels: Vec<&str> = settings.iter().map(|(setting, _)| setting.label.as_str()).collect();
        bar.set_message(format!("{} {}: {}", case.suite.name(), case.name, labels.join(", ")));
        let (shared, mut runs) = (SharedProducts::default(), Vec::new());
        for (setting, key) in settings {
            let blame = |why| blame(&setting.label, case, why);
            let mut run = Run::begin(setting, case, precision, loaded).map_err(blame)?;
            run.share(shared.clone());
            runs.push((run, Collect::new(case.suite, full.as_deref()), &setting.label, key));
        }
        in_turn(&mut runs, |(run, collect, label, _)| {
            run.advance(&mut |logits, gold| collect.step(logits, gold)).map_err(|why| blame(label, case, why))
        })?;
        for (run, collect, label, key) in runs {
            let Outcome { cost, speed, text, missed } = run.end(loaded);
            let free = case.turns.last().is_some_and(|turn| turn.how == Answer::Free);
            finished(Record {
                key: key.clone(),
                suite: case.suite,
                setting: label.clone(),
                case: case.name.clone(),
                length: case.length,
                depth: case.depth,
                prompt_tokens: case.prompt_tokens(),
                values: collect.finish(&missed, case.turns.last().map_or(0, |turn| turn.blank)),
                cost,
                speed: if settings.len() > 1 { Speed::default() } else { speed },
                text: free.then_some(text),
            })?;
            bar.inc(case.tokens());
        }
    }
    Ok(())
}

/// A piece of each, and again, until none has any left: so they are where they can use what the others made.
fn in_turn<T>(all: &mut [T], mut piece: impl FnMut(&mut T) -> Result<bool, Failure>) -> Result<(), Failure> {
    loop {
        let mut more = false;
        for one in all.iter_mut() {
            more |= piece(one)?;
        }
        if !more {
            return Ok(());
        }
    }
}

fn blame(setting: &str, case: &Case, why: attnscope::Error) -> Failure {
    Failure::file(format!("{setting}, {} {}", case.suite.name(), case.name), why)
}

/// Logits of full attention before every token of the answer.
fn reference(case: &Case, precision: Precision, loaded: &Loaded) -> attnscope::Result<Vec<Vec<f32>>> {
    let mut all = Vec::new();
    let mut run = Run::begin(&Setting::full(), case, precision, loaded)?;
    while run.advance(&mut |logits, _| all.push(logits.to_vec()))? {}
    Ok(all)
}

/// Does `work` on all items with so many threads; the first error ends it when the running ones are done.
fn side_by_side<T: Sync>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    if let Err(why) = work(item) {
                        stop.store(true, Ordering::Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_the_first_error_ends_it() {
        let items: Vec<usize> = (0..50).collect();
        let seen = Mutex::new(Vec::new());
        let work = |item: &usize| {
            seen.lock().unwrap().push(*item);
            if *item == 20 { Err(Failure::file("20", "is wrong")) } else { Ok(()) }
        };
        assert!(side_by_side(&items[..20], 3, work).is_ok());
        let mut all = std::mem::take(&mut *seen.lock().unwrap());
        all.sort_unstable();
        assert_eq!(all, items[..20]);
        let why = side_by_side(&items, 3, work).unwrap_err();
        assert_eq!(why.to_string(), "20: is wrong");
        assert!(seen.lock().unwrap().len() < 50);
    }
}
