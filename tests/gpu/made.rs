//! Random queries, keys and values, on both sides.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Buffer, Device, Heads, Lists, Rows, Stored},
    cache::Store,
    kernels::{AttendScratch, Keys, Queries, encode},
};

use super::{difference, floats};

/// One layer.
pub struct Made {
    pub heads: Heads,
    /// Rows of the pass.
    pub rows: usize,
    /// `[rows, query heads, dim]`
    pub q: Vec<f32>,
    /// By KV head `[live, dim]` of f16.
    pub k: Vec<Vec<u16>>,
    pub v: Vec<Vec<u16>>,
    pub device: OnDevice,
}

/// The same on the device.
pub struct OnDevice {
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,
    pub rows: Rows,
}

pub fn random(random: &mut fastrand::Rng, numbers: usize) -> Vec<f32> {
    (0..numbers).map(|_| 2.0 * random.f32() - 1.0).collect()
}

impl Made {
    pub fn new(gpu: &Rc<Device>, heads: Heads, rows: usize, live: usize) -> Made {
        let mut seed = fastrand::Rng::with_seed((live * 31 + rows) as u64);
        let dim = heads.dim as usize;
        // Scores between about -3 and 3, so that no slot takes all.
        let q = random(&mut seed, rows * heads.query as usize * dim).iter().map(|x| 3.0 * x).collect::<Vec<_>>();
        let mut stored = || -> Vec<Vec<u16>> {
            let head = |_| {
                let mut bits = vec![0; live * dim];
                encode(&random(&mut seed, live * dim), &mut bits);
                bits
            };
            (0..heads.kv).map(head).collect()
        };
        let (k, v) = (stored(), stored());
        // Other layers' rows before, room for more slots behind every head.
        let rows_at = Rows { first: 7, stride: live as u32 + 5 };
        let device = |heads: &[Vec<u16>]| {
            let mut all = vec![0u16; 7 * dim];
            for head in heads {
                all.extend_from_slice(head);
                all.resize(all.len() + 5 * dim, 0x7e00); // not a number, should anybody read it
            }
            gpu.upload("rows", &all).unwrap()
        };
        let device = OnDevice { q: gpu.upload("queries", &q).unwrap(), k: device(&k), v: device(&v), rows: rows_at };
        Made { heads, rows, q, k, v, device }
    }

    pub fn group(&self) -> usize {
        (self.heads.query / self.heads.kv) as usize
    }

    /// Numbers of an output.
    pub fn width(&self) -> usize {
        (self.heads.query * self.heads.dim) as usize
    }

    pub fn stored(&self) -> Stored<'_> {
        Stored { k: &self.device.k, v: &self.device.v, rows: self.device.rows, store: Store::F16 }
    }

    /// What the CPU computes, KV head by KV head: outputs and log-sum-exps of all rows, the latter only where the kernel
    /// leaves them.
    pub fn on_cpu(
        &self,
        mut attend: impl FnMut(usize, &Queries, &Keys<u16>, &mut [f32], &mut AttendScratch),
    ) -> (Vec<f32>, Vec<f32>) {
        let (group, dim, width) = (self.group(), self.heads.dim as usize, self.width());
        let mut out = vec![0.0; self.rows * width];
        let mut lse = vec![0.0; self.rows * self.heads.query as usize];
        let mut scratch = AttendScratch::default();
        for head in 0..self.heads.kv as usize {
            let q = Queries {
                q: &self.q[head * group * dim..],
                stride: width,
                rows: self.rows,
                group,
                head_dim: dim,
                scale: 1.0 / (dim as f32).sqrt(),
            };
            let keys = Keys { k: &self.k[head], v: &self.v[head], rotate: None };
            scratch.lse.clear();
            attend(head, &q, &keys, &mut out[head * group * dim..], &mut scratch);
            for (row, own) in lse.chunks_exact_mut(self.heads.query as usize).zip(scratch.lse.chunks_exact(group)) {
                row[head * group..][..group].copy_from_slice(own);
            }
        }
        (out, lse)
    }
}

/// Lists on the device, each padded to the longest.
pub fn lists(gpu: &Rc<Device>, of: &[Vec<u32>]) -> (Buffer, u32) {
    let stride = 1 + of.iter().map(Vec::len).max().unwrap_or(0);
    let mut words = vec![u32::MAX; stride * of.len()];
    for (list, words) in of.iter().zip(words.chunks_exact_mut(stride)) {
        words[0] = list.len() as u32;
        words[1..=list.len()].copy_from_slice(list);
    }
    (gpu.upload("lists", &words).unwrap(), stride as u32)
}

pub fn as_lists<'a>(of: &'a (Buffer, u32), count: usize) -> Lists<'a> {
    Lists { buffer: &of.0, first: 0, stride: of.1, count: count as u32 }
}

/// An ascending random choice of `count` of `of` numbers.
pub fn choice(seed: &mut fastrand::Rng, of: usize, count: usize) -> Vec<u32> {
    let mut chosen = seed.choose_multiple(0..of as u32, count);
    chosen.sort_unstable();
    chosen
}

/// An output is a mean of values below 1: the CPU kernels' own bound against f64 is 2e-6, and the GPU's sums are of the
/// same numbers with an `exp` of at most (3 + 2 |x|) ulp, so a weight exp(x) is off by at most 4e-7 of the largest.
pub const TOLERANCE: f32 = 4e-6;

/// Compares what a burst brought back, outputs and log-sum-exps, with the CPU's.
pub fn compare(name: &str, words: &[Vec<u32>], want: &(Vec<f32>, Vec<f32>)) {
    let error = difference(&floats(&words[0]), &want.0);
    assert!(error <= TOLERANCE, "{name}: outputs differ by {error}");
    // A log-sum-exp is around 5: half an ulp of that is 2.4e-7, and the sum's relative error is below 2e-6.
    let error = difference(&floats(&words[1]), &want.1);
    assert!(error <= TOLERANCE, "{name}: log-sum-exps differ by {error}");
}
