//! Operations that make and change score tables, on the GPU against the CPU.

mod changed;
mod derived;
mod estimated;
mod folded;
mod told;

use super::both::{Both, KV, SHAPES};
