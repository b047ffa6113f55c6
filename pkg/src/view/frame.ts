/** What one frame draws at most; a frame that is longer than the screen's is seen, one that is a frame late is not. */
const MOST = 4;

/**
 * Work for the next frames, by key: what is asked for again before its frame comes replaces what was asked for first, so
 * a view that is slower than the engine skips to the newest state, and nothing queues in a hidden tab.
 */
export class Frames {
  readonly #wanted = new Map<unknown, () => void>();
  #handle = 0;

  /** At most four are drawn in a frame, those that were asked for first; eight panels are on screen after two. */
  request(key: unknown, draw: () => void): void {
    this.#wanted.set(key, draw);
    if (this.#handle === 0) this.#handle = requestAnimationFrame(() => this.#flush());
  }

  #flush(): void {
    const now = [...this.#wanted].slice(0, MOST);
    for (const [key] of now) this.#wanted.delete(key);
    this.#handle = this.#wanted.size > 0 ? requestAnimationFrame(() => this.#flush()) : 0;
    for (const [, draw] of now) draw();
  }
}

export const frames = new Frames();
