//! Attention layers without a model: given queries, keys and values go through a back end and the very layer code the
//! engine runs, keys and values in f32.

use super::on::{Bed, On};
use crate::common::breathe;
use attnscope::{
    backend::Shape,
    engine::{self, LayerRun},
    method::{Method, PassKind, Site},
    model::RopeConfig,
    ops::{Kv, Partial, Tag},
    trace::Detail,
};
use std::ops::Range;

pub struct Layers {
    pub on: Box<dyn Bed>,
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
    /// A pass was begun and not ended.
    running: bool,
}

impl Layers {
    pub fn new(
        on: &On,
        method: Method,
        layers: usize,
        query_heads: usize,
        kv_heads: usize,
        head_dim: usize,
        rope: Option<RopeConfig>,
    ) -> Layers {
        let shape = Shape { layers, query_heads, kv_heads, head_dim, rope, eps: 1e-5 };
        let positions = method.retain.positions();
        let mut on = on.bed(shape.clone(), positions);
        on.reset(0).unwrap();
        on.tracer().detail = Detail::Sets;
        Layers { on, method, kind: None, hidden: 0..0, stores: true, rounds: vec![0], shape, passes: 0, running: false }
    }

    /// Says where rounds begin, the first at 0.
    pub fn rounds(&mut self, starts: Vec<u32>) {
        let ends = starts[1..].iter().copied().chain([starts[starts.len() - 1] + 1]);
        for (round, (&first, end)) in starts.iter().zip(ends).enumerate() {
            self.on.tag(first, &vec![Tag { round: round as u16, picture: 0 }; (end - first) as usize]);
        }
        self.rounds = starts;
    }

    /// Ends a pass, if one is running, and begins one of `rows` rows at position `first`.
    pub async fn begin(&mut self, first: u32, rows: u32) {
        self.finish().await;
        self.on.begin(first, rows);
        self.passes += 1;
        self.running = true;
    }

    /// Ends a pass: all that was asked for is there and agrees.
    pub async fn finish(&mut self) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        self.on.submit().unwrap();
        while !self.on.arrived().unwrap() {
            breathe().await;
        }
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
            live: self.on.live(Kv(layer)),
            quantised: self.on.quantised(Kv(layer)),
            round: round as u32,
            question: (first + rows - self.rounds[round]).min(rows),
        }
    }

    /// Lets the method make room in a layer before `rows` rows come at position `first`.
    pub fn make_room(&mut self, layer: u32, first: u32, rows: u32) {
        let site = self.site(layer, first, rows);
        engine::make_room(&mut self.method, &mut *self.on, site).unwrap();
        self.running = true;
    }

    /// One layer of the pass; returns the attention output, `[rows, query_heads * head_dim]`.
    pub async fn layer(&mut self, layer: u32, first: u32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        self.layer_partial(layer, first, q, k, v).await.0
    }

    /// The same, and for each piece of the rows what other hosts would get.
    pub async fn layer_partial(
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
        let run = LayerRun::begin(&mut self.method, &mut *self.on, site, &self.hidden).unwrap();
        let (mut out, mut partials) = (Vec::new(), Vec::new());
        for first in (0..rows).step_by(engine::CHUNK as usize) {
            run.attend(first..rows.min(first + engine::CHUNK), &mut *self.on).unwrap();
            self.on.settle().await;
            out.extend_from_slice(self.on.output());
            partials.push(self.on.partial().ok());
        }
        run.settle(&mut self.method, &mut *self.on).unwrap();
        self.on.settle().await;
        (out, partials)
    }

    /// Only stores rows: a cache that was there before.
    pub fn store(&mut self, layer: u32, q: &[f32], k: &[f32], v: &[f32]) {
        let rows = (q.len() / (self.shape.query_heads * self.shape.head_dim)) as u32;
        let mut k = k.to_vec();
        self.on.store(Kv(layer), q, self.stores.then_some((&mut k, v)), 0..rows);
    }

    /// Positions a KV head keeps.
    pub fn positions(&self, layer: u32, head: usize) -> &[u32] {
        &self.on.cache().layer(Kv(layer))[head].position
    }
}
