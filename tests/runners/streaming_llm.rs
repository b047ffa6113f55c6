//! `streamingllm_decode`, `streamingllm_space`: published code; slots exact, `y` within 1e-4, cache within 1e-5.

use super::{Case, Layers, times};
use attnscope::{
    kernels::RopeStyle,
    method::{Edit, LayerCx, Method, Positions, Retain},
    methods::{self, StreamingLlm, Value},
    model::RopeConfig,
    ops::Kv,
};
use std::ops::Range;

pub async fn decode(case: &Case<'_>) {
    let [heads, kv_heads, dim, steps, start, recent] =
        ["H", "Hkv", "D", "T", "start", "recent"].map(|k| case.param::<usize>(k));
    let given =
        [("sinks".to_owned(), Value::Number(start as f64)), ("recent".to_owned(), Value::Number(recent as f64))];
    let method = methods::build("streaming_llm", &given, &methods::Shape { layers: 1 }).unwrap();
    let rope = RopeConfig {
        dim: dim as u32,
        base: case.param("rope_theta"),
        linear: 1.0,
        divisors: vec![],
        style: RopeStyle::Halves,
    };
    let mut run = Layers::new(&case.on, method, 1, heads, kv_heads, dim, Some(rope));
    let width = heads * dim;
    let [wq, wk, wv, wo] = ["wq", "wk", "wv", "wo"].map(|w| case.floats(w));
    let (x, y) = (case.floats("x"), case.floats("y"));
    let (kept, len, query) = (case.ints("kept_pos"), case.ints("cache_len"), case.ints("query_pos"));
    for t in 0..steps {
        let x = &x[t * width..][..width];
        assert_eq!(run.positions(0, 0).len() as i32, query[t], "{} query_pos {t}", case.name);
        run.begin(t as u32, 1).await;
        let out = run.layer(0, t as u32, &times(&wq, x, width), &times(&wk, x, width), &times(&wv, x, width)).await;
        case.close(&format!("y {t}"), &times(&wo, &out, width), &y[t * width..][..width], 1e-4);
        let padded = kept.len() / steps;
        for head in 0..kv_heads {
            case.same(&format!("kept_pos {t}"), run.positions(0, head), &kept[t * padded..][..padded]);
            assert_eq!(run.positions(0, head).len() as i32, len[t], "{} cache_len {t}", case.name);
        }
    }
    run.finish().await;
    let last = run.on.cache().layer(Kv(0));
    let all = |of: fn(&attnscope::cache::Head) -> &attnscope::cache::Rows| -> Vec<f32> {
        last.iter().flat_map(|h| (0..h.len()).flat_map(|s| of(h).row(s, dim)).collect::<Vec<_>>()).collect()
    };
    case.close("k_cache_final", &all(|h| &h.k), &case.floats("k_cache_final"), 1e-5);
    case.close("v_cache_final", &all(|h| &h.v), &case.floats("v_cache_final"), 1e-5);
}

/// Drops one range of slots before a pass: what the method's own edits are made of.
struct Drop(Range<u32>);
impl Retain for Drop {
    fn positions(&self) -> Positions {
        Positions::Slot
    }
    fn make_room(&mut self, cx: &mut LayerCx) -> attnscope::Result<Edit> {
        Ok(Edit::Keep(cx.ops.except(cx.kv, self.0.clone())?))
    }
}

pub async fn space(case: &Case<'_>) {
    let [n, sinks, recent, coming, a, b] = ["N", "start", "recent", "coming", "a", "b"].map(|k| case.param::<u32>(k));
    let rule = StreamingLlm { sinks, recent, shift: true };
    let kept_after = async |gone: Range<u32>| {
        let method = Method { retain: Box::new(Drop(gone)), ..Method::full() };
        let mut run = Layers::new(&case.on, method, 1, 1, 1, 8, None);
        run.begin(0, n).await;
        let rows = vec![0.0; 8 * n as usize];
        run.store(0, &rows, &rows, &rows);
        run.begin(n, 1).await;
        run.layer(0, n, &[0.0; 8], &[0.0; 8], &[0.0; 8]).await;
        run.finish().await;
        let mut kept = run.positions(0, 0).to_vec();
        assert_eq!(kept.pop(), Some(n));
        kept
    };
    case.same("after_call", &kept_after(rule.gone(n, 0)).await, &case.ints("after_call"));
    case.same("after_evict_for_space", &kept_after(rule.gone(n, coming)).await, &case.ints("after_evict_for_space"));
    case.same("after_evict_range", &kept_after(a..b).await, &case.ints("after_evict_range"));
}
