//! The cache in a saved session: slots, rows, planes, far tier and score columns as they are. Page bounds are made of the
//! keys again. What was read is checked against what the code that uses it takes for granted.

use super::{Cache, Head, Planes, Rows, planes::Plane};
use crate::{
    Error, Result,
    ops::{Expected, Fresh, PlaneGroups},
    tape::{Tape, check},
};

impl Cache {
    /// Writes the slots of all layers, or reads them into an empty cache.
    ///
    /// # Errors
    /// [`Error::Saved`], [`Error::Memory`].
    pub fn save_or_restore(&mut self, tape: &mut Tape, expected: &Expected) -> Result<()> {
        let mut shape = [self.heads.len() as u32, self.head_dim as u32, self.heads[0].k.number_bytes() as u32];
        let own = shape;
        shape.iter_mut().try_for_each(|n| tape.number(n))?;
        check(shape == own, "its cache has another shape")?;
        self.name_columns(tape)?;
        let (width, reserved) = (self.head_dim, self.reserved);
        for h in 0..self.heads.len() {
            let head = &mut self.heads[h];
            head.save_or_restore(tape, width, self.columns.len())?;
            if tape.restores() {
                head.check(width, expected)?;
                let first = &self.heads[h / self.kv_heads * self.kv_heads];
                let head = &self.heads[h];
                check(!expected.even || head.len() == first.len(), "heads hold unlike numbers of slots")?;
                check(!expected.alike || head.position == first.position, "heads hold unlike slots")?;
                check(head.quantised() == first.quantised(), "heads hold unlike planes")?;
            }
            let mut pages = [self.heads[h].bounds.page() as u32, self.heads[h].bounds.folded() as u32];
            pages.iter_mut().try_for_each(|n| tape.number(n))?;
            let [page, end] = pages.map(|n| n as usize);
            if tape.restores() && page > 0 {
                let head = &mut self.heads[h];
                check(head.planes.is_none() && end <= head.len(), "page bounds of no keys")?;
                head.bounds.update(&head.k, width, page, end, reserved);
            }
        }
        Ok(())
    }

    /// Names of score columns, and what their new slots start with.
    fn name_columns(&mut self, tape: &mut Tape) -> Result<()> {
        let mut count = self.columns.len() as u32;
        tape.number(&mut count)?;
        for i in 0..count as usize {
            let (name, fresh) = self.columns.get(i).cloned().unwrap_or(("".into(), Fresh::Position));
            let mut name = name.into_owned().into_bytes();
            tape.list(&mut name)?;
            let (mut kind, mut value) = match fresh {
                Fresh::Position => (0u8, 0.0),
                Fresh::Value(value) => (1, value),
                Fresh::Random => (2, 0.0),
            };
            tape.number(&mut kind)?;
            tape.number(&mut value)?;
            if tape.restores() {
                let name = String::from_utf8(name).map_err(|_| Error::Saved("a column without a name".to_owned()))?;
                let fresh = match kind {
                    0 => Fresh::Position,
                    1 => Fresh::Value(value),
                    _ => Fresh::Random,
                };
                self.columns.push((name.into(), fresh));
            }
        }
        Ok(())
    }
}

impl Head {
    fn save_or_restore(&mut self, tape: &mut Tape, width: usize, columns: usize) -> Result<()> {
        tape.list(&mut self.position)?;
        for rows in [&mut self.k, &mut self.v] {
            match rows {
                Rows::F16(numbers) => tape.list(numbers)?,
                Rows::F32(numbers) => tape.list(numbers)?,
                Rows::Device(..) => return Err(Error::State("rows of a device cannot be saved")),
            }
        }
        let mut planes = self.planes.as_ref().map_or([0; 3], |p| [p.rows as u32, p.groups.tokens, p.groups.channels]);
        planes.iter_mut().try_for_each(|n| tape.number(n))?;
        if planes[0] > 0 {
            if tape.restores() {
                let groups = PlaneGroups { tokens: planes[1], channels: planes[2] };
                let mut there = Planes::new(groups, width).map_err(|error| Error::Saved(error.to_string()))?;
                there.rows = planes[0] as usize;
                self.planes = Some(there);
            }
            for plane in self.planes.iter_mut().flat_map(Planes::parts_mut) {
                plane.save_or_restore(tape)?;
            }
        }
        let mut own = self.columns.len() as u32;
        tape.number(&mut own)?;
        check(own as usize <= columns, "a score column without a name")?;
        self.columns.resize(own as usize, Vec::new());
        self.columns.iter_mut().try_for_each(|column| tape.list(column))?;
        self.far.save_or_restore(tape)
    }

    fn check(&self, width: usize, expected: &Expected) -> Result<()> {
        let (slots, quantised) = (self.len(), self.quantised());
        let ascends =
            self.position.is_sorted_by(|a, b| a < b) && self.position.last().is_none_or(|p| *p < expected.end);
        check(ascends && slots >= quantised, "its slots are no positions of the text")?;
        check(!expected.everything || slots == expected.end as usize, "slots are missing")?;
        let numbers = (slots - quantised) * width;
        check(self.k.numbers() == numbers && self.v.numbers() == numbers, "its rows are not those of its slots")?;
        if let Some(planes) = &self.planes {
            let normal = |groups| Planes::new(groups, width).map(|planes| planes.groups).ok();
            check(
                expected.planes.and_then(normal) == Some(planes.groups) && planes.is_whole(),
                "its planes do not fit",
            )?;
        }
        check(self.columns.iter().all(|column| column.len() == slots), "score columns are not as long as the cache")?;
        check(self.far.known() <= slots, "its far tier is larger than the cache")
    }
}

impl Plane {
    fn save_or_restore(&mut self, tape: &mut Tape) -> Result<()> {
        tape.list(&mut self.upper)?;
        tape.list(&mut self.lower)?;
        tape.list(&mut self.steps)?;
        tape.list(&mut self.zeros)
    }
}
