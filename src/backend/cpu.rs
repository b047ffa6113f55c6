//! The CPU back end: runs at once, on the calling thread.

mod attention;
mod combine;
mod dense;
mod derive;
mod fold;
mod narrow;
mod ops;
mod pages;
mod partial;
mod positions;
mod probe;
mod rounded;
mod rounds;
mod scores;
mod shadow;
mod spread;
mod tables;
mod unmasked;
#[cfg(feature = "gpu")]
mod view;
mod weigh;
mod weights;

pub use weights::{WeightData, Weights};

use crate::{
    Error, Result,
    backend::account::ReadCount,
    cache::{Cache, Rows, Store},
    kernels::{
        Activations, AttendScratch, Candidates, GemmScratch, Matrix, Picked, Precision, Rope, SharedProducts,
        add_assign, matmul, rms_norm,
    },
    method::Positions,
    model::{Config, RopeConfig},
    ops::{Kv, Missed, Scores, Set, Tags, Weight},
    trace::{Detail, Tracer},
};
use std::{ops::Range, sync::Arc};
use tables::Tables;

/// What attention needs to know of a model.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub query_heads: usize,
    /// KV heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Rotation of queries and keys; `None`: they come rotated.
    pub rope: Option<RopeConfig>,
    /// RMS norm epsilon.
    pub eps: f32,
}

impl From<&Config> for Shape {
    fn from(c: &Config) -> Shape {
        Shape {
            layers: c.layers as usize,
            query_heads: c.query_heads as usize,
            kv_heads: c.kv_heads as usize,
            head_dim: c.head_dim as usize,
            rope: Some(c.rope.clone()),
            eps: c.eps,
        }
    }
}

/// The CPU back end of one session.
pub struct Cpu {
    shape: Shape,
    weights: Arc<Weights>,
    positions: Positions,
    rope: Option<Rope>,
    cache: Cache,
    tables: Tables,
    tracer: Tracer,
    read: ReadCount,
    /// What the pass's sparse reads missed, where they were compared.
    missed: Vec<Missed>,
    pass: PassRows,
    /// Residual stream, `[rows, width]`.
    x: Vec<f32>,
    /// Queries of the pass, `[rows, query_heads * head_dim]`.
    q: Vec<f32>,
    /// Keys, values and other matrix outputs of a chunk.
    chunk: [Vec<f32>; 2],
    /// Attention output of a chunk, `[chunk, query_heads * head_dim]`.
    output: Vec<f32>,
    /// Of a shadow evaluation, `[query_heads * head_dim]`.
    dense: Vec<f32>,
    activations: Activations,
    products: Products,
    attend: AttendScratch,
    /// Log-sum-exp of the newest attention's scores, `[rows, query_heads]`; empty when it read less than everything.
    lse: Vec<f32>,
    /// The slots that several rows read, and their keys and values.
    slots: Vec<u32>,
    gathered: [Rows; 2],
    /// Rows of the newest logits, what was picked of them, and room for that.
    answered: usize,
    picked: Vec<Picked>,
    candidates: Candidates,
    /// Mass of one KV head's group, `[group, slots]`.
    columns: Vec<f32>,
    /// Slots a group has read.
    seen: Vec<bool>,
    /// Keys and values of a head with quantised rows, `[slots, head_dim]`.
    whole: [Vec<f32>; 2],
    /// Tags by original position.
    tags: Tags,
    /// Products are with narrower copies, where there are any.
    narrow: bool,
    /// Whether what is quantised is compared with what it was.
    measure_noise: bool,
}

/// How products are made.
#[derive(Default)]
struct Products {
    scratch: GemmScratch,
    shared: Option<SharedProducts>,
}

impl Products {
    fn times(&mut self, w: &Matrix, x: &Activations, out: &mut Vec<f32>) {
        out.resize(x.rows() * w.rows(), 0.0);
        match &self.shared {
            Some(shared) => shared.matmul(w, x, out, &mut self.scratch),
            None => matmul(w, x, out, &mut self.scratch),
        }
    }
}

/// The running pass.
#[derive(Clone, Copy, Debug, Default)]
struct PassRows {
    first: u32,
    rows: u32,
    /// Its keys and values belong to another host.
    elsewhere: bool,
    /// First row that has attended in the layer at hand.
    attended: Option<u32>,
}

impl PassRows {
    /// Slots before row `row` of the pass in a head that has `live`.
    fn before(&self, live: usize, row: u32) -> usize {
        if self.elsewhere { live } else { live - (self.rows - row) as usize }
    }
}

impl Cpu {
    /// A back end with an empty cache.
    ///
    /// # Errors
    /// [`Error::Shape`] when the RoPE configuration does not fit the head; [`Error::State`] for [`Store::Device`].
    pub fn new(shape: Shape, weights: Arc<Weights>, positions: Positions, store: Store) -> Result<Cpu> {
        if matches!(store, Store::Device(_)) {
            return Err(Error::State("the CPU stores its rows itself"));
        }
        let rope = |r: &RopeConfig| Rope::new(r.dim as usize, &r.frequencies(), 0, r.style);
        Ok(Cpu {
            rope: shape.rope.as_ref().map(rope).transpose()?,
            cache: Cache::new(shape.layers, shape.kv_heads, shape.head_dim, store),
            shape,
            weights,
            positions,
            tables: Tables::default(),
            tracer: Tracer::default(),
            read: ReadCount::default(),
            missed: Vec::new(),
            pass: PassRows::default(),
            x: Vec::new(),
            q: Vec::new(),
            chunk: Default::default(),
            output: Vec::new(),
            dense: Vec::new(),
            activations: Activations::default(),
            products: Products::default(),
            attend: AttendScratch::default(),
            lse: Vec::new(),
            answered: 0,
            picked: Vec::new(),
            candidates: Candidates::default(),
            slots: Vec::new(),
            gathered: [Rows::new(store), Rows::new(store)],
            columns: Vec::new(),
            seen: Vec::new(),
            whole: Default::default(),
            tags: Tags::default(),
            narrow: false,
            measure_noise: false,
        })
    }

