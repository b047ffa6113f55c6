interface Given {
  partial: Float32Array;
  take: (partials: Float32Array[]) => void;
}

/** Where the hosts of a run meet in every layer: each gives its partial and gets all, in the order of the hosts. */
export class Exchange {
  /** Bytes that the hosts gave so far, each partial counted once. */
  bytes = 0;
  #given = new Map<number, Given>();

  constructor(private readonly hosts: number) {}

  /** Settles when the last host's partial is there; never, when one does not come. */
  give(host: number, partial: Float32Array): Promise<Float32Array[]> {
    this.bytes += partial.byteLength;
    return new Promise((take) => {
      this.#given.set(host, { partial, take });
      if (this.#given.size === this.hosts) this.#meet();
    });
  }

  #meet(): void {
    const given = Array.from({ length: this.hosts }, (_, host) => this.#given.get(host)!);
    this.#given = new Map();
    const partials = given.map(({ partial }) => partial);
    // Each gets buffers of its own, which are then transferred to it; the last gets the ones that came.
    given.forEach(({ take }, host) => {
      take(host + 1 === this.hosts ? partials : partials.map((partial) => partial.slice()));
    });
  }
}
