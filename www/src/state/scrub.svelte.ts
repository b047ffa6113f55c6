import { mergeEvents, nextEvent, type StepEvent } from 'attnscope/trace';
import type { Track } from './track.svelte.js';

/** Milliseconds that a step is shown while playing. */
const PACE = 250;

/** Which step the maps show: the newest, as long as it is live, or one that was chosen, while decoding goes on. */
export class Scrub {
  live = $state(true);
  playing = $state(false);
  /** The step that is shown when it is not the newest. */
  #at = $state(0);
  #timer: ReturnType<typeof setInterval> | undefined;
  #showing: Promise<void> | null = null;
  #stale = false;

  /** The tracks there are, and how many steps they have. */
  constructor(
    private readonly tracks: () => readonly Track[],
    private readonly steps: () => number,
  ) {}

  /** The oldest step of which every method still has the whole state. */
  get first(): number {
    return Math.max(0, ...this.tracks().map(({ history }) => history.first));
  }

  get last(): number {
    return Math.max(0, this.steps() - 1);
  }

  get at(): number {
    return this.live ? this.last : this.#at;
  }

  /** What happened in each step, in all methods together. */
  get events(): StepEvent[][] {
    // Histories are no state; the number of steps is.
    return this.steps() > 0 ? mergeEvents(this.tracks().map(({ history }) => history.steps)) : [];
  }

  seek(step: number): void {
    this.live = false;
    this.#at = Math.min(this.last, Math.max(this.first, step));
    this.#show();
  }

  /** Goes back to the newest step, and stays there. */
  follow(): void {
    this.pause();
    this.live = true;
    this.#show();
  }

  /** To the next step, or the one before, in which some kind of event begins. */
  toEvent(direction: 1 | -1): void {
    const step = nextEvent(this.events, this.at, direction);
    if (step >= 0) this.seek(step);
  }

  toggle(): void {
    if (this.playing) return this.pause();
    // At the end it begins anew.
    this.seek(this.at >= this.last ? this.first : this.at + 1);
    this.playing = true;
    this.#timer = setInterval(() => {
      this.seek(this.#at + 1);
      if (this.#at >= this.last) this.pause();
    }, PACE);
  }

  pause(): void {
    clearInterval(this.#timer);
    this.playing = false;
  }

  /** One at a time, and the newest choice wins. */
  #show(): void {
    this.#stale = true;
    this.#showing ??= this.#showAll().finally(() => {
      this.#showing = null;
    });
  }

  async #showAll(): Promise<void> {
    while (this.#stale) {
      this.#stale = false;
      const step = this.live ? null : this.#at;
      await Promise.all(this.tracks().map((track) => track.show(step)));
    }
  }
}
