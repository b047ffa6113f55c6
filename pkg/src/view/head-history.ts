/**
 * The mask of one head: a row for every query of the run, a column for every position, growing row by row. It takes the
 * blocks of a run in their order and keeps what concerns its head.
 */
import { copyNewest, setRange } from '../bits.js';
import { CacheView, type Shape } from '../trace/cache-view.js';
import { records, type TraceRecord } from '../trace/records.js';
import { ALL_HEADS, Kind, RECORD, SCHEMA } from '../trace.gen.js';

/** What the rows of a pass read before its newest one, of which the trace has the exact set. */
type Reads =
  | { kind: 'none' | 'all' | 'listed' }
  | { kind: 'window'; newest: number }
  | { kind: 'blocks'; size: number; pairs: Uint8Array };

/** A pass: queries `first` to `last`, and sets of positions at its end. */
interface Span {
  first: number;
  last: number;
  reads: Reads;
  words: number;
  read: Uint32Array;
  stored: Uint32Array;
  evicted: Uint32Array;
  dropped: Uint32Array;
}

/** A row that was dropped and added to another. */
export interface Fold {
  dropped: number;
  into: number;
}

/** Where the planes of a row are, the most severe first. */
export const PLANES = ['read', 'stored', 'evicted'] as const;

/** What a mask is drawn from. */
export interface MaskRows {
  /** Queries so far. */
  readonly length: number;
  /** Fills in the planes of a query, in the order of `PLANES`. */
  row(query: number, out: readonly Uint32Array[]): void;
}

const ONE: Shape = { layers: 1, queryHeads: 1, kvHeads: 1 };
const HEAD_OF = new Map<number, string>(Object.values(SCHEMA).map(({ kind, head }) => [kind, head]));

export class HeadHistory implements MaskRows {
  /** Queries so far. */
  length = 0;
  /** Merges of its rows so far. */
  readonly folds: Fold[] = [];
  readonly #view = new CacheView(ONE);
  readonly #spans: Span[] = [];
  /** By query, the span that has it: one that was computed anew belongs to the later. */
  readonly #of: number[] = [];
  readonly #kvHead: number;
  #reads: Reads = { kind: 'none' };

  /** `head` is a query head. */
  constructor(
    { queryHeads, kvHeads }: Shape,
    readonly layer: number,
    readonly head: number,
  ) {
    this.#kvHead = Math.floor((head * kvHeads) / queryHeads);
  }

  /** Returns the first query whose row changed. */
  add(block: Uint8Array): number {
    let first = this.#view.pass?.first ?? 0;
    for (const record of records(block)) {
      if (record.kind === Kind.pass) {
        this.#keep();
        this.#reads = { kind: 'none' };
      } else if (!this.#mine(record)) continue;
      else this.#hear(record);
      this.#view.apply(alone(record));
      if (record.kind === Kind.pass) first = Math.min(first, record.a);
    }
    this.#keep();
    return first;
  }

  /**
   * The planes of the query at `query`, in the order of `PLANES`, each with room for `length` positions. Rows before the
   * newest of a pass are what its record says of all of them.
   */
  row(query: number, out: readonly Uint32Array[]): void {
    for (const plane of out) plane.fill(0);
    const span = this.#spans[this.#of[query] ?? -1];
    if (!span) return;
    const [read, stored, evicted] = out;
    const newest = query === span.last;
    const causal = new Uint32Array(read.length);
    setRange(causal, 0, 0, query + 1);
    for (let w = 0; w < Math.min(span.words, read.length); w++) {
      // What the pass dropped in the end was there for its earlier rows.
      const gone = newest ? 0 : span.dropped[w];
      stored[w] = (span.stored[w] | gone) & causal[w];
      evicted[w] = span.evicted[w] & ~gone & causal[w];
    }
    if (newest) read.set(span.read.subarray(0, read.length));
    else fillReads(span, query, stored, causal, read);
  }

  #mine({ kind, layer, head }: TraceRecord): boolean {
    if (layer !== this.layer) return false;
    const counts = HEAD_OF.get(kind);
    return counts !== '' && (head === ALL_HEADS || head === (counts === 'kv' ? this.#kvHead : this.head));
  }

  #hear({ kind, a, b, payload }: TraceRecord): void {
    if (kind === Kind.fold) this.folds.push({ dropped: a, into: b });
    if (kind === Kind.readAll) this.#reads = { kind: 'all' };
    if (kind === Kind.readWindow) this.#reads = { kind: 'window', newest: a };
    // The lists beside a block map are those of the newest row.
    if ((kind === Kind.readRun || kind === Kind.readBits) && this.#reads.kind !== 'blocks')
      this.#reads = { kind: 'listed' };
    if (kind === Kind.readBlocks) this.#reads = { kind: 'blocks', size: a & 0xffff, pairs: payload };
  }

  /** Keeps the newest pass as it is now; called again, it replaces it. */
  #keep(): void {
    const { pass, words, read, stored, evicted, dropped } = this.#view;
    if (!pass) return;
    const [first, last] = [pass.first, pass.first + pass.rows - 1];
    const before = this.#spans[this.#spans.length - 1];
    const again = before?.first === first && before.last === last && this.#of[last] === this.#spans.length - 1;
    const index = again ? this.#spans.length - 1 : this.#spans.length;
    const sets = { read: read.slice(), stored: stored.slice(), evicted: evicted.slice(), dropped: dropped.slice() };
    this.#spans[index] = { first, last, reads: this.#reads, words, ...sets };
    for (let query = first; query <= last; query++) this.#of[query] = index;
    this.length = Math.max(this.length, last + 1);
  }
}

function fillReads({ reads, read }: Span, query: number, stored: Uint32Array, causal: Uint32Array, out: Uint32Array) {
  if (reads.kind === 'all') out.set(stored);
  if (reads.kind === 'window') copyNewest(stored, 0, out, 0, out.length, reads.newest);
  if (reads.kind === 'listed') {
    for (let w = 0; w < Math.min(read.length, out.length); w++) out[w] = read[w] & causal[w];
  }
  if (reads.kind !== 'blocks' || reads.size === 0) return;
  const row = Math.floor(query / reads.size);
  for (let k = 0; k <= row; k++) {
    const bit = (row * (row + 1)) / 2 + k;
    if ((reads.pairs[bit >> 3] >> (bit & 7)) & 1) {
      setRange(out, 0, k * reads.size, Math.min((k + 1) * reads.size, query + 1));
    }
  }
}

/** The record as a block of its own, for a view of one head. */
function alone({ kind, aux, step, a, b, payload }: TraceRecord): Uint8Array {
  const block = new Uint8Array(RECORD + payload.length);
  block.set([kind, 0, kind === Kind.pass ? 0 : ALL_HEADS, aux]);
  const data = new DataView(block.buffer);
  data.setUint32(4, step, true);
  data.setUint32(8, a, true);
  data.setUint32(12, b, true);
  block.set(payload, RECORD);
  return block;
}
