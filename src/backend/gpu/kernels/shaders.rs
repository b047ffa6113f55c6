//! The WGSL kernels: their text, what they bind, and the constants they are compiled with.

/// A kernel's last constant where it reads or writes rows: 1 if they are f32, 0 if f16. It chooses between the files
/// `rows_f32` and `rows_f16`, which say what a row is made of.
const F32_ROWS: &str = "F32_ROWS";

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".wgsl"))
    };
}

pub(super) use file;

/// A kernel's source. Binding 0 is its parameters, then come buffers it reads, then buffers it writes.
pub struct Shader {
    /// File in `src/kernels`, without its end.
    pub name: &'static str,
    /// The file, after those it shares.
    parts: &'static [&'static str],
    /// Constants put before the text, all u32.
    pub constants: &'static [&'static str],
    /// Binding 1 is the shared memory, which it reads and writes; the buffers come behind it.
    pub memory: bool,
    /// Buffers it reads.
    pub inputs: usize,
    /// Buffers it writes, at most 8 with those it reads and the memory.
    pub outputs: usize,
    /// Values to compile the constants with in the test of the text: the model's, and extremes.
    pub samples: &'static [&'static [u32]],
}

impl Shader {
    /// The whole WGSL with these values of its constants.
    #[must_use]
    pub fn text(&self, values: &[u32]) -> String {
        debug_assert_eq!(values.len(), self.constants.len(), "constants of {}", self.name);
        let constants =
            self.constants.iter().zip(values).map(|(name, value)| format!("const {name}: u32 = {value}u;\n"));
        let rows = match (self.constants.last(), values.last()) {
            (Some(&F32_ROWS), Some(0)) => file!("rows_f16"),
            (Some(&F32_ROWS), _) => file!("rows_f32"),
            _ => "",
        };
        constants.chain([rows].iter().chain(self.parts).map(|&part| part.to_owned())).collect()
    }
}

/// Split-K decode over all slots, a list of slots or a list of blocks.
pub(crate) const ATTEND_LISTED: Shader = Shader {
    name: "attend_listed",
    parts: &[file!("attend_tile"), file!("attend_listed")],
    constants: &["HEAD", "GROUP", "TILE", "READ", F32_ROWS],
    memory: false,
    inputs: 4,
    outputs: 2,
    samples: &[
        &[64, 3, 64, 0, 0],
        &[64, 1, 64, 1, 0],
        &[64, 4, 64, 2, 0],
        &[128, 4, 64, 0, 0],
        &[8, 1, 64, 1, 0],
        &[64, 3, 64, 0, 1],
        &[128, 4, 64, 1, 1],
        &[8, 1, 64, 2, 1],
    ],
};
/// The same over slots in two planes.
pub(crate) const ATTEND_PLANES: Shader = Shader {
    name: "attend_planes",
    parts: &[file!("attend_tile"), file!("attend_planes")],
    constants: &["HEAD", "GROUP", "TILE", "BOTH", "SCORED", "GRIDS", F32_ROWS],
    memory: false,
    inputs: 4,
    outputs: 2,
    samples: &[
        &[64, 3, 64, 0, 0, 1, 0],
        &[64, 2, 64, 1, 1, 8, 0],
        &[128, 4, 64, 1, 1, 1, 0],
        &[224, 4, 64, 1, 1, 28, 0],
        &[64, 3, 64, 0, 1, 2, 1],
        &[8, 2, 64, 1, 0, 1, 1],
    ],
};
/// Parts of an attention as one.
pub(crate) const MERGE: Shader = Shader {
    name: "merge",
    parts: &[file!("merge")],
    constants: &["HEAD"],
    memory: false,
    inputs: 1,
    outputs: 2,
    samples: &[&[64], &[128], &[8]],
};
/// Dense prefill.
pub(crate) const ATTEND: Shader = Shader {
    name: "attend",
    parts: &[file!("flash"), file!("attend")],
    constants: &["HEAD", "GROUP", "QUERIES", F32_ROWS],
    memory: false,
    inputs: 4,
    outputs: 2,
    samples: &[
        &[64, 3, 32, 0],
        &[64, 2, 32, 0],
        &[128, 4, 16, 0],
        &[8, 1, 32, 0],
        &[64, 3, 24, 1],
        &[128, 4, 12, 1],
        &[48, 1, 32, 1],
    ],
};
/// Prefill over listed blocks.
pub(crate) const ATTEND_BLOCKS: Shader = Shader {
    name: "attend_blocks",
    parts: &[file!("flash"), file!("attend_blocks")],
    constants: &["HEAD", "GROUP", "QUERIES", F32_ROWS],
    memory: false,
    inputs: 4,
    outputs: 2,
    samples: &[&[64, 1, 32, 0], &[128, 1, 16, 0], &[8, 1, 32, 0], &[64, 1, 24, 1], &[128, 1, 12, 1], &[48, 1, 32, 1]],
};

