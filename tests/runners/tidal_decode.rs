//! `tidaldecode`: published code; the sets are exact, outputs within 2e-6.

use super::{Case, Layers, by_row};
use attnscope::{
    method::{LayerCx, Method, Select, Site},
    methods::{self, TidalDecode},
    ops::{Mass, Pins, Read, Scores, Set},
};
use std::{cell::Cell, rc::Rc};

/// The method of the registry, with a view of the set in force.
struct Watched {
    method: TidalDecode,
    held: Rc<Cell<Option<Set>>>,
}

impl Select for Watched {
    fn wants(&self, at: &Site) -> Option<Mass> {
        self.method.wants(at)
    }
    fn read(&mut self, cx: &mut LayerCx) -> attnscope::Result<Read> {
        self.method.read(cx)
    }
    fn learn(&mut self, cx: &mut LayerCx, mass: Scores) -> attnscope::Result<()> {
        self.method.learn(cx, mass)?;
        self.held.set(self.method.held);
        Ok(())
    }
}

pub async fn run(case: &Case<'_>) {
    let params: Vec<usize> = case.floats("params").iter().map(|&x| x as usize).collect();
    let [heads, kv_heads, dim, layers, start, corr, top_k, n0, steps] = params[..] else {
        panic!("{}: params", case.name)
    };
    let held = Rc::new(Cell::new(None));
    let method = TidalDecode {
        start: start as u32,
        reselect: vec![corr as u32],
        top_k: top_k as u32,
        pins: Pins::default(),
        share: methods::Share::QueryHead,
        held: None,
    };
    let method = Method { select: Box::new(Watched { method, held: held.clone() }), ..Method::full() };
    let mut run = Layers::new(&case.on, method, layers, heads, kv_heads, dim, None);

    let (k_cache, v_cache) = (case.floats("k_cache"), case.floats("v_cache"));
    run.begin(0, n0 as u32).await;
    for layer in 0..layers {
        let cached = |x: &[f32]| by_row(&x[layer * kv_heads * n0 * dim..][..kv_heads * n0 * dim], kv_heads, n0, dim);
        run.store(layer as u32, &vec![0.0; n0 * heads * dim], &cached(&k_cache), &cached(&v_cache));
    }
    let (q, k, v) = (case.floats("q"), case.floats("k_new"), case.floats("v_new"));
    let (out, mask) = (case.floats("out"), case.floats("sel_mask"));
    let columns = n0 + steps;
    for step in 0..steps {
        let first = (n0 + step) as u32;
        run.begin(first, 1).await;
        held.set(None);
        for layer in 0..layers {
            let at = step * layers + layer;
            let row = |x: &[f32], n: usize| x[at * n..][..n].to_vec();
            let got = run
                .layer(layer as u32, first, &row(&q, heads * dim), &row(&k, kv_heads * dim), &row(&v, kv_heads * dim))
                .await;
            case.close(&format!("out, step {step} layer {layer}"), &got, &row(&out, heads * dim), 2e-6);
            for head in 0..heads {
                let want: Vec<u32> =
                    (0..columns as u32).filter(|&c| mask[(at * heads + head) * columns + c as usize] == 1.0).collect();
                let got =
                    held.get().map_or_else(|| (0..=first).collect(), |set| run.on.slots(set, head).unwrap().to_vec());
                assert_eq!(got, want, "{} set, step {step} layer {layer} head {head}", case.name);
            }
        }
    }
}
