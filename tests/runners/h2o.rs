//! `h2o_decode_drop`, `h2o_decode_masked`: published code; slots exact, scores and outputs within 1e-4.

use super::{Case, Layers, by_row, given, number, times, word};
use attnscope::{
    methods::{self, H2o, Masked, Value},
    ops::Kv,
};

pub async fn run(case: &Case<'_>) {
    let [heads, dim, prompt, steps, heavy, recent] = ["H", "D", "P", "T", "hh", "rec"].map(|k| case.param::<usize>(k));
    let given =
        [("heavy".to_owned(), Value::Number(heavy as f64)), ("recent".to_owned(), Value::Number(recent as f64))];
    let method = methods::build("h2o", &given, &methods::Shape { layers: 1 }).unwrap();
    let mut run = Layers::new(&case.on, method, 1, heads, heads, dim, None);
    let width = heads * dim;
    let [q, k, v] = ["q", "k", "v"].map(|x| by_row(&case.floats(x), heads, prompt + steps, dim));
    let (kept, scores, len) = (case.ints("kept_pos"), case.floats("hh_score"), case.ints("cache_len"));
    let out = case.floats("attn_out");
    let padded = case.shape("kept_pos")[2];
    for t in 0..=steps {
        let rows = if t == 0 { 0..prompt } else { prompt + t - 1..prompt + t };
        let part = |x: &[f32]| x[rows.start * width..rows.end * width].to_vec();
        run.begin(rows.start as u32, rows.len() as u32).await;
        let got = run.layer(0, rows.start as u32, &part(&q), &part(&k), &part(&v)).await;
        if t > 0 {
            case.close(&format!("attn_out {t}"), &got, &out[(t - 1) * width..][..width], 1e-4);
        }
        for head in 0..heads {
            let at = (t * heads + head) * padded;
            let positions = run.positions(0, head);
            case.same(&format!("kept_pos {t} head {head}"), positions, &kept[at..][..padded]);
            assert_eq!(positions.len() as i32, len[t], "{} cache_len {t}", case.name);
            let score = run.on.cache().named(Kv(0), head, H2o::SCORE).unwrap();
            case.close(&format!("hh_score {t} head {head}"), score, &scores[at..][..positions.len()], 1e-4);
        }
    }
}

pub async fn masked(case: &Case<'_>) {
    let [heads, dim, prompt, steps] = ["H", "D", "P", "T"].map(|k| case.param::<usize>(k));
    let [heavy, recent] = ["heavy_budget", "recent_budget"].map(|k| case.ints(k)[0] as usize);
    let params = given([("heavy", number(heavy)), ("recent", number(recent)), ("compat", word("masked_simulation"))]);
    let method = methods::build("h2o", &params, &methods::Shape { layers: 1 }).unwrap();
    let mut run = Layers::new(&case.on, method, 1, heads, heads, dim, None);
    let width = heads * dim;
    let [wq, wk, wv, wo] = ["wq", "wk", "wv", "wo"].map(|w| case.floats(w));
    let (x, y) = (case.floats("x"), case.floats("y"));
    let (mask, scores) = (case.ints("mask_next"), case.floats("scores"));
    let total = prompt + steps;
    for t in 0..=steps {
        let rows = if t == 0 { 0..prompt } else { prompt + t - 1..prompt + t };
        let x = &x[rows.start * width..rows.end * width];
        run.begin(rows.start as u32, rows.len() as u32).await;
        let [q, k, v] = [&wq, &wk, &wv].map(|w| times(w, x, width));
        let out = run.layer(0, rows.start as u32, &q, &k, &v).await;
        case.close(&format!("y {t}"), &times(&wo, &out, width), &y[rows.start * width..rows.end * width], 1e-4);
        let live = prompt + t;
        for head in 0..heads {
            // A slot that the next step stores is seen: columns start at 1.
            let seen = run.on.cache().named(Kv(0), head, Masked::SEEN).unwrap();
            let got: Vec<i32> = seen.iter().map(|&s| s as i32).chain([1]).collect();
            let want = &mask[(t * heads + head) * (total + 1)..][..=live];
            assert_eq!(got, want, "{} mask_next {t} head {head}", case.name);
            let score = run.on.cache().named(Kv(0), head, H2o::SCORE).unwrap();
            case.close(&format!("scores {t} head {head}"), score, &scores[(t * heads + head) * total..][..live], 1e-4);
        }
    }
}