/// Products with weights, by rows of activations at once, layout and ending (`kernels/matmul.wgsl` numbers both).
pub(crate) const MATMUL: Shader = Shader {
    name: "matmul",
    parts: &[file!("weights"), file!("matmul")],
    constants: &["ROWS", "LAYOUT", "ENDING"],
    memory: false,
    inputs: 4,
    outputs: 1,
    samples: &[&[1, 0, 0], &[4, 1, 1], &[8, 2, 2], &[1, 3, 2], &[8, 3, 1], &[1, 2, 0]],
};
/// Embeddings of picked tokens.
pub(crate) const EMBED: Shader = Shader {
    name: "embed",
    parts: &[file!("weights"), file!("embed")],
    constants: &["LAYOUT"],
    memory: false,
    inputs: 3,
    outputs: 1,
    samples: &[&[0], &[1], &[2], &[3]],
};
/// Tokens of logits: the best, or drawn.
pub(crate) const PICK: Shader = Shader {
    name: "pick",
    parts: &[file!("rank"), file!("sums"), file!("pick")],
    constants: &["OP"],
    memory: false,
    inputs: 1,
    outputs: 1,
    samples: &[&[0], &[1]],
};
/// A kernel over the shared memory.
macro_rules! over_memory {
    ($name:literal, [$($part:literal),*], $inputs:literal, $outputs:literal, $constants:expr, $samples:expr) => {
        Shader {
            name: $name,
            parts: &[file!("rank"), file!("memory"), $(file!($part)),*],
            constants: $constants,
            memory: true,
            inputs: $inputs,
            outputs: $outputs,
            samples: $samples,
        }
    };
}

/// Rotation of queries and keys, and appending to the cache.
pub(crate) const ROPE: Shader = over_memory!("rope", ["random", "turned", "rope"], 2, 3, &[F32_ROWS], &[&[0], &[1]]);
/// Rotation of stored keys by their slots.
pub(crate) const TURN: Shader = Shader {
    name: "turn",
    parts: &[file!("turned"), file!("turn")],
    constants: &[F32_ROWS],
    memory: false,
    inputs: 2,
    outputs: 1,
    samples: &[&[0], &[1]],
};
/// Keys and values rounded for a read.
pub(crate) const ROUNDED: Shader = Shader {
    name: "rounded",
    parts: &[file!("rounded")],
    constants: &[F32_ROWS],
    memory: false,
    inputs: 2,
    outputs: 2,
    samples: &[&[0], &[1]],
};
/// Compaction.
pub(crate) const KEEP: Shader = over_memory!("keep", ["ordered", "keep"], 0, 2, &[], &[&[]]);
/// Rows into two planes.
pub(crate) const QUANTISE: Shader = over_memory!(
    "quantise",
    ["quantise"],
    0,
    5,
    &["HEAD", F32_ROWS],
    &[&[64, 0], &[128, 0], &[16, 0], &[64, 1], &[8, 1]]
);
/// Listed rows side by side.
pub(crate) const GATHER: Shader = over_memory!("gather", ["gather"], 2, 2, &[], &[&[]]);
/// Mass of several rows.
pub(crate) const MASS_ROWS: Shader =
    over_memory!("mass_rows", ["looks", "mass_rows"], 3, 0, &["HEAD", F32_ROWS], &[&[64, 0], &[128, 0], &[64, 1]]);
