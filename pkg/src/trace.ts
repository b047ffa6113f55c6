/**
 * Trace blocks: what a method read, kept and dropped. A block is a whole number of 16-byte little-endian records
 * `kind u8, layer u8, head u8, aux u8, step u32, a u32, b u32`; kinds in `PAYLOAD` are followed by `b` more records of
 * payload. Positions are positions in the text, never slots of the cache.
 */
import { copyNewest, countBits, hasBit, setRange, takeRange } from './bits.js';
import { AttnscopeError } from './errors.js';
import { ALL_HEADS, Kind, PAYLOAD, RECORD } from './trace.gen.js';

export { countBits, popcount } from './bits.js';
export * from './trace.gen.js';

export interface TraceRecord {
  kind: number;
  layer: number;
  head: number;
  aux: number;
  step: number;
  a: number;
  b: number;
  /** Bit `i` is position `a + i`; empty for kinds without payload. */
  payload: Uint8Array;
}

/** The records of a block, in order. Throws `trace` when the block is cut short. */
export function* records(block: Uint8Array): Generator<TraceRecord, void> {
  const data = new DataView(block.buffer, block.byteOffset, block.byteLength);
  for (let at = 0; at < block.length; ) {
    if (at + RECORD > block.length) throw malformed('it ends inside a record');
    const kind = data.getUint8(at);
    const b = data.getUint32(at + 12, true);
    const start = at + RECORD;
    const end = PAYLOAD.includes(kind) ? start + b * RECORD : start;
    if (end > block.length) throw malformed('it ends inside a payload');
    yield {
      kind,
      layer: data.getUint8(at + 1),
      head: data.getUint8(at + 2),
      aux: data.getUint8(at + 3),
      step: data.getUint32(at + 4, true),
      a: data.getUint32(at + 8, true),
      b,
      payload: block.subarray(start, end),
    };
    at = end;
  }
}

export interface Shape {
  layers: number;
  queryHeads: number;
  kvHeads: number;
}

export type PassKind = 'prefill' | 'decode' | 'draft' | 'verify';
const PASSES: readonly PassKind[] = ['prefill', 'decode', 'draft', 'verify'];

/** More positions than any model has; a larger number in a block means that the block is damaged. */
const MAX_POSITIONS = 1 << 22;

/**
 * The cache as the trace tells it, after any number of blocks. Storage is by layer and KV head (row
 * `layer * kvHeads + head`), reads are by layer and query head (row `layer * queryHeads + head`); the two are never mixed.
 * Each row is `words` 32-bit words of bits, bit p for position p.
 */
export class CacheView {
  readonly shape: Readonly<Shape>;
  words = 8;
  /** `[layers * kvHeads, words]`: rows in the cache. */
  stored: Uint32Array;
  /** `[layers * kvHeads, words]`: rows dropped and not stored again. */
  evicted: Uint32Array;
  /** `[layers * kvHeads, words]`: rows dropped by the newest pass. */
  dropped: Uint32Array;
  /** `[layers * queryHeads, words]`: rows read by the newest query of the newest pass. */
  read: Uint32Array;
  /** `[layers * kvHeads]`: how many rows are stored. */
  readonly storedRows: Uint32Array;
  /** `[layers * kvHeads]`: how many rows were dropped since the beginning. */
  readonly evictedRows: Uint32Array;

  /** Positions of text seen so far. */
  length = 0;
  /** The newest pass, or null before the first. */
  pass: { kind: PassKind; first: number; rows: number; step: number } | null = null;
  /** Totals of the newest finished pass, as the engine counted them. */
  totals = { kvBytes: 0, readBytes: 0, storedRows: 0, readRows: 0 };

  constructor(shape: Shape) {
    this.shape = { ...shape };
    const kv = shape.layers * shape.kvHeads;
    this.stored = new Uint32Array(kv * this.words);
    this.evicted = new Uint32Array(kv * this.words);
    this.dropped = new Uint32Array(kv * this.words);
    this.read = new Uint32Array(shape.layers * shape.queryHeads * this.words);
    this.storedRows = new Uint32Array(kv);
    this.evictedRows = new Uint32Array(kv);
  }

  /** Takes in one block. */
  apply(block: Uint8Array): void {
    for (const record of records(block)) this.#take(record);
  }

  kvRow(layer: number, queryHead: number): number {
    const { queryHeads, kvHeads } = this.shape;
    return layer * kvHeads + Math.floor((queryHead * kvHeads) / queryHeads);
  }

  isRead(layer: number, queryHead: number, position: number): boolean {
    return this.#has(this.read, layer * this.shape.queryHeads + queryHead, position);
  }

  isStored(layer: number, kvHead: number, position: number): boolean {
    return this.#has(this.stored, layer * this.shape.kvHeads + kvHead, position);
  }

  isEvicted(layer: number, kvHead: number, position: number): boolean {
    return this.#has(this.evicted, layer * this.shape.kvHeads + kvHead, position);
  }

  isDropped(layer: number, kvHead: number, position: number): boolean {
    return this.#has(this.dropped, layer * this.shape.kvHeads + kvHead, position);
  }

  /** Rows read by the newest query, by layer and query head. */
  readCount(layer: number, queryHead: number): number {
    return countBits(this.read, (layer * this.shape.queryHeads + queryHead) * this.words, this.words);
  }

