//! `h2o_decode_drop`: published code; slots exact, scores and outputs within 1e-4.

use super::{Case, Layers, by_row};
use attnscope::{
    methods::{self, H2o, Value},
    ops::Kv,
};

pub fn run(case: &Case) {
    let [heads, dim, prompt, steps, heavy, recent] = ["H", "D", "P", "T", "hh", "rec"].map(|k| case.param::<usize>(k));
    let given =
        [("heavy".to_owned(), Value::Number(heavy as f64)), ("recent".to_owned(), Value::Number(recent as f64))];
    let method = methods::build("h2o", &given, &methods::Shape { layers: 1 }).unwrap();
    let mut run = Layers::new(method, 1, heads, heads, dim, None);
    let width = heads * dim;
    let [q, k, v] = ["q", "k", "v"].map(|x| by_row(&case.floats(x), heads, prompt + steps, dim));
    let (kept, scores, len) = (case.ints("kept_pos"), case.floats("hh_score"), case.ints("cache_len"));
    let out = case.floats("attn_out");
    let padded = case.shape("kept_pos")[2];
    for t in 0..=steps {
        let rows = if t == 0 { 0..prompt } else { prompt + t - 1..prompt + t };
        let part = |x: &[f32]| x[rows.start * width..rows.end * width].to_vec();
        run.begin(rows.start as u32, rows.len() as u32);
        let got = run.layer(0, rows.start as u32, &part(&q), &part(&k), &part(&v));
        if t > 0 {
            case.close(&format!("attn_out {t}"), &got, &out[(t - 1) * width..][..width], 1e-4);
        }
        for head in 0..heads {
            let at = (t * heads + head) * padded;
            let positions = run.positions(0, head);
            case.same(&format!("kept_pos {t} head {head}"), positions, &kept[at..][..padded]);
            assert_eq!(positions.len() as i32, len[t], "{} cache_len {t}", case.name);
            let score = run.cpu.cache().named(Kv(0), head, H2o::SCORE).unwrap();
            case.close(&format!("hh_score {t} head {head}"), score, &scores[at..][..positions.len()], 1e-4);
        }
    }
}
