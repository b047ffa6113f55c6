/**
 * What a run has done so far that its cache no longer shows: how the prompt was read, which guesses held, what limits
 * were passed. Counted from the records alone, and small enough to be kept for every step.
 */
import { popcount } from '../bits.js';
import { ALL_HEADS, Kind } from '../trace.gen.js';
import { type Guess, Guesses } from './guesses.js';
import type { TraceRecord } from './records.js';

/** A prefill pass: its rows, and what its newest query read in the first head of the first layer. */
export interface Prefill {
  first: number;
  rows: number;
  /** Runs of positions; none where it is not listed so. */
  runs: (readonly [first: number, rows: number])[];
}

/** Share of its block map that a head computed, of all pairs that there are. */
export interface Density {
  layer: number;
  head: number;
  share: number;
}

/** A head that took one of two ways by a number of its own: the first one where that is below the cut. */
export interface Choice {
  layer: number;
  head: number;
  number: number;
  cut: number;
  first: boolean;
}

/** A limit of the guard that was passed. */
export interface Trip {
  step: number;
  /** The monitor, as `aux` of docs/trace.md. */
  monitor: number;
  seen: number;
  limit: number;
}

export interface Facts {
  /** Positions that the prompt has, before the first token was written. */
  prompt: number;
  /** The passes that read prompts and questions. */
  prefills: readonly Prefill[];
  /** Pairs of blocks that were computed, and all that there are, over all heads with a block map. */
  blocksRead: number;
  blocksThere: number;
  /** Of each head with a block map, in the newest prompt that has any. */
  densities: readonly Density[];
  /** Which way each head took, in the newest step where heads had a choice. */
  choices: readonly Choice[];
  /** A method's newest table of remarks, by column, and the layer that made it. */
  table: { layer: number; values: readonly number[] } | null;
  /** Guesses that were checked, and how many of them held. */
  guessed: number;
  held: number;
  /** Whether guesses read quantised rows by their upper plane alone. */
  upperPlane: boolean;
  /** The guesses that were checked last. */
  guesses: readonly Guess[];
  /** Rows merged into others. */
  folds: number;
  /** Rows whose keys were computed anew. */
  corrected: number;
  /** Hosts that share the work, and the bytes this one sent and received. */
  hosts: number;
  sent: number;
  received: number;
  /** `[layers, hosts]`: how much of the newest query's attention each host found; null before they exchanged anything. */
  shares: Float32Array | null;
  /** The newest comparison with full attention, mean over its heads. */
  shadow: { recall: number; error: number } | null;
  /** The least signal-to-noise ratio of quantised rows, in dB; null where nothing was quantised. */
  noise: number | null;
  trips: readonly Trip[];
}

const PREFILL = 0;
const DRAFT = 2;
const VERIFY = 3;
const CORRECT = 4;
const UPPER = 1;
/** More columns than a table has rounds; a damaged block may name any. */
const MAX_COLUMNS = 4096;

export const NO_FACTS: Facts = {
  prompt: 0,
  prefills: [],
  blocksRead: 0,
  blocksThere: 0,
  densities: [],
  choices: [],
  table: null,
  guessed: 0,
  held: 0,
  upperPlane: false,
  guesses: [],
  folds: 0,
  corrected: 0,
  hosts: 0,
  sent: 0,
  received: 0,
  shares: null,
  shadow: null,
  noise: null,
  trips: [],
};

/** Collects the facts of a run from its records, in their order. */
export class FactsReader {
  readonly #facts = { ...NO_FACTS };
  readonly #prefills: Prefill[] = [];
  readonly #trips: Trip[] = [];
  #guesses = new Guesses();
  #densities: Density[] = [];
  #choices: Choice[] = [];
  #shares: number[] = [];
  #pass = PREFILL;
  #spoke = false;
  /** Of the newest pass. */
  #table: { layer: number; values: number[] } | null = null;
  #compared = { recall: 0, error: 0, heads: 0 };

