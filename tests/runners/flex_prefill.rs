//! `flexprefill`: published code; mask, counts and class exact, distributions within 2e-6, outputs within 5e-6.
//!
//! The mask and the output are those of the method of the registry. The values between are asked of the operations it
//! is made of, in the same pass.

use super::{Case, Layers};
use attnscope::{
    method::{LayerCx, Method, Select},
    methods::{self, Value},
    ops::{Pooled, Read, Scores},
};
use std::{cell::RefCell, rc::Rc};

/// What was read, and the values between.
#[derive(Clone, Copy)]
struct Seen {
    read: Read,
    probe: [Scores; 2],
    cover: [Scores; 2],
    estimate: Scores,
    pooled: Scores,
    distance: Scores,
}

struct Watched {
    select: Box<dyn Select>,
    block: u32,
    gamma: f32,
    seen: Rc<RefCell<Option<Seen>>>,
}

impl Select for Watched {
    fn read(&mut self, cx: &mut LayerCx) -> attnscope::Result<Read> {
        let read = self.select.read(cx)?;
        let (kv, ops) = (cx.kv, &mut *cx.ops);
        let probe = ops.probe(kv, self.block)?;
        let cover = [ops.cover(probe[0], self.gamma)?, ops.cover(probe[1], self.gamma)?];
        let (pooled, estimate) =
            (ops.by_block(probe[0], self.block)?, ops.block_scores(kv, self.block, Pooled::Newest)?);
        let distance = ops.js_distance(estimate, pooled)?;
        *self.seen.borrow_mut() = Some(Seen { read, probe, cover, estimate, pooled, distance });
        Ok(read)
    }
}

pub async fn run(case: &Case<'_>) {
    // Shares are stored as f32 and meant as short decimals.
    let params: Vec<f64> = case.floats("params").iter().map(|&x| (f64::from(x) * 1e6).round() / 1e6).collect();
    let [n, heads, kv_heads, dim, block, gamma, tau, min_budget, max_budget, interleave] = params[..] else {
        panic!("{}: params", case.name)
    };
    assert_eq!(interleave, 0.0, "{}: heads are not interleaved", case.name);
    let [n, heads, kv_heads, dim] = [n, heads, kv_heads, dim].map(|x| x as usize);
    let mut given: Vec<(String, Value)> =
        [("block", block), ("gamma", gamma), ("tau", tau), ("min_budget", min_budget)]
            .map(|(name, value)| (name.to_owned(), Value::Number(value)))
            .into();
    if max_budget < f64::from(i32::MAX) {
        given.push(("max_budget".to_owned(), Value::Number(max_budget)));
    }
    given.push(("compat".to_owned(), Value::Word("published_code".to_owned())));
    let method = methods::build("flex_prefill", &given, &methods::Shape { layers: 1 }).unwrap();
    let seen = Rc::new(RefCell::new(None));
    let watched = Watched { select: method.select, block: block as u32, gamma: gamma as f32, seen: seen.clone() };
    let mut run =
        Layers::new(&case.on, Method { select: Box::new(watched), ..Method::full() }, 1, heads, kv_heads, dim, None);
    run.begin(0, n as u32).await;
    let out = run.layer(0, 0, &case.floats("q"), &case.floats("k"), &case.floats("v")).await;
    run.finish().await;

    let Some(Seen { read: Read::Blocks { pairs, size }, probe, cover, estimate, pooled, distance }) = *seen.borrow()
    else {
        panic!("{}: not read by blocks", case.name)
    };
    assert_eq!(f64::from(size), block);
    let all = |scores: Scores| -> Vec<f32> {
        (0..heads).flat_map(|head| run.on.scores(scores, head).unwrap().to_vec()).collect()
    };
    case.close("vertical", &all(probe[0]), &case.floats("vertical"), 2e-6);
    case.close("slash", &all(probe[1]), &case.floats("slash"), 2e-6);
    case.close("pooled_est", &all(estimate), &case.floats("pooled_est"), 2e-6);
    case.close("pooled_true", &all(pooled), &case.floats("pooled_true"), 2e-6);
    case.close("jsd", &all(distance), &case.floats("jsd"), 2e-6);
    assert_eq!(all(cover[0]), case.floats("cover_vertical"), "{} cover_vertical", case.name);
    assert_eq!(all(cover[1]), case.floats("cover_slash"), "{} cover_slash", case.name);
    let aware: Vec<f32> = all(distance).iter().map(|d| f32::from(*d < tau as f32)).collect();
    assert_eq!(aware, case.floats("query_aware"), "{} query_aware", case.name);
    let mask = case.floats("block_mask");
    for (head, mask) in mask.chunks_exact(mask.len() / heads).enumerate() {
        let want: Vec<u32> = (0..mask.len() as u32).filter(|&pair| mask[pair as usize] == 1.0).collect();
        assert_eq!(run.on.slots(pairs, head).unwrap(), want, "{} block_mask, head {head}", case.name);
    }
    case.close("out", &out, &case.floats("out"), 5e-6);
}
