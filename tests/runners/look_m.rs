//! `lookm` (published code) and `lookm_paper_gqa` (an independent reference): sets, targets and counts exact, keys and
//! values within 2e-6. Attention sums are given, so they take the place of what attention leaves.

use super::{Case, Layers, by_row, given, number, word};
use attnscope::{
    kernels::nearest,
    method::{Edit, LayerCx, Method, Retain, Site},
    methods::{self, Value},
    ops::{Group, Kv, Mass, Reduce, Scores, Tag},
    trace::{Kind, records},
};
use std::{cell::Cell, rc::Rc};

/// The method of the registry, fed with sums by query head.
struct Fed {
    retain: Box<dyn Retain>,
    sums: Rc<Cell<Option<Scores>>>,
}

impl Retain for Fed {
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.retain.wants(at)
    }
    fn edit(&mut self, cx: &mut LayerCx, _: Option<Scores>) -> attnscope::Result<Edit> {
        let sums = cx.ops.regroup(self.sums.get().unwrap(), Group::Kv, Reduce::Sum)?;
        self.sums.set(Some(sums));
        self.retain.edit(cx, Some(sums))
    }
}

/// A prompt of one layer.
struct Prompt {
    heads: usize,
    kv_heads: usize,
    rows: usize,
    dim: usize,
    k: Vec<f32>,
    v: Vec<f32>,
    /// `[query heads, rows]`
    sums: Vec<f32>,
    tags: Vec<Tag>,
}

/// What a run left behind.
struct Outcome {
    run: Layers,
    sums: Scores,
    /// By KV head: dropped position, and the kept one it went into.
    folds: Vec<Vec<(u32, u32)>>,
    /// By KV head.
    gone: Vec<Vec<u32>>,
}

impl Prompt {
    fn of(case: &Case) -> Prompt {
        let [kv_heads, rows, dim] = case.shape("k_in")[..] else { panic!("{}: k_in", case.name) };
        let heads = case.shape("attn_blocks")[0];
        let blocks = case.floats("attn_blocks");
        let sums = blocks.chunks_exact(2 * rows).flat_map(|b| (0..rows).map(|j| b[j] + b[rows + j])).collect();
        let tags = case.bytes("is_image").iter().map(|&i| Tag { picture: i.into(), ..Tag::default() }).collect();
        Prompt { heads, kv_heads, rows, dim, k: case.floats("k_in"), v: case.floats("v_in"), sums, tags }
    }

    async fn run(&self, case: &Case<'_>, params: &[(String, Value)]) -> Outcome {
        let method = methods::build("look_m", params, &methods::Shape { layers: 1 }).unwrap();
        let sums = Rc::new(Cell::new(None));
        let fed = Method { retain: Box::new(Fed { retain: method.retain, sums: sums.clone() }), ..Method::full() };
        let mut run = Layers::new(&case.on, fed, 1, self.heads, self.kv_heads, self.dim, None);
        run.on.tag(0, &self.tags);
        run.begin(0, self.rows as u32).await;
        sums.set(Some(run.on.given(Kv(0), self.heads, &self.sums)));
        let [k, v] = [&self.k, &self.v].map(|x| by_row(x, self.kv_heads, self.rows, self.dim));
        run.layer(0, 0, &vec![0.0; self.rows * self.heads * self.dim], &k, &v).await;
        run.finish().await;
        let (mut folds, mut gone) = (vec![Vec::new(); self.kv_heads], vec![Vec::new(); self.kv_heads]);
        run.on.tracer().take(|block| {
            for r in records(block) {
                if r.kind == Kind::Fold as u8 {
                    folds[r.head as usize].push((r.a, r.b));
                } else if r.kind == Kind::EvictRun as u8 || r.kind == Kind::EvictBits as u8 {
                    gone[r.head as usize].extend(r.positions());
                }
            }
        });
        Outcome { run, sums: sums.get().unwrap(), folds, gone }
    }

