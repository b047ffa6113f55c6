import { mergeEvents, nextEvent, type StepEvent } from 'attnscope/trace';
import { type Mark, marksOf } from 'attnscope/view';
import { type Dictionary, words } from '../words/words.svelte.js';
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
  /** What happened by step, and in words, as far as somebody asked; of which tracks, and in which words. */
  #events: StepEvent[][] = [];
  #marks: Mark[] = [];
  #of: readonly Track[] = [];
  #said: Dictionary = words.dictionary;

  /** The tracks there are, and how many steps they have. */
  constructor(
    private readonly tracks: () => readonly Track[],
    private readonly steps: () => number,
  ) {}

  /** The oldest step of which every method still has the whole state. */
  get first(): number {
    const firsts = this.tracks().flatMap((track) => track.histories.map(({ first }) => track.stepAt(first)));
    return Math.max(0, ...firsts);
  }

  get last(): number {
    return Math.max(0, this.steps() - 1);
  }

  get at(): number {
    return this.live ? this.last : this.#at;
  }

  /** What happened in each step, in all methods together. */
  get events(): readonly StepEvent[][] {
    this.#collect();
    return this.#events;
  }

  /** The same for the eye and in words, where something did. */
  get marks(): readonly Mark[] {
    this.#collect();
    return this.#marks.slice();
  }

  /** Only steps that are new: in a long run there are thousands of others. */
  #collect(): void {
    const [tracks, steps] = [this.tracks(), this.steps()];
    if (tracks !== this.#of || steps < this.#events.length || words.dictionary !== this.#said) {
      this.#of = tracks;
      this.#said = words.dictionary;
      this.#events = [];
      this.#marks = [];
    }
    for (let step = this.#events.length; step < steps; step++) {
      const made = tracks.flatMap((track) => {
        const at = track.madeAt(step);
        return at >= 0 ? track.histories.map((history) => [history.steps[at]]) : [];
      });
      const events = mergeEvents(made)[0] ?? [];
      this.#marks.push(...marksOf([events], step));
      this.#events.push(events);
    }
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
      try {
        await Promise.all(this.tracks().map((track) => track.show(step)));
      } catch {
        // Since it was chosen it became a sum; the oldest state there is stands nearest to it.
        if (step === null || step >= this.first) continue;
        this.#at = this.first;
        this.#stale = true;
      }
    }
  }
}
