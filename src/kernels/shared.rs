//! Products that sessions side by side have in common: while methods read all of one prompt, their rows are the same
//! numbers, and one of them computes for all. What is taken is what would have been computed, bit for bit.

use super::activations::FEW_ROWS;
use super::{Activations, GemmScratch, Matrix, Precision, matmul, matrix::BLOCK};
use std::{cell::RefCell, collections::VecDeque, ptr, rc::Rc};

/// Inputs whose products are kept, for each session: those of the piece of a layer that it is ahead of the last one.
const EACH: usize = 4;
/// And of all sessions, some megabytes each at most.
const MOST: usize = 32;

/// The newest products of the sessions of one model on one thread. One clone is its owner's, each further one a
/// session's; with a single session nothing is kept.
#[derive(Clone, Debug, Default)]
pub struct SharedProducts(Rc<RefCell<VecDeque<Made>>>);

/// Rows, and what was made of them.
#[derive(Debug)]
struct Made {
    precision: Precision,
    cols: usize,
    input: Vec<[f32; BLOCK]>,
    products: Vec<Product>,
}

#[derive(Debug)]
struct Product {
    of: *const Matrix,
    numbers: Vec<f32>,
    /// Sessions that have it.
    had: usize,
}

impl Made {
    fn is_of(&self, x: &Activations) -> bool {
        let same = |(a, b): (&[f32; BLOCK], &[f32; BLOCK])| a.map(f32::to_bits) == b.map(f32::to_bits);
        (self.precision, self.cols, self.input.len()) == (x.precision(), x.cols(), x.values().len())
            && self.input.iter().zip(x.values()).all(same)
    }
}

impl SharedProducts {
    /// As [`matmul`](matmul()), or what another session has just made of the same rows. `w` outlives all sessions.
    pub fn matmul(&self, w: &Matrix, x: &Activations, out: &mut [f32], scratch: &mut GemmScratch) {
        // What is read token by token differs as soon as methods do.
        let sessions = Rc::strong_count(&self.0) - 1;
        if x.rows() <= FEW_ROWS || sessions < 2 {
            return matmul(w, x, out, scratch);
        }
        let mut all = self.0.borrow_mut();
        let place = all.iter().rposition(|made| made.is_of(x)).unwrap_or_else(|| {
            if all.len() >= MOST.min(EACH * sessions) {
                all.pop_front();
            }
            let (precision, cols, input) = (x.precision(), x.cols(), x.values().to_vec());
            all.push_back(Made { precision, cols, input, products: Vec::new() });
            all.len() - 1
        });
        let products = &mut all[place].products;
        match products.iter_mut().find(|product| ptr::eq(product.of, w)) {
            Some(product) => {
                out.copy_from_slice(&product.numbers);
                product.had += 1;
            }
            None => {
                matmul(w, x, out, scratch);
                products.push(Product { of: w, numbers: out.to_vec(), had: 1 });
            }
        }
        // Nobody will ask again: when a prompt has been read its products are gone.
        if products.iter().all(|product| product.had >= sessions) {
            all.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Layout,
        matrix::tests::{Random, sample},
    };
    use super::*;

    #[test]
    fn a_product_is_made_once_for_all_who_have_the_same_rows() {
        let mut random = Random(7);
        let (rows, cols, n) = (33, 96, FEW_ROWS + 1);
        let (w, _) = sample(Layout::Q8, rows, cols, &mut random);
        let (other, _) = sample(Layout::Q8, rows, cols, &mut random);
        let values = random.floats(n * cols);
        let product = |by: &dyn Fn(&Matrix, &Activations, &mut [f32]), w: &Matrix, values: &[f32]| {
            let (mut x, mut out) = (Activations::new(Precision::Exact), vec![f32::NAN; n * rows]);
            x.load(values, n, cols);
            by(w, &x, &mut out);
            out
        };
        let owner = SharedProducts::default();
        let [one, two] = [owner.clone(), owner.clone()];
        let alone = |w: &Matrix, x: &Activations, out: &mut [f32]| matmul(w, x, out, &mut GemmScratch::default());
        let shared = |w: &Matrix, x: &Activations, out: &mut [f32]| one.matmul(w, x, out, &mut GemmScratch::default());
        for w in [&w, &other] {
            assert_eq!(product(&shared, w, &values), product(&alone, w, &values));
        }
        // Whoever comes second takes what is there, even if somebody has changed it.
        owner.0.borrow_mut()[0].products[0].numbers.fill(5.0);
        let taken = |w: &Matrix, x: &Activations, out: &mut [f32]| two.matmul(w, x, out, &mut GemmScratch::default());
        assert!(product(&taken, &w, &values).iter().all(|x| *x == 5.0));
        assert_eq!(owner.0.borrow().len(), 1, "the other product is still to be asked for");
        assert_eq!(product(&taken, &other, &values), product(&alone, &other, &values));
        assert!(owner.0.borrow().is_empty(), "both have both");
        let mut near = values.clone();
        near[n * cols - 1] += 1.0;
        assert_eq!(product(&taken, &w, &near), product(&alone, &w, &near));
        for i in 0..4 * EACH {
            near[0] = i as f32;
            product(&taken, &w, &near);
        }
        assert_eq!(owner.0.borrow().len(), 2 * EACH);
    }

    #[test]
    fn with_one_session_nothing_is_kept() {
        let mut random = Random(8);
        let (w, _) = sample(Layout::Q4, 32, 64, &mut random);
        let owner = SharedProducts::default();
        let session = owner.clone();
        let (mut x, mut out) = (Activations::default(), vec![0.0; 32 * 12]);
        x.load(&random.floats(64 * 12), 12, 64);
        session.matmul(&w, &x, &mut out, &mut GemmScratch::default());
        assert!(owner.0.borrow().is_empty() && out.iter().any(|x| *x != 0.0));
    }
}
