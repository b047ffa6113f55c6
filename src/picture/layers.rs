//! The few layers of the projector, in the plainest form: a picture takes six million multiply-adds, once a prompt. None is
//! inlined: a copy for every place where it is used would be downloaded by everybody.

/// What a row is divided by is never below it.
const EPS: f32 = 1e-5;

/// A convolution, `[channels out, channels in, side, side]` and a bias each.
#[derive(Debug)]
pub(super) struct Conv {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub side: usize,
    pub pad: usize,
}

/// All of the projector's skip every second place.
pub(super) const STRIDE: usize = 2;

impl Conv {
    /// `[channels, size, size]` to half that size, rounded up.
    #[inline(never)]
    pub fn run(&self, input: &[f32], size: usize) -> Vec<f32> {
        let (side, out) = (self.side, size.div_ceil(STRIDE));
        let channels = input.len() / (size * size);
        let kernels = self.weight.chunks_exact(channels * side * side);
        let mut result = Vec::with_capacity(self.bias.len() * out * out);
        for (kernel, bias) in kernels.zip(&self.bias) {
            for place in 0..out * out {
                let (top, left) = (place / out * STRIDE, place % out * STRIDE);
                let mut sum = *bias;
                for (at, weight) in kernel.iter().enumerate() {
                    let (channel, y, x) = (at / (side * side), top + at / side % side, left + at % side);
                    // Beyond the edges there is nothing.
                    if (self.pad..size + self.pad).contains(&y) && (self.pad..size + self.pad).contains(&x) {
                        sum += weight * input[(channel * size + y - self.pad) * size + x - self.pad];
                    }
                }
                result.push(sum);
            }
        }
        result
    }
}

/// A matrix `[out, in]` and a bias.
#[derive(Debug)]
pub(super) struct Linear {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Linear {
    /// Each row of `input`, `[rows, in]`, to one of `[rows, out]`.
    #[inline(never)]
    pub fn run(&self, input: &[f32]) -> Vec<f32> {
        let width = self.weight.len() / self.bias.len();
        let of_row = |row| {
            let weights = self.weight.chunks_exact(width).zip(&self.bias);
            weights.map(move |(weight, bias)| bias + dot(weight, row))
        };
        input.chunks_exact(width).flat_map(of_row).collect()
    }
}

/// Scale and shift of rows that were centred and scaled to variance 1.
#[derive(Debug)]
pub(super) struct Norm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Norm {
    #[inline(never)]
    pub fn run(&self, input: &[f32]) -> Vec<f32> {
        let width = self.weight.len();
        let of_row = |row: &[f32]| {
            let mean = row.iter().sum::<f32>() / width as f32;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / width as f32;
            let scale = 1.0 / (variance + EPS).sqrt();
            let numbers = row.iter().zip(&self.weight).zip(&self.bias);
            numbers.map(|((x, weight), bias)| (x - mean) * scale * weight + bias).collect::<Vec<_>>()
        };
        input.chunks_exact(width).flat_map(of_row).collect()
    }
}

/// GELU by the error function, in place.
#[inline(never)]
pub(super) fn gelu(mut values: Vec<f32>) -> Vec<f32> {
    values.iter_mut().for_each(|x| *x *= 0.5 * (1.0 + libm::erff(*x * std::f32::consts::FRAC_1_SQRT_2)));
    values
}

/// `[rows, columns]` to `[columns, rows]`.
#[inline(never)]
pub(super) fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    (0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect()
}

pub(super) fn add(values: &mut [f32], more: &[f32]) {
    values.iter_mut().zip(more).for_each(|(value, more)| *value += more);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_sees_nothing_beyond_the_edge() {
        // One channel, 2 x 2, and a kernel of ones: the only place sums all four.
        let conv = Conv { weight: vec![1.0; 9], bias: vec![0.5], side: 3, pad: 1 };
        assert_eq!(conv.run(&[1.0, 2.0, 3.0, 4.0], 2), [10.5]);
    }

    #[test]
    fn matrices_turn_rows_and_norms_centre_them() {
        let linear = Linear { weight: vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0], bias: vec![0.0, 0.0, 1.0] };
        assert_eq!(linear.run(&[2.0, 3.0]), [2.0, 3.0, 6.0]);
        let norm = Norm { weight: vec![1.0; 2], bias: vec![0.0; 2] };
        let normed = norm.run(&[1.0, 3.0]);
        assert!((normed[0] + 1.0).abs() < 1e-4 && (normed[1] - 1.0).abs() < 1e-4, "{normed:?}");
        assert_eq!(transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn gelu_is_the_exact_one() {
        let values = gelu(vec![-1.0, 0.0, 1.0]);
        for (got, want) in values.iter().zip([-0.158_655_25, 0.0, 0.841_344_8]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }
}
