//! One layer of one pass, as a method sees it: make room, choose, attend, learn, edit. Golden tests run this very
//! code on queries, keys and values of their own.

use crate::{
    Result,
    method::{Edit, LayerCx, Method, Site},
    ops::{Dense, Group, Kv, Mass, Read, Scores},
};
use std::ops::Range;

/// Lets the method drop rows before those of a pass are stored.
///
/// # Errors
/// From the method or the back end.
pub fn make_room(method: &mut Method, on: &mut dyn Dense, site: Site) -> Result<()> {
    if site.live == 0 {
        return Ok(());
    }
    let kv = Kv(site.layer);
    let edit = method.retain.make_room(&mut LayerCx { site, kv, ops: &mut *on })?;
    apply(edit, kv, on)
}

fn apply(edit: Edit, kv: Kv, on: &mut dyn Dense) -> Result<()> {
    match edit {
        Edit::None => Ok(()),
        Edit::Keep(set) => on.keep(kv, set),
        Edit::Place(near) => on.place(kv, near),
        Edit::Quantise(groups, rows) => on.quantise(kv, groups, rows),
        Edit::Fold { keep, how } => on.fold(kv, keep, how),
    }
}

/// What the trace asks for: the weights of the newest row.
const NEWEST: Mass = Mass { rows: 1, per: Group::Query };

/// A layer between the storing of its rows and the edit of its cache.
#[derive(Clone, Copy, Debug)]
pub struct LayerRun {
    /// Where we are.
    pub site: Site,
    read: Read,
    /// Mass for the select role and for the retain role; one table when both ask for the same.
    leave: [Option<(Mass, Scores)>; 2],
    /// Whether the newest row's weights go into the trace, and in a pass of one row the table they are left in.
    weights: Option<Option<Scores>>,
}

impl LayerRun {
    /// Asks what is read, where the schedule does not hide positions of the text.
    ///
    /// # Errors
    /// From the method or the back end.
    pub fn begin(method: &mut Method, on: &mut dyn Dense, site: Site, hidden: &Range<u32>) -> Result<LayerRun> {
        let kv = Kv(site.layer);
        let read = if hidden.is_empty() {
            method.select.read(&mut LayerCx { site, kv, ops: &mut *on })?
        } else {
            Read::Slots(on.outside(kv, hidden.clone())?)
        };
        let wanted = [method.select.wants(&site), method.retain.wants(&site)];
        let mut leave = [None; 2];
        for (i, mass) in wanted.into_iter().enumerate().filter_map(|(i, w)| Some((i, w?))) {
            leave[i] = match leave[0] {
                Some((same, table)) if same == mass => Some((mass, table)),
                _ => Some((mass, on.open(kv, mass)?)),
            };
        }
        Ok(LayerRun { site, read, leave, weights: None })
    }

    /// Asks for the weights of the newest row, for the trace. A block map says what a read by blocks looks at.
    ///
    /// # Errors
    /// From the back end.
    pub fn watch_weights(&mut self, on: &mut dyn Dense) -> Result<()> {
        if matches!(self.read, Read::Blocks { .. }) {
            return Ok(());
        }
        // To leave the mass of more rows may take other kernels than those of a pass that nobody watches.
        self.weights = Some(if self.site.rows > 1 {
            None
        } else {
            let same = self.leave.iter().flatten().find(|(mass, _)| mass.per == Group::Query && mass.rows > 0);
            Some(match same {
                Some((_, table)) => *table,
                None => on.open(Kv(self.site.layer), NEWEST)?,
            })
        });
        Ok(())
    }

    /// True when the output is not all that is wanted of the older rows of the pass.
    #[must_use]
    pub fn needs_all_rows(&self) -> bool {
        self.leave.iter().flatten().any(|(mass, _)| mass.rows > 1)
    }

    /// Runs attention for some rows of the pass; called in order.
    ///
    /// # Errors
    /// From the back end.
    pub fn attend(&self, rows: Range<u32>, on: &mut dyn Dense) -> Result<()> {
        let own = self.weights.flatten().map(|table| (NEWEST, table));
        let mut leave = [self.leave[0], self.leave[1], own];
        // A table that several ask for is filled once.
        for i in 1..leave.len() {
            let table = leave[i].map(|l| l.1);
            if leave[..i].iter().any(|other| table.is_some() && other.map(|l| l.1) == table) {
                leave[i] = None;
            }
        }
        let (kv, last) = (Kv(self.site.layer), rows.end == self.site.rows);
        on.attend(kv, self.read, rows, &leave)?;
        match self.weights {
            Some(table) if last => on.weigh(kv, self.read, table),
            _ => Ok(()),
        }
    }

    /// Compares the newest [`attend`](LayerRun::attend) with dense attention, unless it read everything.
    ///
    /// # Errors
    /// From the back end.
    pub fn shadow(&self, on: &mut dyn Dense) -> Result<()> {
        if self.read == Read::All { Ok(()) } else { on.shadow(Kv(self.site.layer), self.read) }
    }

    /// Gives the mass to the method and applies its edit.
    ///
    /// # Errors
    /// From the method or the back end.
    pub fn settle(self, method: &mut Method, on: &mut dyn Dense) -> Result<()> {
        let kv = Kv(self.site.layer);
        let mut cx = LayerCx { site: self.site, kv, ops: &mut *on };
        if let Some((_, mass)) = self.leave[0] {
            method.select.learn(&mut cx, mass)?;
        }
        let edit = method.retain.edit(&mut cx, self.leave[1].map(|l| l.1))?;
        apply(edit, kv, on)
    }
}
