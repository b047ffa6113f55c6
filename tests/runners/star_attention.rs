//! `star_attention`: published code on a small network; caches, logits and merges within 2e-5, tokens exact. Every case
//! runs on its hosts with the published causal cut and without, and on one host.

use super::{Case, Layers, given, number};
use attnscope::{
    kernels::{RopeStyle, merge},
    method::{Method, Pass, Text},
    methods::{self, Plan},
    model::RopeConfig,
    ops::Kv,
};

const TOLERANCE: f32 = 2e-5;

pub async fn run(case: &Case<'_>) {
    if case.stem.starts_with("merge") {
        merged(case);
    } else {
        phases(case).await;
    }
}

fn merged(case: &Case) {
    let shape = case.shape("part_out");
    let [parts, batch, rows, heads, dim] = shape[..] else { panic!("{}: part_out", case.name) };
    let (outputs, lses) = (case.floats("part_out"), case.floats("part_lse"));
    // `[batch, heads, rows]` to `[batch, rows, heads]`.
    let by_row = |lse: &[f32]| -> Vec<f32> {
        let of = |b: usize, r: usize| (0..heads).map(move |h| lse[(b * heads + h) * rows + r]);
        (0..batch).flat_map(|b| (0..rows).flat_map(move |r| of(b, r))).collect()
    };
    let lses: Vec<_> = lses.chunks_exact(batch * heads * rows).map(by_row).collect();
    let (mut out, mut lse) = (vec![0.0; batch * rows * heads * dim], vec![0.0; batch * rows * heads]);
    assert_eq!(lses.len(), parts);
    let pairs = outputs.chunks_exact(out.len()).zip(lses.iter().map(Vec::as_slice));
    merge(dim, pairs, &mut out, &mut lse);
    case.close("out", &out, &case.floats("out"), TOLERANCE);
    case.close("lse", &lse, &by_row(&case.floats("lse")), TOLERANCE);
}

/// x = emb[id]; per layer x += attention(x wq, x wk, x wv) wo; logits = x headᵀ.
struct Network {
    layers: usize,
    query_heads: usize,
    kv_heads: usize,
    dim: usize,
    width: usize,
    emb: Vec<f32>,
    head: Vec<f32>,
    /// `[layers]` each of wq, wk, wv, wo.
    weights: [Vec<f32>; 4],
}

impl Network {
    fn of(&self, which: usize, layer: usize, x: &[f32], inputs: usize) -> Vec<f32> {
        let w = &self.weights[which][layer * self.weights[which].len() / self.layers..];
        let outputs = self.weights[which].len() / self.layers / inputs;
        let row = |x: &[f32]| -> Vec<f32> {
            (0..outputs).map(|o| (0..inputs).map(|i| x[i] * w[i * outputs + o]).sum()).collect()
        };
        x.chunks_exact(inputs).flat_map(row).collect()
    }

    fn embed(&self, ids: &[u32]) -> Vec<f32> {
        ids.iter().flat_map(|&id| &self.emb[id as usize * self.width..][..self.width]).copied().collect()
    }

    fn logits(&self, x: &[f32]) -> Vec<f32> {
        let x = &x[x.len() - self.width..];
        self.head.chunks_exact(self.width).map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    }

    fn host(&self, case: &Case, method: Method) -> Layers {
        let rope =
            RopeConfig { dim: self.dim as u32, base: 1e4, linear: 1.0, divisors: Vec::new(), style: RopeStyle::Halves };
        Layers::new(&case.on, method, self.layers, self.query_heads, self.kv_heads, self.dim, Some(rope))
    }

    /// Runs all hosts to the end; the logits of every token and the tokens. `look` sees the hosts after the context.
    async fn generate(
        &self,
        mut hosts: Vec<Layers>,
        text: &Text,
        look: impl FnOnce(&[Layers]),
    ) -> (Vec<f32>, Vec<u32>) {
        let context = text.rounds[1];
        let texts = || Text { ids: text.ids.clone(), rounds: text.rounds.clone(), ..*text };
        let mut texts: Vec<Text> = hosts.iter().map(|_| texts()).collect();
        let mut passes = Vec::new();
        for (host, text) in hosts.iter_mut().zip(&mut texts) {
            loop {
                let pass = host.method.schedule.next(text).unwrap();
                if pass.rows.start >= context {
                    passes.push(pass);
                    break;
                }
                text.fed = pass.rows.end;
                self.pass(std::slice::from_mut(host), text, &[pass]).await;
            }
        }
        look(&hosts);
        let (mut logits, mut tokens) = (Vec::new(), Vec::new());
        loop {
            let x = self.pass(&mut hosts, &texts[0], &passes).await;
            let row = self.logits(&x);
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32;
            logits.extend(row);
            tokens.push(best);
            for text in &mut texts {
                text.fed = passes[0].rows.end;
                text.ids.push(best);
                text.accepted += 1;
            }
            let next = hosts.iter_mut().zip(&texts).map(|(host, text)| host.method.schedule.next(text)).collect();
            let Some(next) = next else { return (logits, tokens) };
            passes = next;
        }
    }

