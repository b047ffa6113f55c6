//! What was drawn, brought to the size and place of the drawings that the projector was trained on.

use crate::{Error, Result};
use std::ops::Range;

/// Points on a side.
pub const SIDE: usize = 28;
/// The longer side of what was drawn.
const DRAWN: usize = 20;
/// What is lighter is no ink.
const FAINT: f64 = 0.1;
/// Most points of a picture: 2048 x 2048.
pub const MOST_PIXELS: u64 = 1 << 22;

/// Ink from 0 to 1, `[SIDE, SIDE]`: cut out of its picture, 20 points long, its centre of mass in the middle.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing(Vec<f32>);

/// A rectangle of ink, row by row.
struct Ink {
    values: Vec<f64>,
    width: usize,
}

impl Drawing {
    /// Of `width` x `height` points with red, green, blue and alpha, 0 to 255; what is clear is white.
    ///
    /// # Errors
    /// As [`from_grey`](Drawing::from_grey).
    pub fn from_rgba(pixels: &[u8], width: u32, height: u32) -> Result<Drawing> {
        check(pixels.len(), 4, width, height)?;
        let grey = |&[red, green, blue, alpha]: &[u8; 4]| {
            let light = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
            let alpha = f32::from(alpha) / 255.0;
            (alpha * light + 255.0 * (1.0 - alpha)).round() as u8
        };
        let grey: Vec<u8> = pixels.as_chunks().0.iter().map(grey).collect();
        Drawing::from_grey(&grey, width, height)
    }

    /// Of `width` x `height` shades, 0 to 255. What most of the edge has is paper, be it light or dark.
    ///
    /// # Errors
    /// [`Error::Picture`] for a size of 0 or beyond [`MOST_PIXELS`], another number of shades, and paper without ink.
    #[inline(never)]
    pub fn from_grey(shades: &[u8], width: u32, height: u32) -> Result<Drawing> {
        check(shades.len(), 1, width, height)?;
        let width = width as usize;
        let paper = paper(shades, width);
        let most = paper.max(255 - paper);
        let values = shades.iter().map(|&shade| f64::from(shade.abs_diff(paper)) / f64::from(most)).collect();
        Drawing::of(&Ink { values, width })
    }

    /// Of `width` x `height` points of ink, 0 to 255, on paper that is 0, also where most of the edge is drawn upon.
    ///
    /// # Errors
    /// As [`from_grey`](Drawing::from_grey).
    pub fn from_ink(ink: &[u8], width: u32, height: u32) -> Result<Drawing> {
        check(ink.len(), 1, width, height)?;
        let values = ink.iter().map(|&ink| f64::from(ink) / 255.0).collect();
        Drawing::of(&Ink { values, width: width as usize })
    }

    fn of(ink: &Ink) -> Result<Drawing> {
        let empty = || Error::Picture("there is nothing on it; draw something first".to_owned());
        let drawn = ink.cut_out().ok_or_else(empty)?;
        Ok(Drawing(drawn.shrunk().centred()))
    }

    /// `[SIDE, SIDE]`, row by row.
    #[must_use]
    pub fn ink(&self) -> &[f32] {
        &self.0
    }
}

fn check(bytes: usize, of_each: u64, width: u32, height: u32) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if !(1..=MOST_PIXELS).contains(&pixels) {
        return Err(Error::Picture(format!("it is {width} x {height}; allowed: 1 to {MOST_PIXELS} points in all")));
    }
    if bytes as u64 != pixels * of_each {
        let want = pixels * of_each;
        return Err(Error::Picture(format!("{width} x {height} points are {want} bytes, not {bytes}")));
    }
    Ok(())
}

/// The shade in the middle of those along the edge.
fn paper(shades: &[u8], width: usize) -> u8 {
    let mut count = [0_u32; 256];
    let mut see = |shade: u8| count[usize::from(shade)] += 1;
    for row in shades.chunks_exact(width) {
        see(row[0]);
        see(row[width - 1]);
    }
    shades[..width].iter().chain(&shades[shades.len() - width..]).for_each(|shade| see(*shade));
    let half = count.iter().sum::<u32>() / 2;
    let mut seen = 0;
    let reaches = |n: &u32| {
        seen += n;
        seen > half
    };
    count.iter().position(reaches).unwrap_or(0) as u8
}

impl Ink {
    fn height(&self) -> usize {
        self.values.len() / self.width
    }

    /// The least rectangle that has all that is not faint; `None` where all is.
    fn cut_out(&self) -> Option<Ink> {
        let drawn = || (0..self.values.len()).filter(|&at| self.values[at] > FAINT);
        let (rows, columns) = (span(drawn().map(|at| at / self.width))?, span(drawn().map(|at| at % self.width))?);
        let width = columns.len();
        let values = rows.flat_map(|y| &self.values[y * self.width..][columns.clone()]).copied().collect();
        Some(Ink { values, width })
    }

