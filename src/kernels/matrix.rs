//! A weight matrix as the products read it: eight rows interleaved, in blocks of 32 columns.
//!
//! Interleaving puts eight rows into the lanes of one vector, so that a product needs no sum across lanes and a
//! block's eight scales are one load. Nothing is widened: a weight costs what it costs in the file.

use half::f16;

use crate::{Error, Result};

/// Columns that share one scale.
pub const BLOCK: usize = 32;
/// Rows interleaved into one group; the last group is padded with zero rows.
pub(crate) const LANES: usize = 8;

/// How a weight is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 16-bit float.
    Half,
    /// 32-bit float, for exact comparisons.
    Single,
    /// `scale * q`, q in -128..=127; 34 bytes per 32 weights.
    Q8,
    /// `scale * q + min`, q in 0..=15; 20 bytes per 32 weights.
    Q4,
}

/// Eight f16 (as bits), one per row of a group.
pub(crate) type Eight = [u16; LANES];
/// Sixteen 16-bit words: of row r of the group words 2r and 2r + 1.
pub(crate) type Words = [u16; 2 * LANES];

/// The weights, all vectors `[groups, blocks]`.
pub(crate) enum Store {
    /// Column by column.
    Half(Vec<[Eight; BLOCK]>),
    /// Column by column.
    Single(Vec<[[f32; LANES]; BLOCK]>),
    /// Word 2r + e of step s holds columns 4s + e (low byte) and 4s + 2 + e.
    Q8 { scale: Vec<Eight>, words: Vec<[Words; 8]> },
    /// Word 2r + e of step s holds columns 8s + e, 8s + 2 + e, 8s + 4 + e and 8s + 6 + e, low nibble first.
    /// `affine` is eight scales, then eight minima.
    Q4 { affine: Vec<Words>, words: Vec<[Words; 4]> },
}

/// Weights `[rows, cols]`.
pub struct Matrix {
    rows: usize,
    cols: usize,
    pub(crate) store: Store,
}

impl Matrix {
    /// All zero.
    ///
    /// # Errors
    /// As [`announced`](Matrix::announced), and [`Error::Memory`] if the memory cannot be had.
    pub fn new(layout: Layout, rows: usize, cols: usize) -> Result<Matrix> {
        let mut matrix = Matrix::announced(layout, rows, cols)?;
        matrix.reserve(rows)?;
        Ok(matrix)
    }

    /// A matrix without memory yet; [`reserve`](Matrix::reserve) rows before they are set or read. For a shape that a
    /// file announces and may not fill.
    ///
    /// # Errors
    /// [`Error::Shape`] if a quantised layout gets columns that are no multiple of 32, [`Error::Memory`] if the size
    /// cannot be counted.
    pub fn announced(layout: Layout, rows: usize, cols: usize) -> Result<Matrix> {
        if !matches!(layout, Layout::Half | Layout::Single) && !cols.is_multiple_of(BLOCK) {
            return Err(Error::Shape {
                op: "quantised matrix",
                want: format!("columns in multiples of {BLOCK}"),
                got: format!("{cols} columns"),
            });
        }
        rows.div_ceil(LANES).checked_mul(cols.div_ceil(BLOCK)).ok_or_else(|| out_of_memory(usize::MAX))?;
        let store = match layout {
            Layout::Half => Store::Half(Vec::new()),
            Layout::Single => Store::Single(Vec::new()),
            Layout::Q8 => Store::Q8 { scale: Vec::new(), words: Vec::new() },
            Layout::Q4 => Store::Q4 { affine: Vec::new(), words: Vec::new() },
        };
        Ok(Matrix { rows, cols, store })
    }

    /// Makes memory for the first `rows` rows, the new ones zero; never gives any back. Called row by row it grows by
    /// doubling, up to what the whole matrix takes.
    ///
    /// # Errors
    /// [`Error::Memory`] if it cannot be had.
    pub fn reserve(&mut self, rows: usize) -> Result<()> {
        let (want, whole) = (rows.min(self.rows).div_ceil(LANES) * self.blocks(), self.groups() * self.blocks());
        match &mut self.store {
            Store::Half(columns) => grow(columns, want, whole, [[0; LANES]; BLOCK]),
            Store::Single(columns) => grow(columns, want, whole, [[0.0; LANES]; BLOCK]),
            Store::Q8 { scale, words } => {
                grow(scale, want, whole, [0; LANES])?;
                grow(words, want, whole, [[0; 2 * LANES]; 8])
            }
            Store::Q4 { affine, words } => {
                grow(affine, want, whole, [0; 2 * LANES])?;
                grow(words, want, whole, [[0; 2 * LANES]; 4])
            }
        }
    }

    /// Output width.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input width.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How the weights are stored.
    #[must_use]
    pub fn layout(&self) -> Layout {
        match self.store {
            Store::Half(_) => Layout::Half,
            Store::Single(_) => Layout::Single,
            Store::Q8 { .. } => Layout::Q8,
            Store::Q4 { .. } => Layout::Q4,
        }
    }

