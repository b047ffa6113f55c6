//! `policy_*`: an independent reference; slots exact, outputs and recall within 1e-5.

use super::{Case, Layers, by_row};
use attnscope::methods::{self, Value};

pub async fn run(case: &Case<'_>) {
    let [heads, kv_heads, steps, dim] = ["Hq", "Hkv", "S", "D"].map(|k| case.param::<usize>(k));
    let policy: String = case.param("policy");
    let row = methods::find(&policy).unwrap();
    let given: Vec<(String, Value)> =
        row.params.iter().map(|p| (p.name.to_owned(), Value::Number(case.param(p.name)))).collect();
    let method = methods::build(&policy, &given, &methods::Shape { layers: 1 }).unwrap();
    let mut run = Layers::new(&case.on, method, 1, heads, kv_heads, dim, None);
    let q = by_row(&case.floats("q"), heads, steps, dim);
    let [k, v] = ["k", "v"].map(|x| by_row(&case.floats(x), kv_heads, steps, dim));
    let (kept, recall) = (case.ints("kept_pos"), case.floats("attention_recall"));
    let out = by_row(&case.floats("attn_out"), heads, steps, dim);
    let padded = case.shape("kept_pos")[2];
    for t in 0..steps {
        let mut seen: Vec<Vec<u32>> = (0..kv_heads).map(|h| run.positions(0, h).to_vec()).collect();
        seen.iter_mut().for_each(|s| s.push(t as u32));
        run.begin(t as u32, 1).await;
        let part = |x: &[f32], n: usize| x[t * n..][..n].to_vec();
        let got =
            run.layer(0, t as u32, &part(&q, heads * dim), &part(&k, kv_heads * dim), &part(&v, kv_heads * dim)).await;
        case.close(&format!("attn_out {t}"), &got, &part(&out, heads * dim), 1e-5);
        for head in 0..kv_heads {
            case.same(
                &format!("kept_pos {t} head {head}"),
                run.positions(0, head),
                &kept[(t * kv_heads + head) * padded..][..padded],
            );
        }
        for head in 0..heads {
            let kv = head * kv_heads / heads;
            let query = &q[(t * heads + head) * dim..][..dim];
            let score = |p: usize| {
                let key = &k[(p * kv_heads + kv) * dim..][..dim];
                (query.iter().zip(key).map(|(a, b)| a * b).sum::<f32>() / (dim as f32).sqrt()).exp()
            };
            let cached: f32 = seen[kv].iter().map(|&p| score(p as usize)).sum();
            let all: f32 = (0..=t).map(score).sum();
            case.close(&format!("recall {t} head {head}"), &[cached / all], &[recall[t * heads + head]], 1e-5);
        }
    }
}
