//! Rows in two 4-bit planes: where they are, and how they come there.

use std::rc::Rc;

use super::{
    Gpu, Rows,
    device::{Buffer, Device},
    kernels::{Heads, PlaneBuffers, Quantise},
    mirror::Call,
};
use crate::{
    Error, Result,
    cache::Store,
    ops::{Kv, PlaneGroups},
    trace::Detail,
};

/// The planes of all layers, made when rows first move into them: codes of keys and of values, the upper plane of all rows
/// and then the lower, and grids, those of keys and then those of values. A KV head has as many rows as in the cache.
pub(super) struct PlaneStore {
    store: Store,
    k: Buffer,
    v: Buffer,
    grids: Buffer,
    pub groups: PlaneGroups,
    heads: Heads,
    /// KV heads of all layers.
    all: u32,
    capacity: u32,
}

impl PlaneStore {
    fn new(
        device: &Device,
        store: Store,
        heads: Heads,
        all: u32,
        capacity: u32,
        groups: PlaneGroups,
    ) -> Result<PlaneStore> {
        let channels = if groups.channels == 0 { heads.dim } else { groups.channels };
        let refuse = |name: &str, got: u32, allowed: String| {
            Err(Error::Param { name: name.into(), got: got.to_string(), allowed })
        };
        if groups.tokens == 0 {
            return refuse("group_tokens", groups.tokens, "at least 1".into());
        }
        if !channels.is_multiple_of(8) || !heads.dim.is_multiple_of(channels) {
            let allowed = format!("on a GPU multiples of 8 that divide the head's {} channels", heads.dim);
            let got = format!("group_channels = {}", groups.channels);
            return Err(Error::Unsupported { what: "planes", got, supported: allowed });
        }
        let codes = u64::from(all) * u64::from(capacity) * u64::from(heads.dim / 8) * 2;
        let mut planes = PlaneStore {
            store,
            k: device.buffer("KV cache in planes", codes)?,
            v: device.buffer("KV cache in planes", codes)?,
            grids: device.buffer("KV cache in planes", 1)?,
            groups: PlaneGroups { channels, ..groups },
            heads,
            all,
            capacity,
        };
        let words = u64::from(all) * u64::from((planes.key_grids() + planes.value_grids()) * planes.grid_words());
        planes.grids = device.buffer("KV cache in planes", words)?;
        Ok(planes)
    }

    /// Words of a grid, a step and a zero.
    fn grid_words(&self) -> u32 {
        if self.store == Store::F32 { 2 } else { 1 }
    }

    /// Grids of a KV head's keys.
    fn key_grids(&self) -> u32 {
        self.capacity.div_ceil(self.groups.tokens) * self.heads.dim
    }

    /// And of its values.
    fn value_grids(&self) -> u32 {
        self.capacity * (self.heads.dim / self.groups.channels)
    }

    /// Those of a layer.
    pub fn layer(&self, kv: Kv) -> PlaneBuffers<'_> {
        let first = kv.0 * self.heads.kv;
        PlaneBuffers {
            k: &self.k,
            v: &self.v,
            rows: Rows { first: first * self.capacity, stride: self.capacity },
            lower: self.all * self.capacity * (self.heads.dim / 8),
            grids: &self.grids,
            store: self.store,
            key_grids: Rows { first: first * self.key_grids(), stride: self.key_grids() },
            value_grids: Rows {
                first: self.all * self.key_grids() + first * self.value_grids(),
                stride: self.value_grids(),
            },
            tokens: self.groups.tokens,
            channels: self.groups.channels,
        }
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        4 * (self.k.words() + self.v.words() + self.grids.words())
    }

    /// The same with room for `capacity` rows a KV head; what is there is copied.
    pub fn grown(&self, device: &Rc<Device>, capacity: u32) -> Result<PlaneStore> {
        let new = PlaneStore::new(device, self.store, self.heads, self.all, capacity, self.groups)?;
        let words = self.heads.dim / 8;
        let planes: Vec<_> = (0..2 * self.all)
            .map(|head| (head * self.capacity * words, head * capacity * words, self.capacity * words))
            .collect();
        device.burst().copy(&self.k, &new.k, &planes)?;
        device.burst().copy(&self.v, &new.v, &planes)?;
        let keys = (0..self.all).map(|h| (h * self.key_grids(), h * new.key_grids(), self.key_grids()));
        let [from, to] = [self, &new].map(|store| store.all * store.key_grids());
        let values =
            (0..self.all).map(|h| (from + h * self.value_grids(), to + h * new.value_grids(), self.value_grids()));
        let each = self.grid_words();
        let words = keys.chain(values).map(|(from, to, grids)| (each * from, each * to, each * grids));
        device.burst().copy(&self.grids, &new.grids, &words.collect::<Vec<_>>())?;
        Ok(new)
    }
}

impl Gpu {
    pub(super) fn quantise_rows(&mut self, kv: Kv, groups: PlaneGroups, rows: u32) -> Result<()> {
        let layer = kv.0 as usize;
        let (first, live, tokens) = (self.quantised[layer], self.live[layer], groups.tokens.max(1));
        if !self.alike[layer] {
            return Gpu::missing("planes of KV heads of different lengths");
        }
        if self.planes.is_none() {
            let all = self.shape.layers as u32 * self.heads.kv;
            let store = PlaneStore::new(&self.device, self.store, self.heads, all, self.memory.capacity(), groups)?;
            self.planes = Some(store);
        }
        let count = (rows / tokens).min(live.saturating_sub(first) / tokens);
        if count == 0 {
            return Ok(());
        }
        let watched = self.measure_noise || self.mirror.tracer.detail >= Detail::Sets;
        let noise = if watched { Some(self.fixed_table(kv, 1, self.heads.kv * count * 6)?.1) } else { None };
        let groups = self.record(|on, burst| {
            let Some(planes) = &on.planes else { return Ok(groups) };
            let (stored, own) = (on.stored(kv), planes.layer(kv));
            let quantise = Quantise { heads: on.heads, stored, planes: own, first, groups: count, noise };
            quantise.record(burst, &on.memory.words).map(|()| planes.groups)
        })?;
        self.quantised[layer] += count * tokens;
        self.mirror.note(Call::Quantise { kv, groups, rows: count * tokens, noise, measure: self.measure_noise });
        Ok(())
    }
}