    /// Sets, targets and rows against tensors called `<prefix>k` and so on.
    fn compare(&self, case: &Case, out: &Outcome, [k, v]: [&str; 2]) {
        let (kept, evicted) = (case.ints("kept_idx"), case.ints("evicted_idx"));
        let (stored, dropped) = (kept.len() / self.kv_heads, evicted.len() / self.kv_heads);
        let (k, v) = ((k, case.floats(k)), (v, case.floats(v)));
        for head in 0..self.kv_heads {
            let positions = out.run.positions(0, head);
            case.same(&format!("kept_idx head {head}"), positions, &kept[head * stored..][..stored]);
            case.same(&format!("evicted_idx head {head}"), &out.gone[head], &evicted[head * dropped..][..dropped]);
            let cached = &out.run.on.cache().layer(Kv(0))[head];
            for ((what, want), rows) in [(&k, &cached.k), (&v, &cached.v)] {
                let got: Vec<f32> = (0..stored).flat_map(|slot| rows.row(slot, self.dim)).collect();
                let n = stored * self.dim;
                case.close(&format!("{what} head {head}"), &got, &want[head * n..][..n], 2e-6);
            }
            if case.has("nearest") {
                let part = |slots: &[u32]| -> Vec<f32> {
                    slots
                        .iter()
                        .flat_map(|&s| &self.k[(head * self.rows + s as usize) * self.dim..][..self.dim])
                        .copied()
                        .collect()
                };
                let mut near = Vec::new();
                nearest(&part(&out.gone[head]), &part(positions), self.dim, &mut near);
                let (to, cosine): (Vec<u32>, Vec<f32>) = near.into_iter().unzip();
                let at = head * dropped;
                case.same(&format!("nearest head {head}"), &to, &case.ints("nearest")[at..][..dropped]);
                case.close(&format!("sim_max head {head}"), &cosine, &case.floats("sim_max")[at..][..dropped], 2e-6);
            }
        }
    }

    /// Which dropped rows took part, and how many each kept row took.
    fn compare_merges(&self, case: &Case, out: &Outcome, mispaired: bool) {
        let filter = case.bytes("merge_filter");
        let counts = case.floats("merge_count");
        let stored = counts.len() / self.kv_heads;
        for head in 0..self.kv_heads {
            let gone = &out.gone[head];
            let part: Vec<u32> = if mispaired {
                gone[..filter.iter().filter(|&&f| f == 1).count()].to_vec()
            } else {
                gone.iter().zip(&filter).filter(|(_, f)| **f == 1).map(|(&p, _)| p).collect()
            };
            let from: Vec<u32> = out.folds[head].iter().map(|f| f.0).collect();
            assert_eq!(from, part, "{} merge_filter head {head}", case.name);
            let count = |p: &u32| 1.0 + out.folds[head].iter().filter(|f| f.1 == *p).count() as f32;
            let got: Vec<f32> = out.run.positions(0, head).iter().map(count).collect();
            assert_eq!(got, counts[head * stored..][..stored], "{} merge_count head {head}", case.name);
        }
    }
}

fn budget(case: &Case) -> Vec<(String, Value)> {
    let params = case.ints("params");
    given([("important", number(params[0] as usize)), ("recent", number(params[1] as usize))])
}

/// The mode is the file's name without its case.
pub async fn published(case: &Case<'_>) {
    let mode = case.stem.rsplit_once('_').unwrap().0;
    let (text_prior, merge) = match mode {
        "h2o" => (false, "none"),
        "pivot" => (false, "pivotal"),
        "text_prior" => (true, "none"),
        "text_pivot" => (true, "pivotal"),
        "text_avg" => (true, "averaged"),
        "text_weighted" => (true, "weighted"),
        other => panic!("mode {other}"),
    };
    let rest =
        given([("text_prior", Value::Flag(text_prior)), ("merge", word(merge)), ("compat", word("published_code"))]);
    let prompt = Prompt::of(case);
    let out = prompt.run(case, &[budget(case), rest].concat()).await;
    prompt.compare(case, &out, ["k_out", "v_out"]);
    assert_eq!(case.has("merge_filter"), merge != "none", "{}", case.name);
    if merge != "none" {
        prompt.compare_merges(case, &out, merge == "averaged");
    }
}

pub async fn paper(case: &Case<'_>) {
    let prompt = Prompt::of(case);
    let modes = [
        ("none", ["text_prior.k", "text_prior.v"]),
        ("pivotal", ["text_pivot.k", "text_pivot.v"]),
        ("averaged", ["text_avg.k", "text_avg.v"]),
        ("weighted", ["text_weighted.k", "text_weighted.v"]),
    ];
    for (merge, rows) in modes {
        let out = prompt.run(case, &[budget(case), given([("merge", word(merge))])].concat()).await;
        prompt.compare(case, &out, rows);
        let scores = case.floats("scores");
        for head in 0..prompt.kv_heads {
            let got = out.run.on.scores(out.sums, head).unwrap();
            case.close(&format!("scores head {head}"), got, &scores[head * prompt.rows..][..prompt.rows], 1e-4);
            let all = if merge == "none" { 0 } else { out.gone[head].len() };
            assert_eq!(out.folds[head].len(), all, "{} every dropped row is merged", case.name);
        }
    }
}
