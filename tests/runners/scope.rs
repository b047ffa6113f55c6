//! `scope_*`: published code; lengths and sets exact, outputs within 1e-4.

use super::{Case, Layers, by_row, given, number, prompt::pooling, repeat, word};
use attnscope::methods;

pub async fn run(case: &Case<'_>) {
    let [layers, heads, kv_heads, dim, prompt, steps] =
        ["L", "Hq", "Hkv", "D", "P", "T"].map(|k| case.param::<usize>(k));
    let base = match &*case.param::<String>("base") {
        "allkv" => "full",
        "h2o" => "h2o",
        "snapkv" => "snap_kv",
        "streamingllm" => "streaming_llm",
        other => panic!("base {other}"),
    };
    let params = given([
        ("prompt", word(base)),
        ("prompt_budget", number(case.param("cap"))),
        ("window", number(case.param("w"))),
        ("kernel", number(case.param("kernel"))),
        ("pooling", word(pooling(&case.param::<String>("pool")))),
        ("group", word("sum")),
        ("schedule", word(&case.param::<String>("metric"))),
        ("decode_budget", number(case.param("W"))),
        ("decode_recent", number(case.param("r"))),
        ("delta", number(case.param("delta"))),
        ("compat", word("published_code")),
    ]);
    let method = methods::build("scope", &params, &methods::Shape { layers: layers as u32 }).unwrap();
    let mut run = Layers::new(&case.on, method, layers, heads, heads, dim, None);
    let (len, kept) = (case.ints("cache_len"), case.ints("kept_pos"));
    let padded = kept.len() / ((steps + 1) * layers * heads);
    let compare = |run: &Layers, row: usize, layer: usize| {
        for head in 0..heads {
            let positions = run.positions(layer as u32, head);
            let at = row * layers + layer;
            assert_eq!(positions.len() as i32, len[at], "{} cache_len {row} layer {layer}", case.name);
            let mut want = kept[(at * heads + head) * padded..][..padded].to_vec();
            want.sort_unstable();
            case.same(&format!("kept_pos {row} layer {layer} head {head}"), positions, &want);
        }
    };

    run.begin(0, prompt as u32).await;
    for layer in 0..layers {
        let part = |name: &str, heads: usize| {
            let n = heads * prompt * dim;
            case.floats(name)[layer * n..][..n].to_vec()
        };
        let [k, v] = ["k_prefill", "v_prefill"].map(|x| repeat(&part(x, kv_heads), kv_heads, heads / kv_heads));
        let [q, k, v] = [part("q_prefill", heads), k, v].map(|x| by_row(&x, heads, prompt, dim));
        run.layer(layer as u32, 0, &q, &k, &v).await;
        compare(&run, 0, layer);
    }
    let [q, k, v, out] = ["q_dec", "k_dec", "v_dec", "attn_out"].map(|x| case.floats(x));
    for step in 0..steps {
        let position = (prompt + step) as u32;
        run.begin(position, 1).await;
        for layer in 0..layers {
            let row = |x: &[f32], heads: usize| x[(step * layers + layer) * heads * dim..][..heads * dim].to_vec();
            let [k, v] = [&k, &v].map(|x| repeat(&row(x, kv_heads), kv_heads, heads / kv_heads));
            let got = run.layer(layer as u32, position, &row(&q, heads), &k, &v).await;
            case.close(&format!("attn_out {step} layer {layer}"), &got, &row(&out, heads), 1e-4);
            compare(&run, step + 1, layer);
        }
    }
}
