//! Back ends: what runs [`Ops`](crate::ops::Ops) and [`Dense`](crate::ops::Dense).

mod cpu;

pub use cpu::{Cpu, Shape, WeightData, Weights};
