/** How much of its attention the newest query of each head gave to positions, as a trace lists it. */
import type { TraceRecord } from './records.js';

/** A word has its position from this bit on, and below it the weight in parts of `WHOLE`. */
const BITS = 12;
const WHOLE = (1 << BITS) - 1;
const WORD = 4;
const NONE = new Uint32Array();

/** The weight that a share is listed as. */
export const weightCode = (share: number) => Math.ceil(share * WHOLE);

/** By row, `layer * queryHeads + head`, the positions that got at least 1/256; most methods list some tens. */
export class Weights {
  #rows: Uint32Array[];

  constructor(rows: number) {
    this.#rows = new Array(rows).fill(NONE);
  }

  /** Whether the newest pass has any. */
  get known(): boolean {
    return this.#rows.some(({ length }) => length > 0);
  }

  clear(): void {
    this.#rows.fill(NONE);
  }

  /** Takes in what a record lists; null where its payload is shorter than it says. */
  static read({ a, payload }: TraceRecord): Uint32Array | null {
    if (a * WORD > payload.length) return null;
    const data = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    return Uint32Array.from({ length: a }, (_, i) => data.getUint32(i * WORD, true));
  }

  set(row: number, words: Uint32Array): void {
    this.#rows[row] = words;
  }

  /** Every listed position of a row and its weight as a code. */
  each(row: number, visit: (position: number, code: number) => void): void {
    for (const word of this.#rows[row]) visit(word >>> BITS, word & WHOLE);
  }

  /** The weight of a position, 0 to 1; 0 too where it is not listed. */
  of(row: number, position: number): number {
    const word = this.#rows[row].find((word) => word >>> BITS === position);
    return word === undefined ? 0 : (word & WHOLE) / WHOLE;
  }

  /** One more than the last position that words name. */
  static end(words: Uint32Array): number {
    return words.reduce((end, word) => Math.max(end, (word >>> BITS) + 1), 0);
  }

  /** Everything in a row of words: of each row how many, then those. */
  pack(): Uint32Array {
    return Uint32Array.from(this.#rows.flatMap((words) => [words.length, ...words]));
  }

  unpack(packed: Uint32Array): void {
    let at = 0;
    this.#rows = this.#rows.map(() => {
      const first = at + 1;
      at = first + packed[at];
      return packed.slice(first, at);
    });
  }
}
