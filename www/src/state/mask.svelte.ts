import type { History } from 'attnscope/trace';
import { type Fold, HeadHistory, jointRows, type MaskRows } from 'attnscope/view';
import type { Track } from './track.svelte.js';

/** Milliseconds of reading old steps before the page gets its turn. */
const SLICE = 8;

/** The mask of one head of a track, from its histories, up to the newest step. */
export class HeadMask {
  /** What is drawn: of several hosts what they have together. */
  readonly rows: MaskRows;
  /** Rises when rows were added. */
  version = $state(0);
  /** The first query whose row changed since it was asked last. */
  #changed = 0;
  #next: number;
  #reading = false;
  #closed = false;
  readonly #histories: readonly History[];
  readonly #heads: readonly HeadHistory[];

  constructor(track: Track, layer: number, queryHead: number) {
    this.#histories = track.histories;
    this.#heads = track.histories.map(({ view }) => new HeadHistory(view.shape, layer, queryHead));
    this.rows = this.#heads.length > 1 ? jointRows(this.#heads) : this.#heads[0];
    this.#next = this.#first;
  }

  /** Merges of its rows so far. */
  get folds(): readonly Fold[] {
    return this.#heads.flatMap(({ folds }) => folds);
  }

  /** Reads the steps that came since. */
  async grow(): Promise<void> {
    if (this.#reading || this.#next >= this.#made) return;
    this.#reading = true;
    try {
      let began = performance.now();
      while (this.#next < this.#made && !this.#closed) {
        // In a long run, steps may become sums while this waits.
        this.#next = Math.max(this.#next, this.#first);
        const at = this.#next++;
        const blocks = await Promise.all(this.#histories.map((history) => history.block(at))).catch(() => null);
        if (blocks) this.#changed = Math.min(this.#changed, ...blocks.map((block, i) => this.#heads[i].add(block)));
        else if (at >= this.#first) break;
        if (performance.now() - began < SLICE) continue;
        this.version++;
        await new Promise((resolve) => setTimeout(resolve));
        began = performance.now();
      }
    } finally {
      this.#reading = false;
    }
    this.version++;
  }

  close(): void {
    this.#closed = true;
  }

  /** The first query to draw again. */
  takeChanged(): number {
    const changed = this.#changed;
    this.#changed = this.rows.length;
    return changed;
  }

  /** The oldest step that all of them still have. */
  get #first(): number {
    return Math.max(...this.#histories.map(({ first }) => first));
  }

  /** Steps that all of them have made. */
  get #made(): number {
    return Math.min(...this.#histories.map(({ steps }) => steps.length));
  }
}
