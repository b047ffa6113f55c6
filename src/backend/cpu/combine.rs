//! Scores by block, how many of them to take, and sets made of sets.

use super::{Cpu, scores::pick};
use crate::{
    Error, Result,
    backend::checks::common_groups,
    ops::{Pins, Scores, Set, Take},
    trace::Detail,
};

impl Cpu {
    pub(super) fn block_sums(&mut self, scores: Scores, size: usize) -> Result<Scores> {
        let (kv, groups) = self.kv_of(scores)?;
        let size = size.max(1);
        let mut most = 0;
        for group in 0..groups {
            most = most.max(self.columns(scores, group)?.len().div_ceil(size));
        }
        self.fill_table(kv, groups, most, |on, group, out| {
            for (out, block) in out.iter_mut().zip(on.columns(scores, group)?.chunks(size)) {
                *out = block.iter().sum();
            }
            Ok(())
        })
    }

    pub(super) fn distance(&mut self, a: Scores, b: Scores) -> Result<Scores> {
        let ((kv, groups), (_, other)) = (self.kv_of(a)?, self.kv_of(b)?);
        for group in 0..groups.min(other) {
            let (a, b) = (self.columns(a, group)?.len(), self.columns(b, group)?.len());
            if groups != other || a != b {
                let got = format!("{groups} groups of {a}, {other} of {b}");
                return Err(Error::Shape { op: "js_distance", want: "two tables of the same shape".to_owned(), got });
            }
        }
        self.fill_table(kv, groups, 1, |on, group, out| {
            let pairs = on.columns(a, group)?.iter().zip(on.columns(b, group)?);
            let term = |x: f64, mid: f64| if x > 0.0 { x * (x / mid).ln() } else { 0.0 };
            let sum: f64 = pairs
                .map(|(a, b)| (f64::from(*a), f64::from(*b)))
                .map(|(a, b)| term(a, (a + b) / 2.0) + term(b, (a + b) / 2.0))
                .sum();
            out[0] = (sum / 2.0).max(0.0).sqrt() as f32;
            Ok(())
        })
    }

    pub(super) fn mean_entropy(&mut self, scores: Scores) -> Result<Scores> {
        let (kv, groups) = self.kv_of(scores)?;
        self.fill_table(kv, 1, 1, |on, _, out| {
            let mut sum = 0.0;
            for group in 0..groups {
                let x = on.columns(scores, group)?;
                let total: f64 = x.iter().map(|x| f64::from(*x)).sum();
                let share = x.iter().filter(|x| **x > 0.0).map(|x| f64::from(*x) / total);
                // One column alone is as even as it can be uneven.
                sum -= share.map(|p| p * p.ln()).sum::<f64>() / (x.len().max(2) as f64).ln();
            }
            out[0] = (sum / groups as f64) as f32;
            Ok(())
        })
    }

    pub(super) fn count_cover(&mut self, scores: Scores, share: f32) -> Result<Scores> {
        let (kv, groups) = self.kv_of(scores)?;
        let mut sorted: Vec<f32> = Vec::new();
        self.fill_table(kv, groups, 1, |on, group, out| {
            let x = on.columns(scores, group)?;
            sorted.clear();
            sorted.extend(x.iter().filter(|x| **x > 0.0));
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            let total: f64 = sorted.iter().map(|x| f64::from(*x)).sum();
            let mut sum = 0.0;
            let within = sorted.iter().take_while(|x| {
                sum += f64::from(**x);
                sum <= f64::from(share) * total
            });
            out[0] = (within.count() + 1).min(x.len()) as f32;
            Ok(())
        })
    }

    pub(super) fn best_counted(&mut self, scores: Scores, take: Take, pins: Pins) -> Result<Set> {
        let groups = common_groups("top_counted", self.kv_of(scores)?.1, self.kv_of(take.count)?.1)?;
        let (own, counts) = (self.kv_of(scores)?.1, self.kv_of(take.count)?.1);
        let mut work = Vec::new();
        self.fill_set(groups, |on, group, out| {
            let count = on.columns(take.count, group * counts / groups)?.first().map_or(0, |count| *count as i64);
            let count = ((count + i64::from(take.extra)).max(0) as u64 / u64::from(take.unit.max(1))) as usize;
            let count = count.max(take.min as usize).min(take.max as usize);
            pick(on.columns(scores, group * own / groups)?, count, pins, out, &mut work);
            Ok(())
        })
    }

    pub(super) fn block_pairs(&mut self, vertical: Set, slash: Set, blocks: usize) -> Result<Set> {
        let counts = [vertical, slash].map(|set| self.tables.set(set).map(super::tables::Lists::groups));
        let [a, b] = counts;
        let groups = common_groups("pairs", a?, b?)?;
        let mut active = vec![false; blocks];
        self.fill_set(groups, |on, group, out| {
            for row in 0..blocks {
                active[..=row].fill(false);
                let columns = on.list_of(vertical, group, groups)?.iter().map(|column| *column as usize);
                // Slash column c is the diagonal `blocks - 1 - c` blocks back.
                let behind = on
                    .list_of(slash, group, groups)?
                    .iter()
                    .filter_map(|c| (row + 1 + *c as usize).checked_sub(blocks));
                columns.chain(behind).filter(|column| *column <= row).for_each(|column| active[column] = true);
                out.extend((0..=row).filter(|column| active[*column]).map(|column| (row * blocks + column) as u32));
            }
            Ok(())
        })
    }

    pub(super) fn chosen(&mut self, scores: Scores, cut: f32, yes: Set, no: Set) -> Result<Set> {
        let [a, b] = [yes, no].map(|set| self.tables.set(set).map(super::tables::Lists::groups));
        let (kv, asked) = self.kv_of(scores)?;
        let groups = common_groups("choose", common_groups("choose", a?, b?)?, asked)?;
        if self.tracer.detail >= Detail::Sets {
            let table = self.tables.table(scores)?;
            let numbers = (0..asked).map(|group| table.group(&self.cache, group).first().copied().unwrap_or(f32::NAN));
            self.tracer.choices(kv.0, asked, cut, numbers);
        }
        self.fill_set(groups, |on, group, out| {
            let below = on.columns(scores, group * asked / groups)?.first().is_some_and(|x| *x < cut);
            out.extend_from_slice(on.list_of(if below { yes } else { no }, group, groups)?);
            Ok(())
        })
    }

    pub(super) fn either(&mut self, a: Set, b: Set) -> Result<Set> {
        let counts = [a, b].map(|set| self.tables.set(set).map(super::tables::Lists::groups));
        let [x, y] = counts;
        let groups = common_groups("union", x?, y?)?;
        self.fill_set(groups, |on, group, out| {
            out.extend_from_slice(on.list_of(a, group, groups)?);
            out.extend_from_slice(on.list_of(b, group, groups)?);
            out.sort_unstable();
            out.dedup();
            Ok(())
        })
    }
}
