//! Tokens picked of logits.

use std::rc::Rc;

use attnscope::{
    backend::gpu::{Device, record_pick},
    engine::Options,
    kernels::{Candidates, Pick, Picked},
    loader::OnDevice,
    methods::Spec,
    sampler::Sampling,
};
use pollster::block_on;

use super::common::{gpu, tiny};
use super::made::random;

const GREEDY: Pick = Pick { temperature: 0.0, top_k: 0, top_p: 1.0, draw: 0.0 };

fn run(gpu: &Rc<Device>, how: Pick, logits: &[f32], rows: usize) -> Vec<Picked> {
    let buffer = gpu.upload("logits", logits).unwrap();
    let picked = gpu.buffer("picked", 2 * rows as u64).unwrap();
    let mut burst = gpu.burst();
    record_pick(&mut burst, how, [rows, logits.len() / rows].map(|n| n as u32), &buffer, &picked, 0).unwrap();
    burst.read(&picked, 0..2 * rows as u64).unwrap();
    let words = &block_on(burst.finish()).unwrap()[0];
    words.chunks(2).map(|words| Picked { id: words[0], finite: words[1] == 1 }).collect()
}

fn compare(gpu: &Rc<Device>, how: Pick, logits: &[f32], rows: usize, what: &str) {
    let mut candidates = Candidates::default();
    let want: Vec<_> = logits.chunks(logits.len() / rows).map(|row| candidates.pick(row, &how)).collect();
    assert_eq!(run(gpu, how, logits, rows), want, "{what}: {how:?}, {rows} rows of {}", logits.len() / rows);
}

#[test]
fn the_best_of_many_rows() {
    let Some(gpu) = gpu("best tokens") else { return };
    let mut seed = fastrand::Rng::with_seed(4);
    for (rows, columns) in [(1, 1), (1, 7), (8, 255), (3, 256), (2, 257), (5, 49_152)] {
        let mut logits = random(&mut seed, rows * columns);
        compare(&gpu, GREEDY, &logits, rows, "random");
        logits.iter_mut().for_each(|logit| *logit = (*logit * 2.0).round());
        compare(&gpu, GREEDY, &logits, rows, "ties");
        compare(&gpu, GREEDY, &vec![-3.5; rows * columns], rows, "all alike");
    }
}

#[test]
fn what_is_no_number_is_said() {
    let Some(gpu) = gpu("logits that are no numbers") else { return };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for how in [GREEDY, Pick { temperature: 1.0, top_k: 5, top_p: 0.5, draw: 0.7 }] {
            // Of two rows one is bad; and all of it.
            let mut logits: Vec<f32> = (0..600).map(|i| (i % 37) as f32).collect();
            logits[471] = bad;
            compare(&gpu, how, &logits, 2, "one");
            compare(&gpu, how, &[bad; 300], 1, "all");
        }
    }
}

#[test]
fn draws_within_top_k_and_top_p() {
    let Some(gpu) = gpu("drawn tokens") else { return };
    let mut seed = fastrand::Rng::with_seed(5);
    for columns in [1, 2, 300, 1000, 49_152] {
        for turn in 0..40 {
            let spread = 10.0 * seed.f32();
            let mut logits: Vec<f32> = random(&mut seed, columns).iter().map(|x| spread * x).collect();
            if turn % 3 == 0 {
                logits.iter_mut().for_each(|logit| *logit = (2.0 * *logit).round() - 30.0);
            }
            let top_k = [0, 1, 2, 40, 5000][seed.usize(..5)];
            let top_p = [1.0, 0.95, 0.5, 1e-6][seed.usize(..4)];
            // Not where a sum's rounding decides: that is for the draws at both ends.
            let draw = [0.0, 0.999_999_9, seed.f32(), seed.f32()][turn % 4];
            let how = Pick { temperature: 0.2 + seed.f32(), top_k, top_p, draw };
            compare(&gpu, how, &logits, 1, "drawn");
        }
    }
}

#[test]
fn without_logits_a_token_is_a_few_bytes() {
    let Some(device) = gpu("bytes of a token") else { return };
    let loaded = tiny::load_alike();
    let on = OnDevice::new(&device, &loaded).unwrap();
    let sampled = Sampling { temperature: 0.8, top_k: 20, top_p: 0.9, seed: 7 };
    for (name, sampling, passes) in
        [("full", Sampling::default(), 1), ("full", sampled, 1), ("quant_spec", Sampling::default(), 5)]
    {
        let run = |logits| {
            let mut engine = loaded.compose_on(&on, &Spec::method(name, &[]), None).unwrap();
            engine.start(&tiny::prompt(30), Options { max_tokens: 9, sampling, logits, ..Options::default() }).unwrap();
            engine.next_step().unwrap().unwrap();
            assert_eq!(engine.logits().is_ok(), logits);
            let before = device.counters().downloaded;
            while engine.next_step().unwrap().is_some() {}
            (engine.ids().to_vec(), device.counters().downloaded - before)
        };
        let ((with, more), (without, less)) = (run(true), run(false));
        assert_eq!(with, without, "{name}, {sampling:?}: the same text");
        // Eight tokens or fewer rounds of guesses, of each row the id and whether all was finite.
        assert!(less <= 8 * passes * 8, "{name}: {less} bytes");
        assert!(
            more >= less + 8 * 4 * u64::from(loaded.model.config.vocabulary) / 5,
            "{name}: {more} and {less} bytes"
        );
    }
}
