//! Bursts: what is counted, and what happens to a device that is lost.

use super::gpu;
use attnscope::{
    Error,
    backend::gpu::{Merge, Partials},
};
use pollster::block_on;

#[test]
fn a_burst_submits_once_and_waits_once() {
    let Some(gpu) = gpu("bursts") else { return };
    // Two parts of one head of 8: the second has all the weight.
    let parts: Vec<f32> =
        [[1.0; 9], [2.0; 9]].iter().zip([-50.0, 50.0]).flat_map(|(p, top)| p.iter().copied().chain([top])).collect();
    let parts = gpu.upload("parts", &parts).unwrap();
    let (out, lse) = (gpu.buffer("out", 8).unwrap(), gpu.buffer("lse", 1).unwrap());
    let merge = Merge { heads: 1, dim: 8, partials: Partials { buffer: &parts, tiles: 2, first: 0 } };
    let before = gpu.counters();
    let mut burst = gpu.burst();
    for _ in 0..3 {
        merge.record(&mut burst, &out, &lse).unwrap();
    }
    burst.read(&out, 2..4).unwrap();
    burst.read(&out, 0..1).unwrap();
    let words = block_on(burst.finish()).unwrap();
    assert_eq!(words, [vec![1f32.to_bits(); 2], vec![1f32.to_bits()]]);
    let after = gpu.counters();
    assert_eq!(after.dispatches - before.dispatches, 3);
    assert_eq!((after.submits - before.submits, after.readbacks - before.readbacks), (1, 1));
    assert_eq!(after.downloaded - before.downloaded, 12);
    assert_eq!(after.uploaded - before.uploaded, 3 * 256);
}

#[test]
fn wrong_calls_are_typed_errors() {
    let Some(gpu) = gpu("errors") else { return };
    let small = gpu.buffer("small", 4).unwrap();
    assert!(matches!(gpu.buffer("too much", 1 << 26), Err(Error::Memory { bytes, .. }) if bytes == 1 << 28));
    assert!(matches!(gpu.write(&small, 3, &[1u32, 2]), Err(Error::Shape { .. })));
    let mut burst = gpu.burst();
    assert!(matches!(burst.read(&small, 0..5), Err(Error::Shape { .. })));
    let merge = Merge { heads: 9, dim: 64, partials: Partials { buffer: &small, tiles: 1, first: 0 } };
    assert!(matches!(merge.record(&mut burst, &small, &small), Err(Error::Shape { .. })));
}

#[test]
fn a_lost_device_is_an_error_not_a_panic() {
    let Some(gpu) = gpu("a lost device") else { return };
    let buffer = gpu.upload("numbers", &[1u32, 2]).unwrap();
    let mut burst = gpu.burst();
    burst.read(&buffer, 0..2).unwrap();
    gpu.destroy();
    let lost = |error: Error| matches!(&error, Error::Gpu { why } if why.contains("lost")) && error.code() == "gpu";
    assert!(lost(block_on(burst.finish()).unwrap_err()));
    assert!(lost(gpu.upload("more", &[1u32]).err().unwrap()));
    assert!(lost(block_on(gpu.burst().finish()).unwrap_err()));
}
