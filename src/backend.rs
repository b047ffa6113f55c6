//! Back ends: what runs [`Ops`](crate::ops::Ops) and [`Dense`](crate::ops::Dense).

mod account;
mod checks;
mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;

pub use cpu::{Cpu, Shape, WeightData, Weights};