  #has(bits: Uint32Array, row: number, position: number): boolean {
    return position >= 0 && position < this.words * 32 && hasBit(bits, row * this.words, position);
  }

  #take(record: TraceRecord): void {
    const { a, b } = record;
    switch (record.kind) {
      case Kind.pass:
        this.pass = { kind: PASSES[record.aux] ?? 'decode', first: a, rows: b, step: record.step };
        this.#reserve(a + b);
        this.length = Math.max(this.length, a + b);
        this.read.fill(0);
        this.dropped.fill(0);
        return;
      case Kind.bytes:
        this.totals.kvBytes = a;
        this.totals.readBytes = b;
        return;
      case Kind.rows:
        this.totals.storedRows = a;
        this.totals.readRows = b;
        return;
      case Kind.append:
        this.#reserve(a + b);
        return this.#eachKv(record, (row) => this.#append(row, a, a + b));
      case Kind.evictRun:
        this.#reserve(a + b);
        return this.#eachKv(record, (row) => this.#evict(row, a, a + b));
      case Kind.evictBits:
        return this.#eachKv(record, (row) => this.#runs(record, (from, to) => this.#evict(row, from, to)));
      case Kind.cut:
        this.#reserve(a + b);
        this.length = a;
        return this.#eachKv(record, (row) => {
          this.storedRows[row] -= takeRange(this.stored, row * this.words, a, a + b);
        });
      case Kind.readAll:
        return this.#eachQuery(record, (row, kv) => {
          const from = kv * this.words;
          this.read.set(this.stored.subarray(from, from + this.words), row * this.words);
        });
      case Kind.readWindow:
        return this.#eachQuery(record, (row, kv) => {
          this.read.fill(0, row * this.words, (row + 1) * this.words);
          copyNewest(this.stored, kv * this.words, this.read, row * this.words, this.words, a);
        });
      case Kind.readRun:
        this.#reserve(a + b);
        return this.#eachQuery(record, (row) => setRange(this.read, row * this.words, a, a + b));
      case Kind.readBits:
        return this.#eachQuery(record, (row) =>
          this.#runs(record, (from, to) => setRange(this.read, row * this.words, from, to)),
        );
      default:
        // Tokens, notes and how rows are stored do not change which are there.
        return;
    }
  }

  #append(row: number, from: number, to: number): void {
    this.storedRows[row] += setRange(this.stored, row * this.words, from, to);
    takeRange(this.evicted, row * this.words, from, to);
  }

  #evict(row: number, from: number, to: number): void {
    const base = row * this.words;
    const gone = takeRange(this.stored, base, from, to, (word, bits) => {
      this.evicted[base + word] |= bits;
      this.dropped[base + word] |= bits;
    });
    this.storedRows[row] -= gone;
    this.evictedRows[row] += gone;
  }

  #eachKv({ layer, head }: TraceRecord, visit: (row: number) => void): void {
    const { layers, kvHeads } = this.shape;
    if (layer >= layers || (head >= kvHeads && head !== ALL_HEADS)) throw malformed('it names no such KV head');
    if (head !== ALL_HEADS) return visit(layer * kvHeads + head);
    for (let h = 0; h < kvHeads; h++) visit(layer * kvHeads + h);
  }

  #eachQuery({ layer, head }: TraceRecord, visit: (row: number, kvRow: number) => void): void {
    const { layers, queryHeads } = this.shape;
    if (layer >= layers || (head >= queryHeads && head !== ALL_HEADS)) throw malformed('it names no such query head');
    const first = head === ALL_HEADS ? 0 : head;
    const last = head === ALL_HEADS ? queryHeads - 1 : head;
    for (let h = first; h <= last; h++) visit(layer * queryHeads + h, this.kvRow(layer, h));
  }

  /** Visits the runs of set bits of a payload as ranges of positions. */
  #runs({ a, payload }: TraceRecord, visit: (from: number, to: number) => void): void {
    this.#reserve(a + payload.length * 8);
    let start = -1;
    for (let i = 0; i <= payload.length * 8; i++) {
      const on = i < payload.length * 8 && ((payload[i >> 3] >> (i & 7)) & 1) === 1;
      if (on && start < 0) start = i;
      if (!on && start >= 0) {
        visit(a + start, a + i);
        start = -1;
      }
    }
  }

  /** Makes room for positions below `length`. */
  #reserve(length: number): void {
    if (length <= this.words * 32) return;
    if (length > MAX_POSITIONS) throw malformed('a position is out of range');
    let words = this.words;
    while (words * 32 < length) words *= 2;
    const widen = (bits: Uint32Array, rows: number) => {
      const wide = new Uint32Array(rows * words);
      for (let r = 0; r < rows; r++) wide.set(bits.subarray(r * this.words, (r + 1) * this.words), r * words);
      return wide;
    };
    const { layers, kvHeads, queryHeads } = this.shape;
    this.stored = widen(this.stored, layers * kvHeads);
    this.evicted = widen(this.evicted, layers * kvHeads);
    this.dropped = widen(this.dropped, layers * kvHeads);
    this.read = widen(this.read, layers * queryHeads);
    this.words = words;
  }
}

function malformed(why: string): AttnscopeError {
  return new AttnscopeError('trace', `This trace block is damaged: ${why}.`);
}
