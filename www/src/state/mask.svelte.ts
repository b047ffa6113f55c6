import type { History } from 'attnscope/trace';
import { HeadHistory } from 'attnscope/view';
import type { Track } from './track.svelte.js';

/** Milliseconds of reading old steps before the page gets its turn. */
const SLICE = 8;

/** The mask of one head of a track, from its history, up to the newest step. */
export class HeadMask {
  readonly head: HeadHistory;
  /** Rises when rows were added. */
  version = $state(0);
  /** The first query whose row changed since it was asked last. */
  #changed = 0;
  #next: number;
  #reading = false;
  #closed = false;
  readonly #history: History;

  constructor(track: Track, layer: number, queryHead: number) {
    this.#history = track.history;
    this.head = new HeadHistory(this.#history.view.shape, layer, queryHead);
    this.#next = this.#history.first;
  }

  /** Reads the steps that came since. */
  async grow(): Promise<void> {
    if (this.#reading || this.#next >= this.#history.steps.length) return;
    this.#reading = true;
    try {
      let began = performance.now();
      while (this.#next < this.#history.steps.length && !this.#closed) {
        // In a long run, steps may become sums while this waits.
        this.#next = Math.max(this.#next, this.#history.first);
        const at = this.#next++;
        const block = await this.#history.block(at).catch(() => null);
        if (block) this.#changed = Math.min(this.#changed, this.head.add(block));
        else if (at >= this.#history.first) break;
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
    this.#changed = this.head.length;
    return changed;
  }
}
