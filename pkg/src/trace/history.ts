/**
 * A whole run, any step of which can be shown again. It keeps the blocks themselves, 32 steps a segment with the state
 * before them; a replay is exact by construction. What is more than a quarter of the limit is deflated, the oldest first:
 * it takes longer than all else that is done with a block, and most runs never need it. Deflated blocks of the real model
 * are 0.2 to 8 kB a token at 2,000 tokens of text (raw 1 to 62 kB; bit sets XORed from step to step and deflated 0.5 to
 * 4.5 kB), with weights 10 to 20 kB more (raw 35 kB).
 */
import { AttnscopeError } from '../errors.js';
import { join } from '../join.js';
import { Kind } from '../trace.gen.js';
import { CacheView, type Shape } from './cache-view.js';
import { canCompress, deflate, inflate } from './compress.js';
import { addEvent, type StepEvent } from './events.js';
import { type Facts, FactsReader } from './facts.js';
import { type Keyframe, restoreKeyframe, takeKeyframe } from './keyframe.js';
import { records } from './records.js';

/** Bytes that the histories of a run may take together, unless somebody says otherwise: 128 MiB. */
export const HISTORY_LIMIT = 128 * 2 ** 20;

export interface HistoryOptions {
  /** Steps between keyframes. Default 32. */
  every?: number;
  /** Bytes kept; beyond them the oldest segments become summaries. Default 128 MiB. */
  limit?: number;
  /** How many positions the text can have; a block that names others is damaged. */
  positions?: number;
}

/** What is kept of every step, also when its blocks are gone. */
export interface StepSummary {
  /** Positions of text after the step. */
  length: number;
  totals: Readonly<CacheView['totals']>;
  events: readonly StepEvent[];
  /** What the run has done up to here. */
  facts: Facts;
}

interface Segment {
  keyframe: Omit<Keyframe, 'bytes'>;
  /** Bytes of the keyframe, then of each step. */
  sizes: number[];
  /** Whether a step has a pass: the reads that are shown are those of the newest one. */
  passes: boolean[];
  /** Keyframe and steps one after the other; null once they are compressed, and when they are gone. */
  parts: Uint8Array[] | null;
  packed: Uint8Array | null;
}

/** The part of the limit that stays as it came. */
const PLAIN = 1 / 4;

const sum = (sizes: readonly number[]) => sizes.reduce((all, size) => all + size, 0);