/// What a sparse read missed.
pub(crate) const SHADOW: Shader = over_memory!("shadow", ["shadow", "sums"], 4, 0, &[], &[&[]]);
/// Norms of the keys.
pub(crate) const KEY_NORMS: Shader = over_memory!("key_norms", ["key_norms"], 1, 0, &[F32_ROWS], &[&[0], &[1]]);
/// Slots by what is known of their tokens: of pictures, or of rounds.
pub(crate) const TAGGED: Shader = over_memory!("tagged", ["tags", "tagged"], 1, 0, &["OP"], &[&[0], &[1]]);
pub(crate) const BY_ROUND: Shader = over_memory!("by_round", ["numbers", "tags", "by_round"], 1, 0, &[], &[&[]]);
/// Entropy and distance of distributions.
pub(crate) const DIVERGENCE: Shader =
    over_memory!("divergence", ["sums", "precise", "divergence"], 0, 0, &["OP"], &[&[0], &[1]]);
/// Estimates from queries and keys: of rows, blocks and pages.
pub(crate) const PROBE: Shader =
    over_memory!("probe", ["looks", "probe"], 3, 0, &["HEAD", F32_ROWS], &[&[64, 0], &[128, 0], &[64, 1]]);
pub(crate) const BLOCK_MEANS: Shader = Shader {
    name: "block_means",
    parts: &[file!("block_means")],
    constants: &[F32_ROWS],
    memory: false,
    inputs: 2,
    outputs: 1,
    samples: &[&[0], &[1]],
};
pub(crate) const BLOCK_SCORES: Shader = over_memory!("block_scores", ["sums", "block_scores"], 1, 0, &[], &[&[]]);
pub(crate) const PAGE_SCORES: Shader = over_memory!("page_scores", ["page_scores"], 2, 0, &[F32_ROWS], &[&[0], &[1]]);
/// Dropped rows go into kept ones: where each goes, which move, and their sums.
pub(crate) const NEAREST: Shader = over_memory!(
    "nearest",
    ["ordered", "nearest"],
    1,
    0,
    &["HEAD", F32_ROWS],
    &[&[64, 0], &[128, 0], &[16, 0], &[64, 1], &[8, 1]]
);
pub(crate) const FOLD_MOVES: Shader = over_memory!("fold_moves", ["ordered", "sums", "fold_moves"], 0, 0, &[], &[&[]]);
pub(crate) const FOLD: Shader = over_memory!(
    "fold",
    ["ordered", "fold"],
    0,
    2,
    &["HOW", F32_ROWS],
    &[&[0, 0], &[1, 0], &[2, 0], &[3, 0], &[0, 1], &[3, 1]]
);

/// Numbers of the host as a list.
pub(crate) const LISTED: Shader = over_memory!("listed", ["listed"], 0, 0, &[], &[&[]]);
/// Places in an order of many columns.
pub(crate) const PLACE_WIDE: Shader =
    over_memory!("place_wide", ["ordered", "place", "place_wide"], 0, 0, &["OP"], &[&[0], &[1]]);
/// How many columns cover a share, and places that groups compete for.
pub(crate) const COVER: Shader = over_memory!("cover", ["ordered", "cover"], 0, 0, &[], &[&[]]);
pub(crate) const SPREAD: Shader = over_memory!("spread", ["ordered", "spread"], 0, 0, &["OP"], &[&[0], &[1]]);

/// All kernels.
pub const SHADERS: &[&Shader] = &[
    &ATTEND_LISTED,
    &ATTEND_PLANES,
    &MERGE,
    &ATTEND,
    &ATTEND_BLOCKS,
    &MATMUL,
    &EMBED,
    &PICK,
    &ROPE,
    &TURN,
    &ROUNDED,
    &KEEP,
    &GATHER,
    &QUANTISE,
    &MASS_ROWS,
    &SHADOW,
    &LISTED,
    &PLACE_WIDE,
    &COVER,
    &SPREAD,
    &KEY_NORMS,
    &TAGGED,
    &BY_ROUND,
    &DIVERGENCE,
    &PROBE,
    &BLOCK_MEANS,
    &BLOCK_SCORES,
    &PAGE_SCORES,
    &NEAREST,
    &FOLD_MOVES,
    &FOLD,
];
