import { breathe } from './slices.js';

/** Work that a host was asked for. */
export interface Order {
  host: number;
  /** When it was last this host's turn; infinite while it waits for the others. */
  since: number;
}

/** Notices when a host that has work to do is silent for longer than a limit. Any message from it is a sign of life. */
export class Watch {
  readonly #orders = new Set<Order>();
  readonly #heard: number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #late = false;

  /** @param lost is told of the first host that is overdue, once; `limit` is in milliseconds. */
  constructor(
    private readonly limit: number,
    private readonly lost: (host: number) => void,
  ) {}

  heard(host: number): void {
    this.#heard[host] = performance.now();
  }

  /** Runs a call of a host under watch. */
  async during<T>(host: number, call: (order: Order) => Promise<T>): Promise<T> {
    const order = { host, since: performance.now() };
    this.#orders.add(order);
    this.#timer ??= setTimeout(this.#check, this.limit);
    try {
      return await call(order);
    } finally {
      this.#orders.delete(order);
      if (this.#orders.size === 0) this.stop();
    }
  }

  /** The host of `order` waits for what the others make. */
  async aside<T>(order: Order, wait: Promise<T>): Promise<T> {
    order.since = Number.POSITIVE_INFINITY;
    const made = await wait;
    this.resume(order);
    return made;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#late = false;
  }

  /** It is this host's turn again. */
  resume(order: Order): void {
    order.since = performance.now();
  }

  readonly #check = async (): Promise<void> => {
    const due = ({ host, since }: Order) => Math.max(since, this.#heard[host] ?? since) + this.limit;
    const now = performance.now();
    const first = [...this.#orders].sort((a, b) => due(a) - due(b))[0];
    if (first === undefined) return this.stop();
    const left = due(first) - now;
    if (left > 0) {
      this.#late = false;
      this.#timer = setTimeout(this.#check, Math.min(left, this.limit));
    } else if (this.#late) {
      this.stop();
      this.lost(first.host);
    } else {
      // Where this thread itself was held up, messages may be waiting: they are heard first.
      this.#late = true;
      await breathe();
      if (this.#timer !== undefined) await this.#check();
    }
  };
}