    /// With a longer side of [`DRAWN`].
    fn shrunk(&self) -> Ink {
        let (width, height) = (self.width, self.height());
        let longer = width.max(height);
        // Halves up.
        let short = |side: usize| ((2 * DRAWN * side + longer) / (2 * longer)).max(1);
        let (to_width, to_height) = (short(width), short(height));
        let (across, down) = (shares(width, to_width), shares(height, to_height));
        let mut rows = Vec::with_capacity(height * to_width);
        for row in self.values.chunks_exact(width) {
            rows.extend(across.iter().map(|(first, shares)| sum(shares, |i| row[first + i])));
        }
        let mut values = Vec::with_capacity(to_width * to_height);
        for (first, shares) in &down {
            values.extend((0..to_width).map(|x| sum(shares, |i| rows[(first + i) * to_width + x]).clamp(0.0, 1.0)));
        }
        Ink { values, width: to_width }
    }

    /// In a square of [`SIDE`], with its centre of mass in the middle as far as there is room.
    fn centred(&self) -> Vec<f32> {
        let (width, height) = (self.width, self.height());
        let mass: f64 = self.values.iter().sum();
        let centre = |of: fn(usize, usize) -> usize| {
            let moment = self.values.iter().enumerate().map(|(at, ink)| ink * (of(at, width) as f64 + 0.5));
            moment.sum::<f64>() / mass
        };
        // What is as long on both sides of its centre may lie between two places; rounding is not to choose.
        let begin = |centre: f64, long: usize| {
            ((SIDE / 2) as f64 - centre + 0.5 + 1e-6).floor().clamp(0.0, (SIDE - long) as f64) as usize
        };
        let left = begin(centre(|at, width| at % width), width);
        let top = begin(centre(|at, width| at / width), height);
        let mut square = vec![0.0; SIDE * SIDE];
        for (row, y) in self.values.chunks_exact(width).zip(top..) {
            square[y * SIDE + left..].iter_mut().zip(row).for_each(|(point, ink)| *point = *ink as f32);
        }
        square
    }
}

/// From the least to the greatest.
fn span(places: impl Iterator<Item = usize> + Clone) -> Option<Range<usize>> {
    Some(places.clone().min()?..places.max()? + 1)
}

/// For each of `to` points the first of `from` that it is made of, and the share of each from there on: a triangle as wide
/// as two points of whichever are wider, so that shrinking averages and growing interpolates.
fn shares(from: usize, to: usize) -> Vec<(usize, Vec<f64>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let of_point = |point: usize| {
        let centre = (point as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let near = |at: usize| (1.0 - ((at as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let shares: Vec<f64> = (first..end).map(near).collect();
        let all: f64 = shares.iter().sum();
        (first, shares.iter().map(|share| share / all).collect())
    };
    (0..to).map(of_point).collect()
}

fn sum(shares: &[f64], value: impl Fn(usize) -> f64) -> f64 {
    shares.iter().enumerate().map(|(i, share)| share * value(i)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bar, 4 wide and 10 high, somewhere on paper.
    fn bar(paper: u8, ink: u8, left: usize, top: usize) -> Vec<u8> {
        let is_ink = |at: usize| (left..left + 4).contains(&(at % 30)) && (top..top + 10).contains(&(at / 30));
        (0..30 * 40).map(|at| if is_ink(at) { ink } else { paper }).collect()
    }

    #[test]
    fn neither_place_nor_colour_matters() {
        let one = Drawing::from_grey(&bar(255, 0, 3, 2), 30, 40).unwrap();
        assert_eq!(one, Drawing::from_grey(&bar(0, 255, 20, 28), 30, 40).unwrap());
        // 20 high and 8 wide, in the middle.
        let ink = |y: usize, x: usize| one.ink()[y * SIDE + x];
        assert_eq!((ink(4, 10), ink(23, 17), ink(3, 10), ink(4, 9)), (1.0, 1.0, 0.0, 0.0));
        assert_eq!(one.ink().iter().sum::<f32>(), 160.0);
    }

    #[test]
    fn colours_and_clear_paper_are_shades() {
        let rgba: Vec<u8> = bar(0, 255, 9, 9).iter().flat_map(|&alpha| [20, 20, 20, alpha]).collect();
        let clear = Drawing::from_rgba(&rgba, 30, 40).unwrap();
        let dark = Drawing::from_grey(&bar(255, 20, 9, 9), 30, 40).unwrap();
        assert_eq!(clear, dark);
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        let refused = |drawing: Result<Drawing>| drawing.unwrap_err().to_string();
        assert!(refused(Drawing::from_grey(&[7; 6], 3, 2)).contains("nothing on it"));
        assert!(refused(Drawing::from_grey(&[], 0, 2)).contains("allowed: 1 to"));
        assert!(refused(Drawing::from_grey(&[], 1 << 16, 1 << 16)).contains("allowed: 1 to"));
        assert!(refused(Drawing::from_rgba(&[0; 5], 1, 1)).contains("are 4 bytes, not 5"));
    }

    #[test]
    fn a_point_and_a_line_are_drawings() {
        for (width, height) in [(1, 1), (1, 50), (50, 1), (2, 2)] {
            let mut shades = vec![255; width * height + 4 * (width + height) + 16];
            // A frame of paper two points wide.
            let wide = width + 4;
            shades.resize(wide * (height + 4), 255);
            (0..height).for_each(|y| (0..width).for_each(|x| shades[(y + 2) * wide + x + 2] = 0));
            let drawing = Drawing::from_grey(&shades, wide as u32, height as u32 + 4).unwrap();
            assert!(drawing.ink().iter().all(|ink| (0.0..=1.0).contains(ink)));
            assert!(drawing.ink().iter().sum::<f32>() >= 19.0);
        }
    }
}
