//! Rows rounded at their read: every key and value on a grid of its own between its least and largest number.

/// Rounds each row of `rows` `[rows, width]` to the nearest of `2^bits` even steps; equal numbers stay as they are.
pub(super) fn round_rows(rows: &mut [f32], width: usize, bits: u8) {
    let most = ((1u32 << bits) - 1) as f32;
    for row in rows.chunks_exact_mut(width) {
        let ends = (f32::INFINITY, f32::NEG_INFINITY);
        let (least, largest) = row.iter().fold(ends, |(least, most), &x| (least.min(x), most.max(x)));
        let step = (largest - least) / most;
        if step > 0.0 {
            for x in row {
                *x = ((*x - least) / step).clamp(0.0, most).round_ties_even() * step + least;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_rounded_each_on_its_own() {
        let mut rows = [0.0, 1.0, 2.2, 15.0, 3.0, 3.0, 3.0, 3.0, -1.0, -0.2, 0.4, 2.0];
        round_rows(&mut rows, 4, 4);
        assert_eq!(rows[..8], [0.0, 1.0, 2.0, 15.0, 3.0, 3.0, 3.0, 3.0]);
        let mut one_bit = [-1.0, -0.2, 0.6, 2.0];
        round_rows(&mut one_bit, 4, 1);
        assert_eq!(one_bit, [-1.0, -1.0, 2.0, 2.0]);
    }
}
