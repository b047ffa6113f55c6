/** The cache as a trace tells it. */
import { copyNewest, countBits, eachWord, hasBit, popcount, setRange, takeRange } from '../bits.js';
import { ALL_HEADS, Kind, RECORD } from '../trace.gen.js';
import { malformed, records, type TraceRecord } from './records.js';
import { Weights } from './weights.js';

export interface Shape {
  layers: number;
  queryHeads: number;
  kvHeads: number;
}

export type PassKind = 'prefill' | 'decode' | 'draft' | 'verify' | 'correct';
const PASSES: readonly PassKind[] = ['prefill', 'decode', 'draft', 'verify', 'correct'];

/** More positions than any model has; a larger number in a block means that the block is damaged. */
const MAX_POSITIONS = 1 << 22;
/** Payloads are whole records, so the last bits of one may lie beyond the text. */
const ROUNDED = RECORD * 8;
/** And more bytes of bits than any model's: 131,072 tokens of one with 32 layers of 32 heads are 26 MB. */
const MAX_BYTES = 1 << 26;

const isRead = (kind: number) => (kind >= Kind.readAll && kind <= Kind.readBits) || kind === Kind.weights;

/** The sets that `CacheView` has by KV head. */
export const KV_SETS = ['stored', 'evicted', 'dropped', 'quantised', 'parked', 'merged'] as const;

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
  /** `[layers * kvHeads, words]`: rows in the cache that are in two 4-bit planes. */
  quantised: Uint32Array;
  /** `[layers * kvHeads, words]`: rows in the cache that are in the far tier. */
  parked: Uint32Array;
  /** `[layers * kvHeads, words]`: rows in the cache to which dropped ones were added. */
  merged: Uint32Array;
  /** `[layers * queryHeads, words]`: rows read by the newest query of the newest pass. */
  read: Uint32Array;
  /** `[layers * queryHeads, words]`: what the pass before it read, in heads that then read a choice of what is stored. */
  before: Uint32Array;
  /** By layer and query head: how much of its attention the newest query of the newest pass gave to positions. */
  readonly weights: Weights;
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

  readonly #limit: number;

  /** `positions`: how many the text can have; what names another one is damaged. */
  constructor({ layers, queryHeads, kvHeads }: Shape, positions = MAX_POSITIONS) {
    this.shape = { layers, queryHeads, kvHeads };
    this.#limit = Math.min(positions, MAX_POSITIONS);
    const kv = layers * kvHeads;
    const row = () => new Uint32Array(kv * this.words);
    this.stored = row();
    this.evicted = row();
    this.dropped = row();
    this.quantised = row();
    this.parked = row();
    this.merged = row();
    this.read = new Uint32Array(layers * queryHeads * this.words);
    this.before = new Uint32Array(layers * queryHeads * this.words);
    this.weights = new Weights(layers * queryHeads);
    this.storedRows = new Uint32Array(kv);
    this.evictedRows = new Uint32Array(kv);
  }

  /**
   * Takes in one block. With `reads` false, what was read and how strongly is left out, which is most of the work; it is
   * right again after the next pass that is taken in whole.
   */
  apply(block: Uint8Array, reads = true): void {
    for (const record of records(block)) {
      if (reads || !isRead(record.kind)) this.#take(record);
    }
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

  isParked(layer: number, kvHead: number, position: number): boolean {
    return this.#has(this.parked, layer * this.shape.kvHeads + kvHead, position);
  }

  /** Rows stored of the positions below `end`, over all layers and KV heads. */
  storedBelow(end: number): number {
    const { words, stored } = this;
    const whole = Math.min(words, end >>> 5);
    const rest = whole < words ? (1 << (end & 31)) - 1 : 0;
    let rows = 0;
    for (let at = 0; at < stored.length; at += words) {
      rows += countBits(stored, at, whole);
      if (rest !== 0) rows += popcount(stored[at + whole] & rest);
    }
    return rows;
  }

  /** How much of its attention the newest query gave to a position, 0 to 1; 0 too for less than a trace lists. */
  weight(layer: number, queryHead: number, position: number): number {
    return this.weights.of(layer * this.shape.queryHeads + queryHead, position);
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
        this.#remember();
        this.read.fill(0);
        this.weights.clear();
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
        this.#reserve(a + record.payload.length * 8);
        return this.#eachKv(record, (row) => this.#evictBits(row, record));
      case Kind.quantise:
        this.#reserve(a + b);
        return this.#eachKv(record, (row) => setRange(this.quantised, row * this.words, a, a + b));
      case Kind.park:
        this.#reserve(a + b);
        return this.#eachKv(record, (row) => setRange(this.parked, row * this.words, a, a + b));
      case Kind.fetch:
        this.#reserve(a + b);
        return this.#eachKv(record, (row) => takeRange(this.parked, row * this.words, a, a + b));
      case Kind.fold:
        this.#reserve(b + 1);
        return this.#eachKv(record, (row) => setRange(this.merged, row * this.words, b, b + 1));
      case Kind.cut:
        this.#reserve(a + b);
        this.length = a;
        return this.#eachKv(record, (row) => {
          this.storedRows[row] -= takeRange(this.stored, row * this.words, a, a + b);
          for (const set of this.#marks()) takeRange(set, row * this.words, a, a + b);
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
        this.#reserve(a + record.payload.length * 8);
        return this.#eachQuery(record, (row) => {
          const base = row * this.words;
          eachWord(record.payload, a, (word, bits) => {
            this.read[base + word] |= bits;
          });
        });
      case Kind.weights: {
        const listed = Weights.read(record);
        if (!listed) throw malformed('it lists more weights than it has');
        this.#reserve(Weights.end(listed));
        return this.#eachQuery(record, (row) => this.weights.set(row, listed));
      }
      default:
        // Tokens, notes and measurements change no row.
        return;
    }
  }

  /** Keeps the choices of the pass that ends; a head that read everything chose nothing. */
  #remember(): void {
    const { layers, queryHeads } = this.shape;
    const { words, read, before } = this;
    before.fill(0);
    for (let row = 0; row < layers * queryHeads; row++) {
      const kv = this.kvRow(Math.floor(row / queryHeads), row % queryHeads);
      const chosen = countBits(read, row * words, words);
      if (chosen > 0 && chosen < this.storedRows[kv])
        before.set(read.subarray(row * words, (row + 1) * words), row * words);
    }
  }

  #append(row: number, from: number, to: number): void {
    this.storedRows[row] += setRange(this.stored, row * this.words, from, to);
    takeRange(this.evicted, row * this.words, from, to);
  }

  #evict(row: number, from: number, to: number): void {
    const base = row * this.words;
    let gone = 0;
    takeRange(this.stored, base, from, to, (word, bits) => {
      gone += this.#gone(base + word, bits);
    });
    this.#count(row, gone);
  }

  #evictBits(row: number, { a, payload }: TraceRecord): void {
    const base = row * this.words;
    let gone = 0;
    eachWord(payload, a, (word, bits) => {
      const taken = this.stored[base + word] & bits;
      this.stored[base + word] &= ~bits;
      gone += this.#gone(base + word, taken);
    });
    this.#count(row, gone);
  }

  /** Marks the rows `bits` of a word as dropped; returns how many those are. */
  #gone(at: number, bits: number): number {
    this.evicted[at] |= bits;
    this.dropped[at] |= bits;
    for (const set of this.#marks()) set[at] &= ~bits;
    return popcount(bits);
  }

  #count(row: number, gone: number): void {
    this.storedRows[row] -= gone;
    this.evictedRows[row] += gone;
  }

  /** What rows lose when they leave the cache. */
  #marks(): readonly Uint32Array[] {
    return [this.quantised, this.parked, this.merged];
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

  /** Makes room for positions below `length`. */
  #reserve(length: number): void {
    if (length <= this.words * 32) return;
    if (length > this.#limit + ROUNDED) throw malformed('a position is out of range');
    let words = this.words;
    while (words * 32 < length) words *= 2;
    this.resize(words);
  }

  /** Gives every row `words` words, keeping the bits that have room in them. Throws `trace` for too many. */
  resize(words: number): void {
    const { layers, kvHeads, queryHeads } = this.shape;
    const [kv, query] = [layers * kvHeads, layers * queryHeads];
    if (words * 4 * (kv * KV_SETS.length + 2 * query) > MAX_BYTES) throw malformed('a position is out of range');
    if (words === this.words) return;
    const kept = Math.min(words, this.words);
    const moved = (bits: Uint32Array, rows: number) => {
      const to = new Uint32Array(rows * words);
      for (let r = 0; r < rows; r++) to.set(bits.subarray(r * this.words, r * this.words + kept), r * words);
      return to;
    };
    for (const name of KV_SETS) this[name] = moved(this[name], kv);
    this.read = moved(this.read, query);
    this.before = moved(this.before, query);
    this.words = words;
  }
}
