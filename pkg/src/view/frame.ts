/**
 * Work for the next frame, by key: what is asked for again before the frame comes replaces what was asked for first, so
 * a view that is slower than the engine skips to the newest state, and nothing queues in a hidden tab.
 */
export class Frames {
  readonly #wanted = new Map<unknown, () => void>();
  #handle = 0;

  request(key: unknown, draw: () => void): void {
    this.#wanted.set(key, draw);
    if (this.#handle === 0) this.#handle = requestAnimationFrame(() => this.#flush());
  }

  cancel(key: unknown): void {
    this.#wanted.delete(key);
  }

  #flush(): void {
    this.#handle = 0;
    const draws = [...this.#wanted.values()];
    this.#wanted.clear();
    for (const draw of draws) draw();
  }
}

export const frames = new Frames();
