//! `metrics`: an independent reference; agreements exact, perplexities within 1e-5 of their value, all else within 1e-5.

use super::Case;
use attnscope::metrics;

pub fn run(case: &Case) {
    let [vocabulary, keys, dim] = ["V", "S", "D"].map(|key| case.param::<usize>(key));
    let pairs = |full: &str, other: &str, width: usize, of: &dyn Fn(&[f32], &[f32]) -> f64| -> Vec<f32> {
        let (full, other) = (case.floats(full), case.floats(other));
        full.chunks_exact(width).zip(other.chunks_exact(width)).map(|(f, o)| of(f, o) as f32).collect()
    };
    let outputs = |of| pairs("out_full", "out_comp", dim, of);
    case.close("rel_l2", &outputs(&metrics::relative_error), &case.floats("rel_l2"), 1e-5);
    case.close("cosine", &outputs(&metrics::cosine), &case.floats("cosine"), 1e-5);
    let logits = |of| pairs("logits_full", "logits_comp", vocabulary, of);
    case.close("kl", &logits(&metrics::kl), &case.floats("kl"), 1e-5);
    case.close("js", &logits(&metrics::js), &case.floats("js"), 1e-5);
    case.close("top1", &logits(&|f, o| f64::from(metrics::top1_agrees(f, o))), &case.floats("top1"), 2e-7);
    case.close("top5_overlap", &logits(&|f, o| metrics::top_overlap(f, o, 5)), &case.floats("top5_overlap"), 2e-7);
    let target = case.ints("target");
    for run in ["full", "comp"] {
        let logits = case.floats(&format!("logits_{run}"));
        let nll: Vec<f64> =
            logits.chunks_exact(vocabulary).zip(&target).map(|(row, id)| metrics::nll(row, *id as usize)).collect();
        let short: Vec<f32> = nll.iter().map(|x| *x as f32).collect();
        case.close(&format!("nll_{run}"), &short, &case.floats(&format!("nll_{run}")), 1e-5);
        let want = case.floats(&format!("ppl_{run}"))[0];
        case.close(&format!("ppl_{run}"), &[metrics::perplexity(&nll) as f32], &[want], 1e-5 * want);
    }
    let (probabilities, kept) = (case.floats("probs"), case.ints("kept"));
    let recall: Vec<f32> = probabilities
        .chunks_exact(keys)
        .zip(kept.chunks_exact(keys))
        .map(|(p, kept)| metrics::attention_recall(p, (0..keys).filter(|key| kept[*key] == 1)) as f32)
        .collect();
    case.close("attention_recall", &recall, &case.floats("attention_recall"), 1e-5);
}
