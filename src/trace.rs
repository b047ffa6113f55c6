//! What the engine did, as a stream of 16-byte records that the page draws.
//!
//! A record is `kind: u8, layer: u8, head: u8, aux: u8, step: u32, a: u32, b: u32`, little endian. Kinds whose
//! `b` counts payload records are followed by that many times 16 bytes of payload. [`SCHEMA`] names every kind and
//! is exported to TypeScript by `cargo xtask gen`. Records come from the engine and the cache, never from a method,
//! so every back end gives the same trace. All positions are original positions in the text, never slots.

/// Bytes of a record.
pub const RECORD: usize = 16;
/// `head` of a record that holds for every head of its layer.
pub const ALL_HEADS: u8 = 255;

/// How much is recorded. Watching changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Passes, tokens and totals.
    #[default]
    Totals,
    /// And every set read, appended and evicted.
    Sets,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A pass begins.
    Pass = 1,
    /// A token was chosen.
    Token = 2,
    /// A pass ended: bytes.
    Bytes = 3,
    /// A pass ended: rows.
    Rows = 4,
    /// Rows were stored.
    Append = 5,
    /// Every stored row was read.
    ReadAll = 6,
    /// Each query read its newest rows.
    ReadWindow = 7,
    /// A run of positions was read.
    ReadRun = 8,
    /// A set of positions was read.
    ReadBits = 9,
    /// A run of positions was dropped for good.
    EvictRun = 10,
    /// A set of positions was dropped for good.
    EvictBits = 11,
    /// A remark of the method.
    Note = 12,
}

/// One row of [`SCHEMA`].
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// The kind.
    pub kind: Kind,
    /// Its name in the generated TypeScript.
    pub name: &'static str,
    /// What `head` counts: `""`, `"kv"` or `"query"`.
    pub head: &'static str,
    /// Meaning of `aux`, `a` and `b`.
    pub fields: [&'static str; 3],
    /// True when `b` payload records follow.
    pub payload: bool,
}

/// Every kind, in numeric order.
pub const SCHEMA: &[KindSpec] = &[
    KindSpec {
        kind: Kind::Pass,
        name: "pass",
        head: "",
        fields: [
            "0 prefill, 1 decode, 2 draft, 3 verify",
            "position of the first row",
            "rows",
        ],
        payload: false,
    },
    KindSpec {
        kind: Kind::Token,
        name: "token",
        head: "",
        fields: ["0 sampled, 1 forced", "token id", "position it will take"],
        payload: false,
    },
    KindSpec {
        kind: Kind::Bytes,
        name: "bytes",
        head: "",
        fields: [
            "",
            "bytes of keys and values stored after the pass (saturating)",
            "bytes of keys and values read in the pass, each row once (saturating)",
        ],
        payload: false,
    },
    KindSpec {
        kind: Kind::Rows,
        name: "rows",
        head: "",
        fields: [
            "",
            "rows stored after the pass, summed over layers and KV heads",
            "rows read by the newest query, summed over layers and query heads",
        ],
        payload: false,
    },
    KindSpec {
        kind: Kind::Append,
        name: "append",
        head: "kv",
        fields: ["", "first position", "rows"],
        payload: false,
    },
    KindSpec {
        kind: Kind::ReadAll,
        name: "readAll",
        head: "query",
        fields: ["", "", ""],
        payload: false,
    },
    KindSpec {
        kind: Kind::ReadWindow,
        name: "readWindow",
        head: "query",
        fields: ["", "newest rows each query reads", ""],
        payload: false,
    },
    KindSpec {
        kind: Kind::ReadRun,
        name: "readRun",
        head: "query",
        fields: ["", "first position", "positions"],
        payload: false,
    },
    KindSpec {
        kind: Kind::ReadBits,
        name: "readBits",
        head: "query",
        fields: [
            "",
            "position of bit 0",
            "payload records; bit i of the payload is position a + i",
        ],
        payload: true,
    },
    KindSpec {
        kind: Kind::EvictRun,
        name: "evictRun",
        head: "kv",
        fields: ["", "first position", "positions"],
        payload: false,
    },
    KindSpec {
        kind: Kind::EvictBits,
        name: "evictBits",
        head: "kv",
        fields: [
            "",
            "position of bit 0",
            "payload records; bit i of the payload is position a + i",
        ],
        payload: true,
    },
    KindSpec {
        kind: Kind::Note,
        name: "note",
        head: "query",
        fields: ["index into the method's notes", "f32 bits", ""],
        payload: false,
    },
];
