//! One layer of 8,192 slots: random keys and values as f16 and in two planes, and random choices of them.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Buffer, Device, Heads, Lists, PlaneBuffers, Rows, Stored},
    cache::Store,
    kernels::encode,
};

pub const HEADS: Heads = Heads { query: 9, kv: 3, dim: 64 };
pub const SLOTS: u32 = 8192;
/// QuantSpec's default.
const TOKENS: u32 = 64;

pub struct Made {
    pub q: Buffer,
    pub counts: Listed,
    k: Buffer,
    v: Buffer,
    codes: [Buffer; 2],
    grids: Buffer,
}

/// Lists on the device.
pub struct Listed {
    buffer: Buffer,
    stride: u32,
    count: u32,
}

impl Listed {
    pub fn lists(&self) -> Lists<'_> {
        Lists { buffer: &self.buffer, first: 0, stride: self.stride, count: self.count }
    }
}

fn halves(seed: &mut fastrand::Rng, numbers: u32, most: f32) -> Vec<u16> {
    let floats: Vec<f32> = (0..numbers).map(|_| most * (2.0 * seed.f32() - 1.0)).collect();
    let mut bits = vec![0; floats.len()];
    encode(&floats, &mut bits);
    bits
}

impl Made {
    pub fn new(gpu: &Rc<Device>, rows: u32) -> Made {
        let mut seed = fastrand::Rng::with_seed(1);
        let numbers = HEADS.kv * SLOTS * HEADS.dim;
        let q: Vec<f32> = (0..rows * HEADS.query * HEADS.dim).map(|_| 2.0 * seed.f32() - 1.0).collect();
        let mut stored = || gpu.upload("rows", &halves(&mut seed, numbers, 1.0)).unwrap();
        let (k, v) = (stored(), stored());
        // Two planes of half a byte a number.
        let mut codes = || gpu.upload("codes", &(0..numbers / 4).map(|_| seed.u32(..)).collect::<Vec<_>>()).unwrap();
        let codes = [codes(), codes()];
        let grids = HEADS.kv * (SLOTS / TOKENS * HEADS.dim + SLOTS);
        Made {
            q: gpu.upload("queries", &q).unwrap(),
            counts: Listed { buffer: gpu.upload("counts", &[SLOTS]).unwrap(), stride: 1, count: 1 },
            grids: gpu.upload("grids", &halves(&mut seed, 2 * grids, 0.1)).unwrap(),
            k,
            v,
            codes,
        }
    }

    pub fn stored(&self) -> Stored<'_> {
        Stored { k: &self.k, v: &self.v, rows: Rows { first: 0, stride: SLOTS }, store: Store::F16 }
    }

    pub fn planes(&self) -> PlaneBuffers<'_> {
        let key_grids = SLOTS / TOKENS * HEADS.dim;
        PlaneBuffers {
            k: &self.codes[0],
            v: &self.codes[1],
            rows: Rows { first: 0, stride: SLOTS },
            lower: HEADS.kv * SLOTS * HEADS.dim / 8,
            grids: &self.grids,
            store: Store::F16,
            key_grids: Rows { first: 0, stride: key_grids },
            value_grids: Rows { first: HEADS.kv * key_grids, stride: SLOTS },
            tokens: TOKENS,
            channels: HEADS.dim,
        }
    }

    /// `lists` random choices of `count` of `of` entries.
    pub fn lists(&self, gpu: &Rc<Device>, lists: u32, of: u32, count: u32) -> Listed {
        let mut seed = fastrand::Rng::with_seed(2);
        let words: Vec<u32> = (0..lists)
            .flat_map(|_| {
                let mut chosen = seed.choose_multiple(0..of, count as usize);
                chosen.sort_unstable();
                [vec![count], chosen].concat()
            })
            .collect();
        Listed { buffer: gpu.upload("lists", &words).unwrap(), stride: count + 1, count: lists }
    }

    /// For every query head and block of the newest `rows` queries the own block and a random share of those before.
    pub fn pairs(&self, gpu: &Rc<Device>, rows: u32, size: u32, share: f32) -> Listed {
        let mut seed = fastrand::Rng::with_seed(3);
        let blocks = SLOTS / size;
        let of: Vec<Vec<u32>> = (0..HEADS.query)
            .map(|_| {
                ((SLOTS - rows) / size..blocks)
                    .flat_map(|row| {
                        let mut chosen = seed.choose_multiple(0..row, (share * row as f32) as usize);
                        chosen.sort_unstable();
                        chosen.push(row);
                        chosen.into_iter().map(move |column| row * blocks + column)
                    })
                    .collect()
            })
            .collect();
        let stride = 1 + of.iter().map(Vec::len).max().unwrap_or(0);
        let mut words = vec![0; stride * of.len()];
        for (list, words) in of.iter().zip(words.chunks_exact_mut(stride)) {
            words[0] = list.len() as u32;
            words[1..=list.len()].copy_from_slice(list);
        }
        Listed { buffer: gpu.upload("pairs", &words).unwrap(), stride: stride as u32, count: HEADS.query }
    }
}
