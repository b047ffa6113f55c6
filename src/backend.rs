//! Back ends: what runs [`Ops`](crate::ops::Ops) and [`Dense`](crate::ops::Dense).

mod account;
mod checks;
mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(feature = "gpu")]
pub mod paired;

#[cfg(feature = "gpu")]
pub use paired::Paired;

pub use cpu::{Cpu, Shape, WeightData, Weights};
