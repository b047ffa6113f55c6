//! Both back ends without a model.

use attnscope::{
    backend::{Cpu, Paired, Shape, Weights, gpu::Device, gpu::Gpu},
    cache::Store,
    method::Positions,
    ops::Kv,
};
use std::{rc::Rc, sync::Arc};

/// Both with empty caches.
pub fn pair(device: &Rc<Device>, shape: &Shape, positions: Positions, store: Store) -> (Cpu, Gpu) {
    let cpu = Cpu::new(shape.clone(), Arc::new(Weights::default()), positions, store).unwrap();
    (cpu, Gpu::new(Rc::clone(device), shape.clone(), None, positions, store).unwrap())
}

/// Two that were given different rows before they were paired: layer 0 has three slots.
pub fn unlike(device: &Rc<Device>) -> Paired {
    let shape = Shape { layers: 1, query_heads: 2, kv_heads: 2, head_dim: 8, rope: None, eps: 1e-5 };
    let (mut cpu, mut gpu) = pair(device, &shape, Positions::Text, Store::F32);
    let rows = vec![1.0; 3 * 16];
    let mut other = rows.clone();
    // The second head's key of slot 2.
    other[2 * 16 + 8] = 2.0;
    cpu.begin(0, 3);
    cpu.store(Kv(0), &rows, Some((&mut rows.clone(), &rows)), 0..3).unwrap();
    gpu.begin(0, 3).unwrap();
    gpu.store(Kv(0), &rows, Some((&other, &rows)), 0..3).unwrap();
    Paired::new(cpu, gpu)
}
