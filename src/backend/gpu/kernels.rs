//! The WGSL kernels as the host sees them: what each takes, and how it is recorded.

mod attend;
mod attend_planes;
mod attend_rows;
mod cache;
mod columns;
mod divergence;
mod estimates;
mod fold;
mod listing;
mod mass;
mod matmul;
mod pick;
mod place;
mod quantise;
mod rope;
mod shaders;
mod shadow;
mod steps;
mod stored;
mod tagged;
mod top_k;

pub use attend::{Decode, DecodeRead, Heads, Lists, Merge, Partials};
pub use attend_planes::{DecodePlanes, PlaneBuffers};
pub use attend_rows::{Blocks, Counts, Prefill};
pub use matmul::{Embed, Ending, Norm, Product, Stack};
pub use pick::record_pick;
pub use rope::{Column, RopeTable};
pub use shaders::{SHADERS, Shader};
pub use steps::{Chain, STEPS, Step};
pub use stored::{Rows, Stored};

pub(super) use cache::{Gather, Keep, RoundRows, Turn};
pub(super) use columns::{Change, Derive, KeyNorms};
pub(super) use divergence::Divergence;
pub(super) use estimates::{BlockScores, Looks, PageScores, Probe};
pub(super) use fold::FoldRows;
pub(super) use listing::{Rule, listed, mark, positions};
pub(super) use mass::{RowsMass, StepRead};
pub(super) use place::{Competition, best_place, cover, rank};
pub(super) use quantise::Quantise;
pub(super) use rope::Append;
pub(super) use shadow::Shadow;
pub(super) use steps::PARAMS;
pub(super) use stored::row_words;
pub(super) use tagged::{ByRound, TagWords, Tagged};
pub(super) use top_k::{Mode, TopK};
