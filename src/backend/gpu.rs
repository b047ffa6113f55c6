//! The WebGPU back end.
//!
//! The same code runs natively (Vulkan, Metal, Direct3D 12) and in a page. Only WebGPU's default limits are asked for, so
//! what a software adapter computes in a test is what a graphics card computes. A pass is recorded call by call and
//! submitted once; what the host must know of it comes back in one wait. `docs/gpu.md` says how buffers are laid out and
//! how a token is recorded.

mod attention;
mod choice;
mod columns;
mod dense;
mod device;
mod estimates;
mod fold;
mod kernels;
mod look;
mod memory;
mod merge;
mod mirror;
mod ops;
mod planes;
mod rounds;
mod self_test;
mod sent;
mod shadow;
mod store;
mod tables;
mod weigh;
mod weights;

pub use device::{Buffer, Burst, Counters, Device, Kernel, Pending, Report};
pub use kernels::*;
pub(super) use look::Place;
pub use weights::DeviceWeights;

use std::rc::Rc;

use super::Shape;
use crate::{
    Error, Result,
    cache::{Cache, Store},
    kernels::{Picked, Rope},
    method::Positions,
    ops::{AHEAD, Kv, ROW, Tags},
};
use kernels::row_words;
use memory::Memory;
use mirror::Mirror;
use planes::PlaneStore;
use sent::Sent;
use tables::Handles;

/// Slots a KV head has room for are a multiple of this.
const STEP: u32 = 64;

/// The GPU back end of one session.
pub struct Gpu {
    device: Rc<Device>,
    shape: Shape,
    heads: Heads,
    weights: Option<Rc<DeviceWeights>>,
    positions: Positions,
    rope: Option<(Rope, RopeTable)>,
    /// Keys and values of all layers, `[layer, KV head, capacity, head_dim]`, and how they are stored.
    stored: [Buffer; 2],
    store: Store,
    /// Rows in two planes, where a method quantises.
    planes: Option<PlaneStore>,
    memory: Memory,
    handles: Handles,
    mirror: Mirror,
    /// Most slots of any KV head of a layer, as recorded so far.
    live: Vec<u32>,
    /// Slots of a layer in two planes, the oldest of every KV head.
    quantised: Vec<u32>,
    /// Products are with narrower copies of matrices, where there are any.
    narrow: bool,
    /// Whether what is quantised is compared with what it was.
    measure_noise: bool,
    /// Whether the KV heads of a layer have as many slots each.
    alike: Vec<bool>,
    /// Whether nothing was dropped of a layer, so that slots are positions.
    whole: Vec<bool>,
    tags: Tags,
    /// Whether the device has them as they are.
    tags_sent: bool,
    pass: PassRows,
    room: Room,
    burst: Option<Burst>,
    /// Passes that have not arrived: one, and those that ran ahead of it.
    sent: Vec<Sent>,
    /// Tokens they picked.
    picks: u32,
    answer: Vec<f32>,
    picked: Vec<Picked>,
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
    /// What is read are rounded copies of the layer's rows.
    rounded: bool,
    /// Rows of the newest attention.
    newest: u32,
    logits: Logits,
    /// Widths of the residual stream and of the MLP's hidden rows.
    width: u32,
    hidden: u32,
}

/// The logits that a pass ends with, if any.
#[derive(Clone, Copy, Debug, Default)]
struct Logits {
    rows: u32,
    columns: u32,
    /// Whether the host wants them.
    back: bool,
}

impl Logits {
    fn words(self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns)
    }
}

/// Buffers of activations, named after their role, as large as was needed so far.
struct Room {
    /// Residual stream, `[rows, width]`.
    x: Buffer,
    /// Queries of the pass, `[rows, query_heads * head_dim]`.
    q: Buffer,
    /// Queries, keys and values of a chunk as the projection left them.
    qkv: Buffer,
    /// Attention output of a chunk and its log-sum-exps.
    output: Buffer,
    lse: Buffer,
    /// The MLP's hidden rows of a chunk.
    hidden: Buffer,
    logits: Buffer,
    /// Of each row of them the token and whether all are finite.
    picked: Buffer,
    /// Parts of a decode step's attention, and its scores by place in the list that is read.
    partials: Buffer,
    scores: Buffer,
    /// Output and log-sum-exps of the full attention that a sparse one is compared with.
    full: [Buffer; 2],
    /// Keys rotated by their slots, where they are stored without.
    turned: Buffer,
    /// Keys and values side by side: those that several rows read by a list, or all of a layer, rounded.
    gathered: [Buffer; 2],
    /// Tags by original position.
    tags: Buffer,
    /// Of estimates: outputs that nobody reads, log-sum-exps of rows, and means of blocks.
    unread: Buffer,
    sums: Buffer,
    means: Buffer,
}

impl Room {
    fn new(device: &Device) -> Result<Room> {
        let none = || device.buffer("activations", 1);
        Ok(Room {
            x: none()?,
            q: none()?,
            qkv: none()?,
            output: none()?,
            lse: none()?,
            hidden: none()?,
            logits: none()?,
            picked: device.buffer("picked", 2 * u64::from(ROW - AHEAD))?,
            partials: none()?,
            scores: none()?,
            full: [none()?, none()?],
            turned: none()?,
            gathered: [none()?, none()?],
            tags: none()?,
            unread: none()?,
            sums: none()?,
            means: none()?,
        })
    }
}

