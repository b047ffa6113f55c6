//! CPU kernels: one idea a file, one generic body for every instruction set, the naive definition beside each as its
//! test. All run on the calling thread and allocate only in their scratch.

mod activations;
mod add;
mod attend;
mod attend_blocks;
mod attend_listed;
mod attend_planes;
mod block;
mod codes;
mod direct;
mod element;
mod exp;
mod folded;
mod gemm;
mod gemm_words;
mod gemv;
mod grid;
mod half;
mod matmul;
mod matrix;
mod merge;
mod nearest;
mod norm;
mod page_bound;
mod pick;
mod probe;
mod rope;
mod select;
mod softmax;
mod swiglu;
mod symmetric;
mod tile;

pub use activations::{Activations, Precision};
pub use add::add_assign;
pub use attend::{AttendScratch, Keys, MassOut, Queries, Span, attend_span};
pub use attend_blocks::{Blocks, attend_blocks};
pub use attend_listed::attend_listed;
pub use attend_planes::{PlaneCodes, PlaneRows, attend_planes, planes_serve};
pub use element::Element;
pub use grid::Grid;
pub use half::{decode, encode};
pub use matmul::{GemmScratch, matmul};
pub use matrix::{BLOCK, Layout, Matrix};
#[cfg(feature = "gpu")]
pub(crate) use matrix::{LANES, Store};
pub use merge::merge;
pub use nearest::nearest;
pub use norm::rms_norm;
pub use page_bound::page_bound;
pub use pick::{Candidates, Pick, Picked};
pub use probe::probe;
pub use rope::{Rope, RopeStyle};
pub use select::{argmax, top_k, top_k_in_order};
pub use softmax::normalise;
pub use swiglu::swiglu;
pub use symmetric::Symmetric;