    /// The same with products of another precision.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Cpu {
        self.activations = Activations::new(precision);
        self
    }

    /// The cache, for tests and views.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Output of the newest [`attend`](Dense::attend), `[rows, query_heads * head_dim]`.
    #[must_use]
    pub fn output(&self) -> &[f32] {
        &self.output
    }

    /// Slots that a query head reads of a set of the running pass.
    ///
    /// # Errors
    /// [`Error::State`] when the pass has ended.
    pub fn slots(&self, set: Set, head: usize) -> Result<&[u32]> {
        let set = self.tables.set(set)?;
        Ok(set.list(head * set.groups() / self.shape.query_heads))
    }

    /// Scores of one group of a table of the running pass, by slot as it was when the table was made.
    ///
    /// # Errors
    /// [`Error::State`] when the pass has ended, [`Error::Shape`] when the table has fewer groups.
    pub fn scores(&self, scores: Scores, group: usize) -> Result<&[f32]> {
        let table = self.tables.table(scores)?;
        if group >= table.groups {
            let (want, got) = (format!("a group below {}", table.groups), group.to_string());
            return Err(Error::Shape { op: "scores", want, got });
        }
        Ok(table.whole(&self.cache, group))
    }

    /// A score table of given numbers, `[groups, columns]`: what another computed goes through a method.
    pub fn given(&mut self, kv: Kv, groups: usize, scores: &[f32]) -> Scores {
        self.tables.given(kv, groups, scores)
    }

    /// Begins a pass of `rows` rows at position `first` without a model: [`store`](Cpu::store) brings its queries.
    pub fn begin(&mut self, first: u32, rows: u32) {
        self.pass = PassRows { first, rows, ..PassRows::default() };
        self.read = ReadCount::default();
        self.missed.clear();
        self.tables.clear();
    }

    /// Takes in the rows of a layer: rotates queries and keys, appends keys and values unless they are `None` because
    /// another host stores them. `q` is `[rows, query_heads * head_dim]`, `k` and `v` `[rows, kv_heads * head_dim]`;
    /// `rows` are rows of the pass.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn store(&mut self, kv: Kv, q: &[f32], mut own: Option<(&mut [f32], &[f32])>, rows: Range<u32>) -> Result<()> {
        let (first, total, dim) = (self.pass.first, self.pass.rows, self.shape.head_dim);
        let width = self.shape.query_heads * dim;
        self.pass.elsewhere = own.is_none();
        if rows.start == 0 {
            self.q.resize(total as usize * width, 0.0);
        }
        if rows.start == 0 && own.is_some() {
            self.cache.make_room(kv, total as usize)?;
            if self.tracer.detail >= Detail::Sets {
                self.cache.record_append(kv, first, total, &mut self.tracer);
            }
        }
        let live = self.cache.live(kv) as u32;
        let at = match self.positions {
            Positions::Text => first + rows.start,
            Positions::Slot => live,
        };
        let queries = &mut self.q[rows.start as usize * width..rows.end as usize * width];
        queries.copy_from_slice(q);
        if let Some(rope) = &mut self.rope {
            let end = (at + rows.end - rows.start) as usize;
            if end > rope.positions() {
                rope.grow(end.next_multiple_of(256))?;
            }
            for (i, row) in queries.chunks_exact_mut(width).enumerate() {
                rope.rotate(row, dim, at as usize + i);
            }
            if let (Positions::Text, Some((k, _))) = (self.positions, &mut own) {
                for (i, row) in k.chunks_exact_mut(self.shape.kv_heads * dim).enumerate() {
                    rope.rotate(row, dim, at as usize + i);
                }
            }
        }
        if let Some((k, v)) = own {
            self.cache.append(kv, k, v, first + rows.start);
        }
        Ok(())
    }

    fn width(&self) -> usize {
        self.x.len() / (self.pass.rows as usize).max(1)
    }

    /// activations = norm(residual) of some rows.
    fn load_normed(&mut self, norm: Weight, rows: &Range<u32>) -> Result<()> {
        let width = self.width();
        let weights = self.weights.clone();
        let norm = weights.vector(norm)?;
        let normed = &mut self.chunk[0];
        normed.resize(rows.len() * width, 0.0);
        let x = &self.x[rows.start as usize * width..rows.end as usize * width];
        for (x, out) in x.chunks_exact(width).zip(normed.chunks_exact_mut(width)) {
            rms_norm(x, norm, self.shape.eps, out);
        }
        self.activations.load(normed, rows.len(), width);
        Ok(())
    }

    /// One of the chunk buffers = activations times a matrix.
    fn times(&mut self, w: Weight, into: usize) -> Result<()> {
        let matrix = if self.narrow { self.weights.narrowed(w)? } else { self.weights.matrix(w)? };
        self.products.times(matrix, &self.activations, &mut self.chunk[into]);
        Ok(())
    }

    fn add_times(&mut self, w: Weight, rows: &Range<u32>) -> Result<()> {
        self.times(w, 0)?;
        let width = self.width();
        add_assign(&mut self.x[rows.start as usize * width..rows.end as usize * width], &self.chunk[0]);
        Ok(())
    }
}
