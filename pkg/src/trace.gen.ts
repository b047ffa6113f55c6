// Made by `cargo xtask gen` from src/trace.rs. Do not edit.

/** Bytes of a record: kind u8, layer u8, head u8, aux u8, step u32, a u32, b u32, little endian. */
export const RECORD = 16;

/** `head` of a record that holds for every head of its layer. */
export const ALL_HEADS = 255;

/** What a record says: `view.getUint8(at) === Kind.pass`. */
export const Kind = {
  pass: 1,
  token: 2,
  bytes: 3,
  rows: 4,
  append: 5,
  readAll: 6,
  readWindow: 7,
  readRun: 8,
  readBits: 9,
  evictRun: 10,
  evictBits: 11,
  note: 12,
  cut: 13,
  quantise: 14,
  fold: 15,
  readBlocks: 16,
  shadow: 17,
  guard: 18,
  park: 19,
  fetch: 20,
  far: 21,
  exchange: 22,
  planeNoise: 23,
  weights: 24,
  choice: 25,
  share: 26,
} as const;

/** Name of a kind. */
export type KindName = keyof typeof Kind;
/** Number of a kind. */
export type Kind = (typeof Kind)[KindName];

/** What the fields of a kind mean; an empty text is an unused field. */
export interface KindSpec {
  /** Its number. */
  kind: Kind;
  /** What `head` counts. */
  head: "" | "kv" | "query";
  /** Meaning of `aux`. */
  aux: string;
  /** Meaning of `a`. */
  a: string;
  /** Meaning of `b`. */
  b: string;
  /** Whether `b` times 16 bytes of payload follow. */
  payload: boolean;
}

/** Every kind by name, in the order of its number. */
export const SCHEMA = {
  pass: { kind: 1, head: "", aux: "0 prefill, 1 decode, 2 draft, 3 verify, 4 correct", a: "position of the first row", b: "rows", payload: false },
  token: { kind: 2, head: "", aux: "0 made, 1 forced, 2 guessed", a: "token id", b: "position it will take", payload: false },
  bytes: { kind: 3, head: "", aux: "", a: "bytes of keys and values stored after the pass (saturating)", b: "bytes of keys and values read in the pass, each row once (saturating)", payload: false },
  rows: { kind: 4, head: "", aux: "", a: "rows stored after the pass, summed over layers and KV heads", b: "rows read by the newest query, summed over layers and query heads", payload: false },
  append: { kind: 5, head: "kv", aux: "", a: "first position", b: "rows", payload: false },
  readAll: { kind: 6, head: "query", aux: "1: quantised rows by their upper plane alone; 2: all rows rounded", a: "of rounded rows: bits of a number", b: "", payload: false },
  readWindow: { kind: 7, head: "query", aux: "", a: "newest rows each query reads", b: "", payload: false },
  readRun: { kind: 8, head: "query", aux: "", a: "first position", b: "positions", payload: false },
  readBits: { kind: 9, head: "query", aux: "", a: "position of bit 0", b: "payload records; bit i of the payload is position a + i", payload: true },
  evictRun: { kind: 10, head: "kv", aux: "", a: "first position", b: "positions", payload: false },
  evictBits: { kind: 11, head: "kv", aux: "", a: "position of bit 0", b: "payload records; bit i of the payload is position a + i", payload: true },
  note: { kind: 12, head: "query", aux: "which remark of the method; head is the group of its table", a: "column of the table", b: "f32 bits", payload: false },
  cut: { kind: 13, head: "kv", aux: "", a: "first position", b: "rows", payload: false },
  quantise: { kind: 14, head: "kv", aux: "", a: "first position", b: "rows now in two 4-bit planes", payload: false },
  fold: { kind: 15, head: "kv", aux: "", a: "position that is dropped", b: "position it is added to", payload: false },
  readBlocks: { kind: 16, head: "query", aux: "", a: "positions of a block + 65536 * number of blocks", b: "payload records; bit q * (q + 1) / 2 + k of the payload: query block q reads key block k", payload: true },
  shadow: { kind: 17, head: "query", aux: "", a: "share of the full attention over live positions that fell on what was read, as f32 bits", b: "relative error of the attention output, as f32 bits", payload: false },
  guard: { kind: 18, head: "", aux: "0 recall, 1 error: all is read from here on; 2 acceptance: no guesses; 3 finite: both, and all is kept; 4 noise: all is kept as it is", a: "what was seen, as f32 bits", b: "its limit, as f32 bits", payload: false },
  park: { kind: 19, head: "kv", aux: "", a: "first position", b: "positions now in the far tier", payload: false },
  fetch: { kind: 20, head: "kv", aux: "", a: "first position", b: "positions back in the near tier", payload: false },
  far: { kind: 21, head: "", aux: "", a: "bytes in the far tier (saturating)", b: "bytes moved between the tiers in the pass (saturating)", payload: false },
  exchange: { kind: 22, head: "", aux: "hosts", a: "bytes this host sent", b: "bytes it received", payload: false },
  planeNoise: { kind: 23, head: "kv", aux: "0 keys, 1 values", a: "f32 bits: signal-to-noise ratio in dB, infinite without an error", b: "f32 bits: largest error in sixteenths of a step; the bound is 1/2, or 1 where a lower code is cut off", payload: false },
  weights: { kind: 24, head: "query", aux: "", a: "positions that got at least 1/256 of the newest query's attention", b: "payload records; a word a position, ascending: its weight in 4095ths, and from bit 12 on the position", payload: true },
  choice: { kind: 25, head: "query", aux: "1: the number is below the cut, which is the first of the two ways", a: "number, as f32 bits", b: "cut, as f32 bits", payload: false },
  share: { kind: 26, head: "", aux: "host", a: "share of the newest query's attention that fell on this host's rows, mean over query heads, as f32 bits", b: "", payload: false },
} as const satisfies Record<KindName, KindSpec>;

/** The kinds that have a payload. */
export const PAYLOAD: readonly number[] = [9, 11, 16, 24];