    /// One pass of all hosts; what the last one has after its last layer.
    async fn pass(&self, hosts: &mut [Layers], text: &Text, passes: &[Pass]) -> Vec<f32> {
        let rows = passes[0].rows.clone();
        let mut x = self.embed(&text.ids[rows.start as usize..rows.end as usize]);
        for (host, pass) in hosts.iter_mut().zip(passes) {
            host.begin(rows.start, rows.len() as u32).await;
            (host.kind, host.hidden, host.stores) = (Some(pass.kind), pass.hidden.clone(), pass.stores);
        }
        for layer in 0..self.layers {
            let [q, k, v] = [0, 1, 2].map(|which| self.of(which, layer, &x, self.width));
            let mut found = Vec::new();
            for host in &mut *hosts {
                found.push(host.layer_partial(layer as u32, rows.start, &q, &k, &v).await);
            }
            let mut output = found[0].0.clone();
            if passes[0].shared {
                let partials: Vec<_> = found.into_iter().map(|(_, partials)| partials[0].clone().unwrap()).collect();
                for host in &mut *hosts {
                    host.on.merge(Kv(layer as u32), &partials).unwrap();
                    host.on.settle().await;
                }
                output = hosts[0].on.output().to_vec();
                hosts.iter().for_each(|host| assert_eq!(host.on.output(), output, "every host finds the same"));
            }
            let width = self.query_heads * self.dim;
            x.iter_mut().zip(self.of(3, layer, &output, width)).for_each(|(x, o)| *x += o);
        }
        x
    }
}

async fn phases(case: &Case<'_>) {
    let params: Vec<usize> = case.floats("params").iter().map(|&x| x as usize).collect();
    let [context, block, anchor, hosts, question, generated, layers, query_heads, kv_heads, dim, width] = params[..]
    else {
        panic!("{}: params", case.name)
    };
    let network = Network {
        layers,
        query_heads,
        kv_heads,
        dim,
        width,
        emb: case.floats("emb"),
        head: case.floats("head"),
        weights: ["wq", "wk", "wv", "wo"].map(|name| case.floats(name)),
    };
    let ids: Vec<u32> = ["ctx_ids", "qry_ids"].iter().flat_map(|name| case.floats(name)).map(|id| id as u32).collect();
    let length = (context + question) as u32;
    let text =
        Text { accepted: length, fed: 0, limit: length + generated as u32, rounds: vec![0, context as u32], ids };
    let check_cache = |hosts: &[Layers]| {
        for (name, keys) in [("k_cache", true), ("v_cache", false)] {
            let mut got = Vec::new();
            for (layer, head) in (0..layers).flat_map(|layer| (0..kv_heads).map(move |head| (layer, head))) {
                for host in hosts {
                    let head = &host.on.cache().layer(Kv(layer as u32))[head];
                    let rows = if keys { &head.k } else { &head.v };
                    (0..head.len()).for_each(|slot| got.extend(rows.row(slot, dim)));
                }
            }
            case.close(name, &got, &case.floats(name), TOLERANCE);
        }
    };
    for (published, logits, tokens) in [(true, "logits", "tokens"), (false, "logits_paper_ref", "tokens_paper_ref")] {
        let plan = Plan {
            context: context as u32,
            block: block as u32,
            anchor: anchor as u32,
            hosts: hosts as u32,
            published,
        };
        let all = (0..hosts as u32).map(|host| network.host(case, plan.method(host))).collect();
        let run = network.generate(all, &text, |hosts| {
            check_cache(hosts);
            let kept: Vec<f32> = hosts.iter().map(|host| host.positions(0, 0).len() as f32).collect();
            assert_eq!(kept, case.floats("host_len"), "{} tokens a host keeps", case.name);
        });
        let (got, ids) = run.await;
        case.close(logits, &got, &case.floats(logits), TOLERANCE);
        assert_eq!(ids, case.floats(tokens).iter().map(|&id| id as u32).collect::<Vec<_>>(), "{} {tokens}", case.name);
    }
    let given = given([("block_size", number(block)), ("anchor_size", number(anchor))]);
    let method = methods::build("star_attention", &given, &methods::Shape { layers: layers as u32 }).unwrap();
    let (got, _) = network.generate(vec![network.host(case, method)], &text, check_cache).await;
    case.close("logits on one host", &got, &case.floats("logits_paper_ref"), TOLERANCE);
}