export class History {
  /** The newest state, also in the middle of a step. */
  readonly view: CacheView;
  readonly steps: StepSummary[] = [];
  /** The oldest step that can be shown; those before are summaries. */
  first = 0;
  readonly #every: number;
  readonly #limit: number;
  readonly #segments: Segment[] = [];
  #pending: Uint8Array[] = [];
  #events: StepEvent[] = [];
  #passed = false;
  /** The segment that is being deflated. */
  #packing: Promise<void> | null = null;
  #packs = canCompress();
  readonly #facts = new FactsReader();
  /** The segment that was looked into last, as bytes, and the step whose state is shown; infinite where that is of no step of it. */
  #open: { index: number; bytes: Uint8Array; offsets: number[]; step: number } | null = null;
  readonly #shown: CacheView;
  /** Seeks share `#shown`, so one waits for another. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(shape: Shape, { every = 32, limit = HISTORY_LIMIT, positions }: HistoryOptions = {}) {
    this.view = new CacheView(shape, positions);
    this.#shown = new CacheView(shape, positions);
    this.#every = every;
    this.#limit = limit;
  }

  /** Takes in a block of the step that is being made. After a damaged block, which throws `trace`, begin anew. */
  add(block: Uint8Array): void {
    if (this.#pending.length === 0 && this.steps.length % this.#every === 0) this.#begin();
    this.view.apply(block);
    for (const record of records(block)) {
      if (record.kind === Kind.pass) this.#passed = true;
      addEvent(this.#events, record, this.view.shape);
      this.#facts.take(record);
    }
    this.#pending.push(block);
  }

  /** Ends the step. */
  close(): void {
    if (this.#pending.length === 0) this.add(new Uint8Array());
    const segment = this.#segments[this.#segments.length - 1];
    const bytes = join(this.#pending);
    segment.sizes.push(bytes.length);
    segment.passes.push(this.#passed);
    segment.parts?.push(bytes);
    const { length, totals } = this.view;
    this.steps.push({ length, totals: { ...totals }, events: this.#events, facts: this.#facts.close() });
    this.#pending = [];
    this.#events = [];
    this.#passed = false;
    this.#pack();
    this.#forget();
  }

  /** Ends when what has come is as small as it is going to be; whoever adds steps without a pause waits for it now and then. */
  async settled(): Promise<void> {
    while (this.#packing) await this.#packing;
  }

  /** Bytes kept, without those of `view`. */
  get bytes(): number {
    return this.#segments.reduce((all, { parts, packed, sizes }) => {
      return all + (packed?.length ?? (parts ? sum(sizes) : 0));
    }, 0);
  }

  /**
   * The state after a step, which stays as it is until the next `seek`. Throws `trace` for a step of which only the
   * summary is left, and for one that is not there.
   */
  seek(step: number): Promise<CacheView> {
    return this.#next(async () => {
      const { passes } = await this.#load(step);
      const open = this.#open!;
      const base = open.index * this.#every;
      if (open.step > step) this.#rewind();
      const newest = passes.lastIndexOf(true, step - base);
      // What the pass before it read is shown too.
      const needed = base + (newest > 0 ? passes.lastIndexOf(true, newest - 1) : newest);
      for (let at = open.step + 1; at <= step; at++) this.#shown.apply(this.#block(at - base), at >= needed);
      open.step = step;
      return this.#shown;
    });
  }

  /** The block of a step. Throws as `seek` does. */
  block(step: number): Promise<Uint8Array> {
    return this.#next(async () => {
      await this.#load(step);
      return this.#block(step % this.#every).slice();
    });
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #begin(): void {
    const { bytes, ...keyframe } = takeKeyframe(this.view);
    this.#segments.push({ keyframe, sizes: [bytes.length], passes: [], parts: [bytes], packed: null });
  }

  /** Deflates the oldest whole segment that is not, one at a time, while there is more than stays as it came. */
  #pack(): void {
    if (this.#packing || !this.#packs) return;
    const plain = this.#segments.filter(({ parts }) => parts !== null);
    const [segment] = plain;
    const whole = segment !== undefined && segment.passes.length === this.#every;
    if (!whole || plain.reduce((all, { sizes }) => all + sum(sizes), 0) <= PLAIN * this.#limit) return;
    this.#packing = deflate(segment.parts ?? [])
      .then((packed) => {
        // It may have been forgotten meanwhile.
        if (segment.parts) Object.assign(segment, { packed, parts: null });
      })
      .catch(() => {
        // Where compressing fails, parts stay from here on.
        this.#packs = false;
      })
      .then(() => {
        this.#packing = null;
        this.#pack();
      });
  }

  /** Turns the oldest segments into summaries until the rest keeps the limit; the newest always stays. */
  #forget(): void {
    let bytes = this.bytes;
    for (const segment of this.#segments.slice(this.first / this.#every, -1)) {
      if (bytes <= this.#limit) return;
      bytes -= segment.packed?.length ?? sum(segment.sizes);
      Object.assign(segment, { parts: null, packed: null });
      this.first += this.#every;
    }
  }

  /** Makes the segment of a step the open one. */
  async #load(step: number): Promise<Segment> {
    const index = Math.floor(step / this.#every);
    const segment = this.#segments[index];
    if (!Number.isInteger(step) || step < 0 || step >= this.steps.length) {
      throw new AttnscopeError('trace', `There is no step ${step}; there are ${this.steps.length}.`);
    }
    const { parts, packed, sizes } = segment;
    if (!parts && !packed) {
      throw new AttnscopeError('trace', `Of the steps before ${this.first} only the sums are kept, to save memory.`);
    }
    const known = this.#open?.index === index ? this.#open : null;
    // The newest segment grows while it is open.
    if (known && known.offsets.length === sizes.length + 1) return segment;
    const bytes = packed ? await inflate(packed, sum(sizes)) : join(parts!);
    const offsets = [0];
    for (const size of sizes) offsets.push(offsets[offsets.length - 1] + size);
    // The state that is shown stays until a seek: it is of another segment, so that it must begin anew.
    this.#open = { index, bytes, offsets, step: known?.step ?? Number.POSITIVE_INFINITY };
    return segment;
  }

  /** Puts the shown state before the first step of the open segment. */
  #rewind(): void {
    const open = this.#open!;
    const bytes = open.bytes.subarray(0, open.offsets[1]);
    restoreKeyframe(this.#shown, { ...this.#segments[open.index].keyframe, bytes });
    open.step = open.index * this.#every - 1;
  }

  #block(at: number): Uint8Array {
    const { bytes, offsets } = this.#open!;
    return bytes.subarray(offsets[at + 1], offsets[at + 2]);
  }
}
