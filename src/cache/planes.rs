//! Rows as two 4-bit planes (QuantSpec): keys share a grid by channel over a group of tokens, values by token over a
//! group of channels.

use super::Store;
use crate::{
    Error, Result,
    kernels::{Grid, PlaneCodes, PlaneRows},
    ops::PlaneGroups,
};

/// Keys or values, `[rows, width]`.
#[derive(Clone, Debug, Default)]
pub struct Plane {
    /// Upper codes, `[rows, width / 2]`: the even channel in the low half of a byte.
    pub(super) upper: Vec<u8>,
    /// Lower codes plus 8, in the same way.
    pub(super) lower: Vec<u8>,
    /// Steps of the grids: of keys `[rows / tokens, width]`, of values `[rows, width / channels]`.
    pub(super) steps: Vec<f32>,
    /// What upper code 0 stands for, in the same order.
    pub(super) zeros: Vec<f32>,
}

/// The quantised rows of one KV head, its oldest.
#[derive(Clone, Debug)]
pub struct Planes {
    /// How grids are shared.
    pub groups: PlaneGroups,
    /// Quantised rows.
    pub rows: usize,
    width: usize,
    k: Plane,
    v: Plane,
}

/// Where the grids of a row are: that of channel c is `first + c / per`.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    per: usize,
}

/// Rows that room is made for when `more` come to `rows` and there is none: as many again, so that growing is rare.
fn ahead(rows: usize, more: usize) -> usize {
    more + rows.max(512)
}

impl Plane {
    /// Makes room; `grids` says how many grids so many rows have.
    fn reserve(&mut self, rows: usize, more: usize, width: usize, grids: impl Fn(usize) -> usize) {
        if (rows + more) * width / 2 > self.upper.capacity() {
            let ahead = ahead(rows, more);
            self.upper.reserve_exact(ahead * width / 2);
            self.lower.reserve_exact(ahead * width / 2);
            self.steps.reserve_exact(grids(ahead));
            self.zeros.reserve_exact(grids(ahead));
        }
    }

    fn add(&mut self, grids: impl Iterator<Item = Grid>) {
        for grid in grids {
            self.steps.push(grid.step);
            self.zeros.push(grid.zero);
        }
    }

    fn grid(&self, index: usize) -> Grid {
        Grid { zero: self.zeros[index], step: self.steps[index] }
    }

    fn push(&mut self, row: &[f32], at: Place) {
        for (pair, x) in row.chunks_exact(2).enumerate() {
            let [even, odd] = [0, 1].map(|i| self.grid(at.first + (2 * pair + i) / at.per).codes(x[i]));
            self.upper.push(even.0 | odd.0 << 4);
            let lower = |code: i8| (code + 8).cast_unsigned();
            self.lower.push(lower(even.1) | lower(odd.1) << 4);
        }
    }

    fn fetch(&self, row: usize, coarse: bool, out: &mut [f32], at: Place) {
        let half = out.len() / 2;
        let (upper, lower) = (&self.upper[row * half..][..half], &self.lower[row * half..][..half]);
        for (pair, (out, (upper, lower))) in out.chunks_exact_mut(2).zip(upper.iter().zip(lower)).enumerate() {
            for (i, out) in out.iter_mut().enumerate() {
                let (grid, shift) = (self.grid(at.first + (2 * pair + i) / at.per), 4 * i);
                let (upper, lower) = (upper >> shift & 15, (lower >> shift & 15).cast_signed() - 8);
                *out = if coarse { grid.coarse(upper) } else { grid.fine(upper, lower) };
            }
        }
    }

    /// Upper and lower code of a number.
    #[must_use]
    pub fn codes(&self, row: usize, width: usize, channel: usize) -> (u8, i8) {
        let (at, shift) = (row * width / 2 + channel / 2, channel % 2 * 4);
        (self.upper[at] >> shift & 15, (self.lower[at] >> shift & 15).cast_signed() - 8)
    }

    /// Upper and lower codes as they are packed.
    #[must_use]
    pub fn packed(&self) -> [&[u8]; 2] {
        [&self.upper, &self.lower]
    }

    /// Grids, in storage order.
    pub fn grids(&self) -> impl ExactSizeIterator<Item = Grid> + '_ {
        (0..self.steps.len()).map(|index| self.grid(index))
    }

    fn to_read(&self, coarse: bool) -> PlaneCodes<'_> {
        let lower = (!coarse).then_some(&self.lower[..]);
        PlaneCodes { upper: &self.upper, lower, steps: &self.steps, zeros: &self.zeros }
    }
}

impl Planes {
    /// No rows yet, of `width` channels.
    ///
    /// # Errors
    /// [`Error::Param`] when groups are empty or do not divide a row.
    pub fn new(groups: PlaneGroups, width: usize) -> Result<Planes> {
        let refuse = |name: &str, got: u32, allowed: String| {
            Err(Error::Param { name: name.into(), got: got.to_string(), allowed })
        };
        if groups.tokens == 0 {
            return refuse("group_tokens", groups.tokens, "at least 1".into());
        }
        let groups = if groups.channels == 0 { PlaneGroups { channels: width as u32, ..groups } } else { groups };
        if !width.is_multiple_of(groups.channels as usize) || !width.is_multiple_of(2) {
            return refuse("group_channels", groups.channels, format!("divisors of the head's {width} channels"));
        }
        Ok(Planes { groups, rows: 0, width, k: Plane::default(), v: Plane::default() })
    }

