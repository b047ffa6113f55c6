//! What quantising cost: signal-to-noise ratio, and the largest error against its bound.

use super::Planes;

/// Numbers and what both planes say of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    signal: f64,
    error: f64,
    /// The largest error in sixteenths of its step: at most 1/2, or 1 where the lower code is cut off at 7; more by the
    /// rounding of a grid that is stored in f16.
    pub worst: f32,
}

impl Noise {
    fn add(&mut self, exact: f32, stored: f32, step: f32) {
        let error = stored - exact;
        self.signal += f64::from(exact).powi(2);
        self.error += f64::from(error).powi(2);
        if step > 0.0 {
            self.worst = self.worst.max(16.0 * error.abs() / step);
        }
    }

    /// Adds what was summed up elsewhere: squares of numbers, of errors, and the worst error.
    pub(super) fn join(&mut self, signal: f32, error: f32, worst: f32) {
        self.signal += f64::from(signal);
        self.error += f64::from(error);
        self.worst = self.worst.max(worst);
    }

    /// `10 log10` of the sum of squares over that of the errors; infinite without an error.
    #[must_use]
    pub fn decibels(&self) -> f32 {
        (10.0 * (self.signal / self.error).log10()) as f32
    }
}

impl Planes {
    /// Adds rows from `first` on to the noise of keys and of values; `exact` are their keys and values before,
    /// `[rows, width]`. `stored` is room for a row.
    pub fn compare(&self, first: usize, exact: [&[f32]; 2], noise: &mut [Noise; 2], stored: &mut Vec<f32>) {
        let width = self.width();
        stored.resize(width, 0.0);
        for (part, (exact, noise)) in exact.into_iter().zip(noise).enumerate() {
            for (exact, row) in exact.chunks_exact(width).zip(first..) {
                let steps = if part == 0 {
                    self.key(row, false, stored);
                    self.key_steps(row)
                } else {
                    self.value(row, false, stored);
                    self.value_steps(row)
                };
                let per = width / steps.len();
                for (c, (exact, stored)) in exact.iter().zip(&*stored).enumerate() {
                    noise.add(*exact, *stored, steps[c / per]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cache::Store, ops::PlaneGroups};

    #[test]
    fn noise_is_what_the_planes_differ_by() {
        let numbers = |f: f32| (0..8 * 6).map(|i| (f * (i * i) as f32).sin()).collect::<Vec<f32>>();
        let (k, v) = (numbers(0.7), numbers(1.3));
        let mut planes = Planes::new(PlaneGroups { tokens: 4, channels: 3 }, 6).unwrap();
        for half in [0..24, 24..48] {
            planes.push(&k[half.clone()], &v[half], Store::F32);
        }
        let mut noise = [Noise::default(); 2];
        planes.compare(4, [&k[24..], &v[24..]], &mut noise, &mut Vec::new());
        for noise in noise {
            // A range of at most 2 in 15 * 16 steps: an error of at most 2 / 240, of numbers of about 0.7.
            assert!((38.0..70.0).contains(&noise.decibels()), "{}", noise.decibels());
            assert!(noise.worst > 0.2 && noise.worst <= 1.0 + 1e-3, "{}", noise.worst);
        }
        // Values of other rows are another signal.
        let mut other = [Noise::default(); 2];
        planes.compare(0, [&k[24..], &v[24..]], &mut other, &mut Vec::new());
        assert!(other.iter().all(|noise| noise.decibels() < 10.0));
    }
}