/// Makes a buffer large enough; what it had may be gone.
fn at_least(device: &Device, buffer: &mut Buffer, words: u64) -> Result<()> {
    if buffer.words() < words {
        *buffer = device.buffer("activations", words.next_power_of_two())?;
    }
    Ok(())
}

impl Gpu {
    /// A back end with an empty cache.
    ///
    /// # Errors
    /// [`Error::Shape`] when the RoPE configuration does not fit the head or a head is none the kernels take,
    /// [`Error::State`] for [`Store::Device`], [`Error::Memory`], [`Error::Gpu`].
    pub fn new(
        device: Rc<Device>,
        shape: Shape,
        weights: Option<Rc<DeviceWeights>>,
        positions: Positions,
        store: Store,
    ) -> Result<Gpu> {
        let number = match store {
            Store::F16 => 2,
            Store::F32 => 4,
            Store::Device(_) => return Err(Error::State("rows in a device's memory are f16 or f32")),
        };
        let [query, kv, dim] = [shape.query_heads, shape.kv_heads, shape.head_dim].map(|n| n as u32);
        let heads = Heads { query, kv, dim };
        heads.check("gpu", 8, 128)?;
        let layers = shape.layers as u32;
        let rope =
            shape.rope.as_ref().map(|r| Rope::new(r.dim as usize, &r.frequencies(), 256, r.style)).transpose()?;
        let rope = rope.map(|rope| RopeTable::upload(&device, &rope).map(|table| (rope, table))).transpose()?;
        let mut memory = Memory::new(&device, layers, kv, query, STEP)?;
        memory.begin_pass();
        let rows = u64::from(layers * kv * STEP) * u64::from(row_words(store, dim));
        Ok(Gpu {
            stored: [device.buffer("KV cache", rows)?, device.buffer("KV cache", rows)?],
            memory,
            handles: Handles::default(),
            mirror: Mirror::new(
                Cache::new(shape.layers, shape.kv_heads, shape.head_dim, Store::Device(number)),
                shape.query_heads,
            ),
            store,
            live: vec![0; shape.layers],
            quantised: vec![0; shape.layers],
            narrow: false,
            measure_noise: false,
            planes: None,
            alike: vec![true; shape.layers],
            whole: vec![true; shape.layers],
            tags: Tags::default(),
            tags_sent: false,
            pass: PassRows::default(),
            room: Room::new(&device)?,
            burst: None,
            sent: Vec::new(),
            picks: 0,
            answer: Vec::new(),
            picked: Vec::new(),
            device,
            shape,
            heads,
            weights,
            positions,
            rope,
        })
    }

    /// The cache as of the newest pass that has come back; its rows are on the device.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.mirror.cache
    }

    /// Layers.
    pub(super) fn layers(&self) -> usize {
        self.shape.layers
    }

    /// Query heads.
    pub(super) fn query_heads(&self) -> usize {
        self.shape.query_heads
    }

    /// Whether keys are rotated when they are read, and then rounded to f16.
    pub(super) fn rounds_turned_keys(&self) -> bool {
        self.positions == Positions::Slot && self.rope.is_some() && self.store == Store::F16
    }

    /// How rows are stored.
    pub(super) fn store_of_rows(&self) -> Store {
        self.store
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Rc<Device> {
        &self.device
    }

    /// Records something, with what it refers to.
    fn record<T>(&mut self, what: impl FnOnce(&Gpu, &mut Burst) -> Result<T>) -> Result<T> {
        let mut burst = self.burst.take().unwrap_or_else(|| self.device.burst());
        let recorded = what(self, &mut burst);
        self.burst = Some(burst);
        recorded
    }

    fn weights(&self) -> Result<Rc<DeviceWeights>> {
        self.weights.clone().ok_or(Error::State("this back end was made without a model"))
    }

    /// Where the rows of a layer's first KV head begin, and of the next.
    fn rows(&self, kv: Kv) -> Rows {
        let stride = self.memory.capacity();
        Rows { first: kv.0 * self.heads.kv * stride, stride }
    }

    /// Keys and values of a layer, as they are stored.
    fn stored(&self, kv: Kv) -> Stored<'_> {
        Stored { k: &self.stored[0], v: &self.stored[1], rows: self.rows(kv), store: self.store }
    }

    /// The least slots of a KV head before the pass's row `row`.
    fn before(&self, kv: Kv, row: u32) -> u32 {
        let live = self.live[kv.0 as usize];
        if self.pass.elsewhere { live } else { live - (self.pass.rows - row) }
    }

    /// What this back end cannot do yet.
    fn missing<T>(what: &str) -> Result<T> {
        Err(Error::Unsupported {
            what: "GPU operation",
            got: what.to_owned(),
            supported: "the CPU back end, which has all".to_owned(),
        })
    }
}