    /// Quantises `groups.tokens` rows more, `[tokens, width]`.
    pub fn push(&mut self, k: &[f32], v: &[f32], store: Store) {
        let stored = |grid: Grid| if store == Store::F32 { grid } else { grid.rounded() };
        let (width, channels, tokens) = (self.width, self.groups.channels as usize, self.groups.tokens as usize);
        self.k.reserve(self.rows, tokens, width, |rows| rows.div_ceil(tokens) * width);
        self.v.reserve(self.rows, tokens, width, |rows| rows * (width / channels));
        let at = Place { first: self.k.steps.len(), per: 1 };
        self.k.add((0..width).map(|c| stored(Grid::of(k.iter().skip(c).step_by(width).copied()))));
        for (k, v) in k.chunks_exact(width).zip(v.chunks_exact(width)) {
            self.k.push(k, at);
            let at = Place { first: self.v.steps.len(), per: channels };
            self.v.add(v.chunks_exact(channels).map(|group| stored(Grid::of(group.iter().copied()))));
            self.v.push(v, at);
        }
        self.rows += tokens;
    }

    /// Keys of a row.
    pub fn key(&self, row: usize, coarse: bool, out: &mut [f32]) {
        let at = Place { first: row / self.groups.tokens as usize * self.width, per: 1 };
        self.k.fetch(row, coarse, out, at);
    }

    /// Values of a row.
    pub fn value(&self, row: usize, coarse: bool, out: &mut [f32]) {
        let channels = self.groups.channels as usize;
        self.v.fetch(row, coarse, out, Place { first: row * (self.width / channels), per: channels });
    }

    /// Channels of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Steps of a row's keys, one a channel.
    pub(super) fn key_steps(&self, row: usize) -> &[f32] {
        &self.k.steps[row / self.groups.tokens as usize * self.width..][..self.width]
    }

    /// Steps of a row's values, one a group of channels.
    pub(super) fn value_steps(&self, row: usize) -> &[f32] {
        let groups = self.width / self.groups.channels as usize;
        &self.v.steps[row * groups..][..groups]
    }

    /// The planes of keys and of values.
    #[must_use]
    pub fn parts(&self) -> [&Plane; 2] {
        [&self.k, &self.v]
    }

    /// The same, to read them back.
    pub(super) fn parts_mut(&mut self) -> [&mut Plane; 2] {
        [&mut self.k, &mut self.v]
    }

    /// Whether codes and grids are there for all rows, and no others.
    pub(super) fn is_whole(&self) -> bool {
        let (tokens, by_row) = (self.groups.tokens as usize, self.width / self.groups.channels as usize);
        let fits = |plane: &Plane, grids| {
            let codes = self.rows * self.width / 2;
            let [upper, lower] = plane.packed().map(<[u8]>::len);
            upper == codes && lower == codes && plane.steps.len() == grids && plane.zeros.len() == grids
        };
        let grids = self.rows / tokens * self.width;
        self.rows.is_multiple_of(tokens) && fits(&self.k, grids) && fits(&self.v, self.rows * by_row)
    }

    /// The rows as attention reads them: by their upper codes alone, or by both.
    #[must_use]
    pub fn to_read(&self, coarse: bool) -> PlaneRows<'_> {
        PlaneRows {
            k: self.k.to_read(coarse),
            v: self.v.to_read(coarse),
            rows: self.rows,
            tokens: self.groups.tokens as usize,
            channels: self.groups.channels as usize,
        }
    }

    /// Bytes of the upper codes and grids, and of the lower codes, a number of a grid taking `number` bytes.
    #[must_use]
    pub fn bytes(&self, number: usize) -> [u64; 2] {
        // By the rows, for those of a device are not here.
        let grids = self.rows / self.groups.tokens as usize * self.width
            + self.rows * (self.width / self.groups.channels as usize);
        let codes = self.rows * self.width;
        [(codes + 2 * number * grids) as u64, codes as u64]
    }

    /// [`bytes`](Planes::bytes) in all and [`allocated`](Planes::allocated) of `rows` rows of `width` channels, pushed
    /// group by group.
    #[must_use]
    pub fn footprint(groups: PlaneGroups, width: usize, rows: usize, number: usize) -> [u64; 2] {
        let tokens = groups.tokens.max(1) as usize;
        let channels = if groups.channels == 0 { width } else { groups.channels as usize };
        let (rows, by_row) = (rows / tokens * tokens, width / channels);
        let grids = |rows: usize, ahead: usize| {
            rows / tokens * width + ahead.div_ceil(tokens) * width + (rows + ahead) * by_row
        };
        let mut room = [0; 2];
        for there in (0..rows).step_by(tokens) {
            if there + tokens > room[0] {
                let more = ahead(there, tokens);
                room = [there + more, grids(there, more)];
            }
        }
        let bytes = 2 * rows * width + 2 * number * grids(rows, 0);
        [bytes as u64, (2 * room[0] * width + room[1] * size_of::<Grid>()) as u64]
    }

    /// Bytes reserved.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        let of = |plane: &Plane| {
            let grids = plane.steps.capacity() + plane.zeros.capacity();
            plane.upper.capacity() + plane.lower.capacity() + grids * size_of::<f32>()
        };
        (of(&self.k) + of(&self.v)) as u64
    }
}