  take(record: TraceRecord): void {
    const { kind, aux, layer, head, step, a, b } = record;
    const facts = this.#facts;
    switch (kind) {
      case Kind.pass:
        return this.#begin(aux, a, b);
      case Kind.token:
        this.#spoke = true;
        return this.#guesses.token(aux, a, b);
      case Kind.readAll:
        facts.upperPlane ||= this.#pass === DRAFT && aux === UPPER;
        return;
      case Kind.readRun:
        if (this.#pass === PREFILL && layer === 0 && (head === 0 || head === ALL_HEADS)) {
          this.#prefills.at(-1)?.runs.push([a, b]);
        }
        return;
      case Kind.readBlocks:
        return this.#blocks(record);
      case Kind.note:
        return this.#note(layer, a, float(b));
      case Kind.fold:
        facts.folds++;
        return;
      case Kind.exchange:
        facts.hosts = aux;
        facts.sent += a;
        facts.received += b;
        return;
      case Kind.share:
        // They come layer by layer, host by host; a damaged block may name any.
        if (aux < facts.hosts && layer * facts.hosts + aux <= this.#shares.length) {
          this.#shares[layer * facts.hosts + aux] = float(a);
        }
        return;
      case Kind.choice:
        // One for all heads of a layer is a property of the layer.
        if (head !== ALL_HEADS) {
          this.#choices.push({ layer, head, number: float(a), cut: float(b), first: aux === 1 });
        }
        return;
      case Kind.shadow:
        this.#compared.recall += float(a);
        this.#compared.error += float(b);
        this.#compared.heads++;
        return;
      case Kind.guard:
        this.#trips.push({ step, monitor: aux, seen: float(a), limit: float(b) });
        return;
      case Kind.planeNoise:
        facts.noise = Math.min(facts.noise ?? Number.POSITIVE_INFINITY, float(a));
        return;
    }
  }

  /** Ends a step; what is handed out never changes. */
  close(): Facts {
    const facts = this.#facts;
    const guesses = this.#guesses.judged;
    facts.guessed += guesses.length;
    facts.held += guesses.filter(({ held }) => held).length;
    if (guesses.length > 0) facts.guesses = guesses;
    if (facts.prefills.length < this.#prefills.length) facts.prefills = this.#prefills.slice();
    if (facts.trips.length < this.#trips.length) facts.trips = this.#trips.slice();
    if (this.#densities.length > 0) facts.densities = this.#densities;
    this.#densities = [];
    if (this.#choices.length > 0) facts.choices = this.#choices;
    this.#choices = [];
    if (this.#shares.length > 0) facts.shares = Float32Array.from(this.#shares);
    this.#shares = [];
    if (this.#table) facts.table = { ...this.#table };
    const { recall, error, heads } = this.#compared;
    if (heads > 0) facts.shadow = { recall: recall / heads, error: error / heads };
    this.#guesses = new Guesses();
    return { ...facts };
  }

  #begin(kind: number, first: number, rows: number): void {
    this.#pass = kind;
    this.#table = null;
    this.#shares = [];
    this.#compared = { recall: 0, error: 0, heads: 0 };
    if (kind === VERIFY) this.#guesses.verify();
    if (kind === CORRECT) this.#facts.corrected += rows;
    if (kind !== PREFILL) return;
    if (!this.#spoke) this.#facts.prompt = Math.max(this.#facts.prompt, first + rows);
    this.#prefills.push({ first, rows, runs: [] });
  }

  #note(layer: number, column: number, value: number): void {
    if (this.#table?.layer !== layer) this.#table = { layer, values: [] };
    if (column < MAX_COLUMNS) this.#table.values[column] = value;
  }

  #blocks({ layer, head, a, payload }: TraceRecord): void {
    const blocks = a >>> 16;
    const read = payload.reduce((sum, byte) => sum + popcount(byte), 0);
    const there = (blocks * (blocks + 1)) / 2;
    this.#facts.blocksRead += read;
    this.#facts.blocksThere += there;
    this.#densities.push({ layer, head, share: Math.min(1, read / Math.max(1, there)) });
  }
}

const BITS = new DataView(new ArrayBuffer(4));

/** A number whose bits are those of an f32. */
function float(bits: number): number {
  BITS.setUint32(0, bits);
  return BITS.getFloat32(0);
}
