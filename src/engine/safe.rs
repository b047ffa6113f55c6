//! From a method's path to the safe one: the default of a role in place of the method's own, until the text ends.

use super::{Engine, Stage};
use crate::{
    Result,
    guard::{Monitor, Trip},
    method::{KeepAll, Method, PassKind, Plain, ReadAll, Retain, Schedule, Select},
    methods::Role,
    ops::Kv,
    tape::Tape,
    trace::Kind,
};
use std::mem::replace;

/// Roles of the method that were set aside.
#[derive(Default)]
pub(super) struct Aside {
    select: Option<Box<dyn Select>>,
    retain: Option<Box<dyn Retain>>,
    schedule: Option<Box<dyn Schedule>>,
}

impl Aside {
    /// Puts the default in place of a role; of one that has it already nothing changes.
    fn set(&mut self, role: Role, method: &mut Method) {
        match role {
            Role::Prefill | Role::Select if self.select.is_none() => {
                self.select = Some(replace(&mut method.select, Box::new(ReadAll)));
            }
            Role::Retain if self.retain.is_none() => {
                self.retain = Some(replace(&mut method.retain, Box::new(KeepAll)));
            }
            Role::Schedule if self.schedule.is_none() => {
                self.schedule = Some(replace(&mut method.schedule, Box::new(Plain)));
            }
            _ => {}
        }
    }

    /// Writes which roles are aside, or sets aside those that were.
    pub(super) fn save_or_restore(&mut self, tape: &mut Tape, method: &mut Method) -> Result<()> {
        let aside = [self.select.is_some(), self.retain.is_some(), self.schedule.is_some()];
        for (role, aside) in [Role::Select, Role::Retain, Role::Schedule].into_iter().zip(aside) {
            let mut number = u8::from(aside);
            tape.number(&mut number)?;
            if number > 0 {
                self.set(role, method);
            }
        }
        Ok(())
    }

    /// The method's own retain role, set aside or not.
    pub(super) fn retain<'a>(&'a self, method: &'a Method) -> &'a dyn Retain {
        self.retain.as_deref().unwrap_or(&*method.retain)
    }

    /// Puts the method's own roles back.
    pub(super) fn restore(&mut self, method: &mut Method) {
        if let Some(select) = self.select.take() {
            method.select = select;
        }
        if let Some(retain) = self.retain.take() {
            method.retain = retain;
        }
        if let Some(schedule) = self.schedule.take() {
            method.schedule = schedule;
        }
    }
}

impl Engine {
    /// Whether the running pass is compared with dense attention.
    pub(super) fn is_compared(&self) -> bool {
        let every = self.options.compared();
        every > 0 && self.pass.kind == PassKind::Decode && (self.text.accepted - self.prompt).is_multiple_of(every)
    }

    /// At the end of a pass: leaves the method's path where a monitor trips. True when the pass is to be run again,
    /// because what it made are no numbers; its rows go when it begins.
    pub(super) fn leave_path(&mut self) -> bool {
        let mut again = false;
        while let Some(trip) = self.guard.as_mut().and_then(|guard| guard.trip()) {
            let Trip { monitor, value, limit } = trip;
            self.backend.tracer().record(Kind::Guard, 0, 0, monitor as u8, value.to_bits(), limit.to_bits());
            for &role in monitor.leaves() {
                if role != Role::Retain || self.can_keep_all() {
                    self.aside.set(role, &mut self.method);
                }
            }
            again |= monitor == Monitor::Finite && self.can_repeat();
        }
        if again {
            self.text.ids.truncate(self.text.accepted as usize);
            self.text.fed = self.pass.rows.start.min(self.text.accepted - 1);
            self.stored = self.pass.rows.end;
            self.stage = Stage::Between;
        }
        again
    }

    /// Not a text that only its method lets grow beyond the context, nor one whose rows have no room.
    fn can_keep_all(&mut self) -> bool {
        self.text.limit <= self.context && self.backend.reserve(self.text.limit).is_ok()
    }

    /// Quantised rows cannot be taken back.
    fn can_repeat(&self) -> bool {
        (0..self.model.config.layers).all(|layer| self.backend.quantised(Kv(layer)) <= self.pass.rows.start)
    }
}
