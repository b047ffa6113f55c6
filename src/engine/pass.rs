//! One pass, piece by piece: layer for layer its rows are projected and stored, attend, and are absorbed.

use super::{CHUNK, Engine, LayerRun, Progress, Stage, make_room};
use crate::{
    Result,
    method::{PassKind, Site},
    ops::Kv,
    trace::{Detail, Kind},
};
use std::ops::Range;

impl Engine {
    pub(super) fn begin(&mut self) -> Result<Progress> {
        let generated = self.text.accepted - self.prompt;
        let ended = generated > 0
            && self.guesses() == 0
            && self.text.ids.last().is_some_and(|id| self.options.eos.contains(id));
        let Some(pass) = (!ended).then(|| self.method.schedule.next(&self.text)).flatten() else {
            self.stage = Stage::Between;
            return Ok(Progress::Done);
        };
        if self.guesses() == 0 {
            self.sampler.begin_round();
        }
        self.backend.tracer().step = generated;
        if pass.rows.start < self.stored {
            (0..self.model.config.layers).try_for_each(|layer| self.backend.cut(Kv(layer), pass.rows.start))?;
        }
        self.backend.log(Kind::Pass, pass.kind as u8, pass.rows.start, pass.rows.end - pass.rows.start);
        let ids = &self.text.ids[pass.rows.start as usize..pass.rows.end as usize];
        self.backend.narrow(pass.kind == PassKind::Draft && self.method.schedule.narrow_guesses());
        self.model.embed(ids, pass.rows.start, &mut *self.backend)?;
        let (width, (rows, positions)) = (self.model.config.width as usize, &self.rows);
        let [first, end] = [pass.rows.start, pass.rows.end].map(|at| positions.partition_point(|&p| p < at));
        for (row, position) in rows.chunks_exact(width).zip(positions).take(end).skip(first) {
            self.backend.put_row(position - pass.rows.start, row)?;
        }
        self.pass = pass;
        self.stage = Stage::Project { layer: 0, row: 0 };
        Ok(Progress::Working)
    }

    fn site(&self, layer: u32) -> Site {
        let (rows, rounds) = (&self.pass.rows, &self.text.rounds);
        let round = rounds.partition_point(|&first| first < rows.end);
        let first = rounds[..round].last().copied().unwrap_or(0);
        Site {
            layer,
            layers: self.model.config.layers,
            group: self.model.config.group(),
            kind: self.pass.kind,
            rows: self.rows(),
            position: self.pass.rows.end - 1,
            step: self.passes,
            live: self.backend.live(Kv(layer)),
            quantised: self.backend.quantised(Kv(layer)),
            round: round.saturating_sub(1) as u32,
            question: rows.end.saturating_sub(first).min(rows.end - rows.start),
        }
    }

    pub(super) fn rows(&self) -> u32 {
        self.pass.rows.end - self.pass.rows.start
    }

    fn chunk(&self, row: u32) -> Range<u32> {
        row..self.rows().min(row + CHUNK)
    }

    pub(super) fn project(&mut self, layer: u32, row: u32) -> Result<()> {
        let rows = self.chunk(row);
        if row == 0 {
            let site = self.site(layer);
            self.stopwatch.time(|| make_room(&mut self.method, &mut *self.backend, site))?;
        }
        self.model.project(layer, rows.clone(), self.pass.stores, &mut *self.backend)?;
        self.stage = if rows.end < self.rows() {
            Stage::Project { layer, row: rows.end }
        } else {
            let site = self.site(layer);
            let hidden = &self.pass.hidden;
            let mut run =
                self.stopwatch.time(|| LayerRun::begin(&mut self.method, &mut *self.backend, site, hidden))?;
            // Of a guess the check's are shown; and one host alone does not know what others' rows take.
            if self.options.trace >= Detail::Weights && site.kind != PassKind::Draft && !self.pass.shared {
                run.watch_weights(&mut *self.backend)?;
            }
            // Only the newest row is read after the last layer, unless all are checked.
            let skip = layer + 1 == site.layers && site.kind != PassKind::Verify && !run.needs_all_rows();
            Stage::Attend { row: if skip { site.rows - 1 } else { 0 }, run }
        };
        Ok(())
    }

    pub(super) fn attend(&mut self, row: u32, run: LayerRun) -> Result<Progress> {
        let rows = self.chunk(row);
        self.stopwatch.time(|| run.attend(rows.clone(), &mut *self.backend))?;
        if self.is_compared() {
            run.shadow(&mut *self.backend)?;
        }
        if self.pass.shared {
            self.stage = Stage::Exchange { rows, run };
            return Ok(Progress::Exchange);
        }
        self.absorb(rows, run)
    }

    pub(super) fn absorb(&mut self, rows: Range<u32>, run: LayerRun) -> Result<Progress> {
        let layer = run.site.layer;
        self.model.absorb(layer, rows.clone(), &mut *self.backend)?;
        if rows.end < run.site.rows {
            self.stage = Stage::Attend { row: rows.end, run };
            return Ok(Progress::Working);
        }
        self.stopwatch.time(|| run.settle(&mut self.method, &mut *self.backend))?;
        if layer + 1 < run.site.layers {
            self.stage = Stage::Project { layer: layer + 1, row: 0 };
            return Ok(Progress::Working);
        }
        self.finish()
    }

    /// Row-layers done and to do in the pass that is running; `(0, 0)` between passes.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        let rows = self.rows();
        let done = match &self.stage {
            Stage::Between | Stage::Failed => return (0, 0),
            Stage::Sent => self.model.config.layers * rows,
            Stage::Project { layer, row } => layer * rows + row / 2,
            Stage::Attend { row, run } | Stage::Exchange { rows: Range { start: row, .. }, run } => {
                run.site.layer * rows + (rows + row) / 2
            }
        };
        (done, self.model.config.layers * rows)
    }
}
