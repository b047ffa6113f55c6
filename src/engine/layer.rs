//! One layer of one pass, as a method sees it: make room, choose, attend, learn, edit. Golden tests run this very
//! code on queries, keys and values of their own.

use crate::{
    Result,
    method::{Edit, LayerCx, Method, Site},
    ops::{Dense, Kv, Mass, Read, Scores},
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

/// A layer between the storing of its rows and the edit of its cache.
#[derive(Clone, Copy, Debug)]
pub struct LayerRun {
    /// Where we are.
    pub site: Site,
    read: Read,
    /// Mass for the select role and for the retain role; one table when both ask for the same.
    leave: [Option<(Mass, Scores)>; 2],
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
        Ok(LayerRun { site, read, leave })
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
        let mut leave = self.leave;
        if let [Some(a), Some(b)] = leave
            && a.1 == b.1
        {
            leave[1] = None;
        }
        on.attend(Kv(self.site.layer), self.read, rows, &leave)
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