    /// Bytes of the weights, padding included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::Half(columns) => size_of_val(&columns[..]),
            Store::Single(columns) => size_of_val(&columns[..]),
            Store::Q8 { scale, words } => size_of_val(&scale[..]) + size_of_val(&words[..]),
            Store::Q4 { affine, words } => size_of_val(&affine[..]) + size_of_val(&words[..]),
        }
    }

    /// PlaneGroups of eight rows.
    pub(crate) fn groups(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// Blocks of 32 columns.
    pub(crate) fn blocks(&self) -> usize {
        self.cols.div_ceil(BLOCK)
    }

    /// Sets row `row` of a [`Layout::Half`] matrix; `values` `[cols]` are rounded to f16.
    pub fn set_half(&mut self, row: usize, values: &[f32]) {
        debug_assert!(row < self.rows && values.len() == self.cols, "row {row}, {} values", values.len());
        let first = row / LANES * self.blocks();
        if let Store::Half(columns) = &mut self.store {
            for (block, values) in columns[first..].iter_mut().zip(values.chunks(BLOCK)) {
                for (column, value) in block.iter_mut().zip(values) {
                    column[row % LANES] = f16::from_f32(*value).to_bits();
                }
            }
        } else {
            debug_assert!(false, "set_half on a {:?} matrix", self.layout());
        }
    }

    /// Sets row `row` of a [`Layout::Single`] matrix to `values` `[cols]`.
    pub fn set_single(&mut self, row: usize, values: &[f32]) {
        debug_assert!(row < self.rows && values.len() == self.cols, "row {row}, {} values", values.len());
        let first = row / LANES * self.blocks();
        if let Store::Single(columns) = &mut self.store {
            for (block, values) in columns[first..].iter_mut().zip(values.chunks(BLOCK)) {
                for (column, value) in block.iter_mut().zip(values) {
                    column[row % LANES] = *value;
                }
            }
        } else {
            debug_assert!(false, "set_single on a {:?} matrix", self.layout());
        }
    }

    /// Sets columns `32 * block..` of row `row` of a [`Layout::Q8`] matrix to `scale * q`.
    pub fn set_q8(&mut self, row: usize, block: usize, scale: f16, q: &[i8; BLOCK]) {
        debug_assert!(row < self.rows && block < self.blocks(), "row {row}, block {block}");
        let (at, lane) = (row / LANES * self.blocks() + block, row % LANES);
        if let Store::Q8 { scale: scales, words } = &mut self.store {
            scales[at][lane] = scale.to_bits();
            for (step, q) in words[at].iter_mut().zip(q.as_chunks::<4>().0) {
                for odd in 0..2 {
                    step[2 * lane + odd] = u16::from_le_bytes([q[odd].cast_unsigned(), q[2 + odd].cast_unsigned()]);
                }
            }
        } else {
            debug_assert!(false, "set_q8 on a {:?} matrix", self.layout());
        }
    }

    /// Sets columns `32 * block..` of row `row` of a [`Layout::Q4`] matrix to `scale * q + min`, q in 0..=15 in
    /// column order.
    pub fn set_q4(&mut self, row: usize, block: usize, scale: f16, min: f16, q: &[u8; BLOCK]) {
        debug_assert!(row < self.rows && block < self.blocks(), "row {row}, block {block}");
        let (at, lane) = (row / LANES * self.blocks() + block, row % LANES);
        if let Store::Q4 { affine, words } = &mut self.store {
            affine[at][lane] = scale.to_bits();
            affine[at][LANES + lane] = min.to_bits();
            for (step, q) in words[at].iter_mut().zip(q.as_chunks::<8>().0) {
                for odd in 0..2 {
                    let nibble = |j: usize| u16::from(q[2 * j + odd] & 15) << (4 * j);
                    step[2 * lane + odd] = nibble(0) | nibble(1) | nibble(2) | nibble(3);
                }
            }
        } else {
            debug_assert!(false, "set_q4 on a {:?} matrix", self.layout());
        }
    }

    /// Row `row` as f32 into `out` `[cols]`: the embedding lookup.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        debug_assert!(row < self.rows && out.len() == self.cols, "row {row}, out {}", out.len());
        let (first, lane) = (row / LANES * self.blocks(), row % LANES);
        let float = |bits: u16| f16::from_bits(bits).to_f32();
        for (at, out) in (first..).zip(out.chunks_mut(BLOCK)) {
            match &self.store {
                Store::Half(columns) => {
                    for (value, column) in out.iter_mut().zip(&columns[at]) {
                        *value = float(column[lane]);
                    }
                }
                Store::Single(columns) => {
                    for (value, column) in out.iter_mut().zip(&columns[at]) {
                        *value = column[lane];
                    }
                }
                Store::Q8 { scale, words } => {
                    let scale = float(scale[at][lane]);
                    for (c, value) in out.iter_mut().enumerate() {
                        let [low, high] = words[at][c / 4][2 * lane + c % 2].to_le_bytes();
                        let q = if c % 4 < 2 { low } else { high };
                        *value = scale * f32::from(q.cast_signed());
                    }
                }
                Store::Q4 { affine, words } => {
                    let (scale, min) = (float(affine[at][lane]), float(affine[at][LANES + lane]));
                    for (c, value) in out.iter_mut().enumerate() {
                        let q = words[at][c / 8][2 * lane + c % 2] >> (c % 8 / 2 * 4) & 15;
                        *value = scale * f32::from(q) + min;
                    }
                }
            }
        }
    }
}

