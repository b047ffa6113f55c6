//! Attention layers without a model: given queries, keys and values go through the CPU back end and the very layer
//! code the engine runs, keys and values in f32.

use attnscope::{
    backend::{Cpu, Shape, Weights},
    cache::Store,
    engine::{self, LayerRun},
    method::{Method, PassKind, Site},
    model::RopeConfig,
    ops::{Dense, Kv, Partial, Tag},
    trace::Detail,
};
use std::{ops::Range, sync::Arc};

pub struct Layers {
    pub cpu: Cpu,
    pub method: Method,
    /// What a pass is for; `None`: a prompt when it has several rows, else decoding.
    pub kind: Option<PassKind>,
    /// Positions that the pass does not read.
    pub hidden: Range<u32>,
    /// Whether the pass stores its rows.
    pub stores: bool,
    /// Where rounds of the conversation begin.
    rounds: Vec<u32>,
    shape: Shape,
    passes: u32,
}

impl Layers {
    pub fn new(
        method: Method,
        layers: usize,
        query_heads: usize,
        kv_heads: usize,
        head_dim: usize,
        rope: Option<RopeConfig>,
    ) -> Layers {
        let shape = Shape { layers, query_heads, kv_heads, head_dim, rope, eps: 1e-5 };
        let positions = method.retain.positions();
        let mut cpu = Cpu::new(shape.clone(), Arc::new(Weights::default()), positions, Store::F32).unwrap();
        cpu.reset(0).unwrap();
        cpu.tracer().detail = Detail::Sets;
        Layers { cpu, method, kind: None, hidden: 0..0, stores: true, rounds: vec![0], shape, passes: 0 }
    }

    /// Says where rounds begin, the first at 0.
    pub fn rounds(&mut self, starts: Vec<u32>) {
        let ends = starts[1..].iter().copied().chain([starts[starts.len() - 1] + 1]);
        for (round, (&first, end)) in starts.iter().zip(ends).enumerate() {
            self.cpu.tag(first, &vec![Tag { round: round as u16, picture: 0 }; (end - first) as usize]);
        }
        self.rounds = starts;
    }

    /// Begins a pass of `rows` rows at position `first`.
    pub fn begin(&mut self, first: u32, rows: u32) {
        self.cpu.begin(first, rows);
        self.passes += 1;
    }

    fn site(&self, layer: u32, first: u32, rows: u32) -> Site {
        let round = self.rounds.partition_point(|&start| start < first + rows) - 1;
        Site {
            layer,
            layers: self.shape.layers as u32,
            group: (self.shape.query_heads / self.shape.kv_heads) as u32,
            kind: self.kind.unwrap_or(if rows > 1 { PassKind::Prefill } else { PassKind::Decode }),
            rows,
            position: first + rows - 1,
            step: self.passes - 1,
            live: self.cpu.live(Kv(layer)),
            quantised: self.cpu.quantised(Kv(layer)),
            round: round as u32,
            question: (first + rows - self.rounds[round]).min(rows),
        }
    }

    /// Lets the method make room in a layer before `rows` rows come at position `first`.
    pub fn make_room(&mut self, layer: u32, first: u32, rows: u32) {
        let site = self.site(layer, first, rows);
        engine::make_room(&mut self.method, &mut self.cpu, site).unwrap();
    }

    /// One layer of the pass; returns the attention output, `[rows, query_heads * head_dim]`.
    pub fn layer(&mut self, layer: u32, first: u32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        self.layer_partial(layer, first, q, k, v).0
    }

    /// The same, and for each piece of the rows what other hosts would get.
    pub fn layer_partial(
        &mut self,
        layer: u32,
        first: u32,
        q: &[f32],
        k: &[f32],
        v: &[f32],
    ) -> (Vec<f32>, Vec<Option<Partial>>) {
        let rows = (q.len() / (self.shape.query_heads * self.shape.head_dim)) as u32;
        self.make_room(layer, first, rows);
        self.store(layer, q, k, v);
        let site = self.site(layer, first, rows);
        let run = LayerRun::begin(&mut self.method, &mut self.cpu, site, &self.hidden).unwrap();
        let (mut out, mut partials) = (Vec::new(), Vec::new());
        for first in (0..rows).step_by(engine::CHUNK as usize) {
            run.attend(first..rows.min(first + engine::CHUNK), &mut self.cpu).unwrap();
            out.extend_from_slice(self.cpu.output());
            partials.push(self.cpu.partial().ok());
        }
        run.settle(&mut self.method, &mut self.cpu).unwrap();
        (out, partials)
    }

    /// Only stores rows: a cache that was there before.
    pub fn store(&mut self, layer: u32, q: &[f32], k: &[f32], v: &[f32]) {
        let rows = (q.len() / (self.shape.query_heads * self.shape.head_dim)) as u32;
        let mut k = k.to_vec();
        self.cpu.store(Kv(layer), q, self.stores.then_some((&mut k, v)), 0..rows).unwrap();
    }

    /// Positions a KV head keeps.
    pub fn positions(&self, layer: u32, head: usize) -> &[u32] {
        &self.cpu.cache().layer(Kv(layer))[head].position
    }
}
