//! The WGSL kernels: their text, what they bind, and the constants they are compiled with.

/// A kernel's source. Binding 0 is its parameters, then come buffers it reads, then buffers it writes.
pub struct Shader {
    /// File in `src/kernels`, without its end.
    pub name: &'static str,
    /// The file, after those it shares.
    parts: &'static [&'static str],
    /// Constants put before the text, all u32.
    pub constants: &'static [&'static str],
    /// Buffers it reads.
    pub inputs: usize,
    /// Buffers it writes, at most 8 with those it reads.
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
        constants.chain(self.parts.iter().map(|&part| part.to_owned())).collect()
    }
}

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../kernels/", $name, ".wgsl"))
    };
}

/// Split-K decode over all slots, a list of slots or a list of blocks.
pub(super) const ATTEND_LISTED: Shader = Shader {
    name: "attend_listed",
    parts: &[file!("attend_tile"), file!("attend_listed")],
    constants: &["HEAD", "GROUP", "TILE", "READ"],
    inputs: 4,
    outputs: 2,
    samples: &[&[64, 3, 64, 0], &[64, 1, 64, 1], &[64, 4, 64, 2], &[128, 4, 64, 0], &[8, 1, 64, 1]],
};
/// The same over slots in two planes.
pub(super) const ATTEND_PLANES: Shader = Shader {
    name: "attend_planes",
    parts: &[file!("attend_tile"), file!("attend_planes")],
    constants: &["HEAD", "GROUP", "TILE", "BOTH"],
    inputs: 4,
    outputs: 2,
    samples: &[&[64, 3, 64, 0], &[64, 2, 64, 1], &[128, 4, 64, 1]],
};
/// Parts of an attention as one.
pub(super) const MERGE: Shader = Shader {
    name: "merge",
    parts: &[file!("merge")],
    constants: &["HEAD"],
    inputs: 1,
    outputs: 2,
    samples: &[&[64], &[128], &[8]],
};
/// Dense prefill.
pub(super) const ATTEND: Shader = Shader {
    name: "attend",
    parts: &[file!("flash"), file!("attend")],
    constants: &["HEAD", "GROUP", "QUERIES"],
    inputs: 3,
    outputs: 2,
    samples: &[&[64, 3, 32], &[64, 2, 32], &[128, 4, 16], &[16, 1, 32]],
};
/// Prefill over listed blocks.
pub(super) const ATTEND_BLOCKS: Shader = Shader {
    name: "attend_blocks",
    parts: &[file!("flash"), file!("attend_blocks")],
    constants: &["HEAD", "GROUP", "QUERIES"],
    inputs: 4,
    outputs: 2,
    samples: &[&[64, 1, 32], &[128, 1, 16], &[16, 1, 32]],
};

/// Products with weights, by rows of activations at once, layout and ending (`kernels/matmul.wgsl` numbers both).
pub(super) const MATMUL: Shader = Shader {
    name: "matmul",
    parts: &[file!("matmul")],
    constants: &["ROWS", "LAYOUT", "ENDING"],
    inputs: 4,
    outputs: 1,
    samples: &[&[1, 0, 0], &[4, 1, 1], &[8, 2, 2], &[1, 3, 2], &[8, 3, 1], &[1, 2, 0]],
};
/// Rotation of queries and keys, and appending to the cache.
pub(super) const ROPE: Shader =
    Shader { name: "rope", parts: &[file!("rope")], constants: &[], inputs: 3, outputs: 3, samples: &[&[]] };

/// All kernels.
pub const SHADERS: [&Shader; 7] = [&ATTEND_LISTED, &ATTEND_PLANES, &MERGE, &ATTEND, &ATTEND_BLOCKS, &MATMUL, &ROPE];