fn grow<T: Copy>(values: &mut Vec<T>, want: usize, whole: usize, zero: T) -> Result<()> {
    if want <= values.len() {
        return Ok(());
    }
    if want > values.capacity() {
        let capacity = want.max(2 * values.len()).min(whole);
        values
            .try_reserve_exact(capacity - values.len())
            .map_err(|_| out_of_memory(capacity.saturating_mul(size_of::<T>())))?;
    }
    values.resize(want, zero);
    Ok(())
}

fn out_of_memory(bytes: usize) -> Error {
    Error::Memory { what: "weights", bytes: bytes as u64 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A small deterministic generator: kernels' tests need many numbers, not good ones.
    pub(crate) struct Random(pub u64);

    impl Random {
        pub(crate) fn bits(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as u32
        }

        /// Even over -1..1.
        pub(crate) fn float(&mut self) -> f32 {
            self.bits() as f32 / (1u32 << 30) as f32 - 1.0
        }

        pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
            (0..len).map(|_| self.float()).collect()
        }
    }

    /// A random matrix and, made from the same numbers without the packing, its rows `[rows, cols]`.
    pub(crate) fn sample(layout: Layout, rows: usize, cols: usize, random: &mut Random) -> (Matrix, Vec<f32>) {
        let mut matrix = Matrix::new(layout, rows, cols).unwrap();
        let mut plain = Vec::new();
        for row in 0..rows {
            if layout == Layout::Half {
                let values = random.floats(cols);
                matrix.set_half(row, &values);
                plain.extend(values.iter().map(|v| f16::from_f32(*v).to_f32()));
                continue;
            }
            if layout == Layout::Single {
                let values = random.floats(cols);
                matrix.set_single(row, &values);
                plain.extend(values);
                continue;
            }
            for block in 0..cols / BLOCK {
                let scale = f16::from_f32(random.float().abs() / 16.0);
                let min = f16::from_f32(random.float());
                let q: [u8; BLOCK] = std::array::from_fn(|_| random.bits() as u8);
                if layout == Layout::Q8 {
                    matrix.set_q8(row, block, scale, &q.map(u8::cast_signed));
                    plain.extend(q.iter().map(|q| scale.to_f32() * f32::from(q.cast_signed())));
                } else {
                    let q = q.map(|q| q & 15);
                    matrix.set_q4(row, block, scale, min, &q);
                    plain.extend(q.iter().map(|q| scale.to_f32() * f32::from(*q) + min.to_f32()));
                }
            }
        }
        (matrix, plain)
    }

    #[test]
    fn rows_come_back_as_they_were_set() {
        let mut random = Random(1);
        for (layout, rows, cols) in [
            (Layout::Half, 9, 33),
            (Layout::Half, 1, 1),
            (Layout::Single, 11, 40),
            (Layout::Q8, 17, 64),
            (Layout::Q4, 11, 96),
            (Layout::Q4, 8, 32),
        ] {
            let (matrix, plain) = sample(layout, rows, cols, &mut random);
            assert_eq!((matrix.rows(), matrix.cols(), matrix.layout()), (rows, cols, layout));
            let mut out = vec![0.0; cols];
            for (row, want) in plain.chunks(cols).enumerate() {
                matrix.row(row, &mut out);
                assert_eq!(out, want, "{layout:?} row {row}");
            }
        }
    }

    #[test]
    fn a_weight_costs_what_it_costs_in_the_file() {
        for (layout, per_block) in [(Layout::Half, 64), (Layout::Single, 128), (Layout::Q8, 34), (Layout::Q4, 20)] {
            assert_eq!(Matrix::new(layout, 16, 64).unwrap().bytes(), 16 * 2 * per_block, "{layout:?}");
        }
    }

    #[test]
    fn an_announced_matrix_grows_to_the_same() {
        let mut matrix = Matrix::announced(Layout::Half, 27, 40).unwrap();
        assert_eq!(matrix.bytes(), 0);
        let (mut values, mut out) = (vec![0.0; 40], vec![0.0; 40]);
        for row in 0..27 {
            matrix.reserve(row + 1).unwrap();
            values.fill(row as f32);
            matrix.set_half(row, &values);
        }
        assert_eq!(matrix.bytes(), Matrix::new(Layout::Half, 27, 40).unwrap().bytes());
        for row in 0..27 {
            matrix.row(row, &mut out);
            assert_eq!(out, [row as f32; 40]);
        }
    }

    #[test]
    fn wrong_shapes_are_errors() {
        assert!(matches!(Matrix::new(Layout::Q4, 8, 33), Err(Error::Shape { .. })));
        assert!(matches!(Matrix::new(Layout::Q8, usize::MAX / 64, 1 << 20), Err(Error::Memory { .. })));
        assert!(matches!(Matrix::new(Layout::Half, 1 << 30, 1 << 30), Err(Error::Memory { .. })));
    }
}
