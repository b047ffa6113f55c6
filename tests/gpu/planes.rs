//! Decode over two 4-bit planes, by the upper one and by both, and the full-precision tail behind them.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Buffer, Decode, DecodePlanes, DecodeRead, Device, Heads, Merge, Partials, PlaneBuffers, Rows},
    cache::{Planes, Store},
    kernels::{PlaneCodes, PlaneRows, attend_planes, encode},
    ops::PlaneGroups,
};
use pollster::block_on;

use super::gpu;
use super::made::{Made, as_lists, compare, lists, random};

/// Planes as the CPU makes them, moved word by word.
struct OnDevice {
    k: Buffer,
    v: Buffer,
    grids: Buffer,
    lower: u32,
    key_grids: Rows,
    value_grids: Rows,
}

fn grids(of: &PlaneCodes) -> Vec<u16> {
    let pairs: Vec<f32> = of.steps.iter().zip(of.zeros).flat_map(|(step, zero)| [*step, *zero]).collect();
    let mut bits = vec![0; pairs.len()];
    encode(&pairs, &mut bits);
    bits
}

impl OnDevice {
    fn new(gpu: &Rc<Device>, heads: &[Planes]) -> OnDevice {
        let read: Vec<PlaneRows> = heads.iter().map(|planes| planes.to_read(false)).collect();
        let of_all = |of: &dyn Fn(&PlaneRows) -> Vec<u8>| -> Vec<u8> { read.iter().flat_map(of).collect() };
        let k_upper = of_all(&|rows| rows.k.upper.to_vec());
        let k_lower = of_all(&|rows| rows.k.lower.unwrap().to_vec());
        let v_upper = of_all(&|rows| rows.v.upper.to_vec());
        let v_lower = of_all(&|rows| rows.v.lower.unwrap().to_vec());
        let key_grids: Vec<u16> = read.iter().flat_map(|rows| grids(&rows.k)).collect();
        let value_grids: Vec<u16> = read.iter().flat_map(|rows| grids(&rows.v)).collect();
        let words = |bits: &[u16]| (bits.len() / 2) as u32;
        let each = read.len() as u32;
        OnDevice {
            lower: k_upper.len() as u32 / 4,
            k: gpu.upload("keys", &[k_upper, k_lower].concat()).unwrap(),
            v: gpu.upload("values", &[v_upper, v_lower].concat()).unwrap(),
            key_grids: Rows { first: 0, stride: words(&key_grids) / each },
            value_grids: Rows { first: words(&key_grids), stride: words(&value_grids) / each },
            grids: gpu.upload("grids", &[key_grids, value_grids].concat()).unwrap(),
        }
    }
}

#[test]
fn planes_and_their_tail() {
    let Some(gpu) = gpu("decode over planes") else { return };
    let mut seed = fastrand::Rng::with_seed(9);
    // Heads, tokens and channels of a group, key groups, slots of the tail, rows.
    for (heads, tokens, channels, key_groups, tail, rows) in [
        ([3, 9, 64], 64, 0, 3, 70, 1),
        ([1, 1, 64], 64, 16, 1, 1, 1),
        ([2, 16, 64], 24, 32, 5, 9, 3),
        ([1, 3, 64], 128, 0, 2, 65, 2),
        ([1, 4, 128], 100, 64, 2, 3, 1),
    ] {
        let [kv, query, dim] = heads;
        let heads = Heads { kv, query, dim };
        let made = Made::new(&gpu, heads, rows, tail);
        let slots = tokens as usize * key_groups;
        let planes: Vec<Planes> = (0..kv)
            .map(|_| {
                let mut planes = Planes::new(PlaneGroups { tokens, channels }, dim as usize).unwrap();
                for _ in 0..key_groups {
                    let numbers = tokens as usize * dim as usize;
                    planes.push(&random(&mut seed, numbers), &random(&mut seed, numbers), Store::F16);
                }
                planes
            })
            .collect();
        let device = OnDevice::new(&gpu, &planes);
        for both in [false, true] {
            let (width, sees) = (made.width(), slots + tail + 1 - rows);
            let want = made.on_cpu(|head, q, keys, out, scratch| {
                attend_planes(q, &planes[head].to_read(!both), keys, sees, out, width, None, scratch);
            });
            let old = DecodePlanes {
                heads,
                q: &made.device.q,
                q_first: 0,

                rows: rows as u32,
                planes: PlaneBuffers {
                    k: &device.k,
                    v: &device.v,
                    rows: Rows { first: 0, stride: slots as u32 },
                    lower: device.lower,
                    grids: &device.grids,
                    store: Store::F16,
                    key_grids: device.key_grids,
                    value_grids: device.value_grids,
                    tokens,
                    channels: if channels == 0 { dim } else { channels },
                },
                slots: slots as u32,
                both,
            };
            let counts = lists(&gpu, &[vec![0; tail]]);
            let new = Decode {
                heads,
                q: &made.device.q,
                q_first: 0,
                rows: rows as u32,
                stored: made.stored(),
                read: DecodeRead::All { window: u32::MAX },
                lists: as_lists(&counts, 1),
                most: tail as u32,
                skipped: 0,
            };
            let (all, tiles) = (rows as u32 * query, old.tiles() + new.tiles());
            let buffer = gpu.buffer("partials", u64::from(all * tiles * (dim + 2))).unwrap();
            let (out, lse) = (gpu.buffer("out", u64::from(all * dim)).unwrap(), gpu.buffer("lse", all.into()).unwrap());
            let mut burst = gpu.burst();
            old.record(&mut burst, Partials { buffer: &buffer, tiles, first: 0 }, None).unwrap();
            let partials = Partials { buffer: &buffer, tiles, first: old.tiles() };
            new.record(&mut burst, partials, None).unwrap();
            Merge { heads: all, dim, partials }.record(&mut burst, &out, &lse).unwrap();
            burst.read(&out, 0..out.words()).unwrap();
            burst.read(&lse, 0..lse.words()).unwrap();
            let mut words = block_on(burst.finish()).unwrap();
            // That kernel of the CPU leaves no log-sum-exps.
            words[1].fill(0);
            compare(&format!("{heads:?}, {key_groups} groups of {tokens}, {rows} rows, both {both}"), &words, &want);
        }
    }
}
