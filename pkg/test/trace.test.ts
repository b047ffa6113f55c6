import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_HEADS, CacheView, Kind, KV_SETS, PAYLOAD, records } from '../src/trace.js';
import { type Act, act, encode, SHAPE } from './acts.js';
import { bitsRecord, concat, record } from './blocks.js';

const GROUP = SHAPE.queryHeads / SHAPE.kvHeads;

/** The same rules with sets of positions. */
class Naive {
  stored = sets(SHAPE.kvHeads);
  evicted = sets(SHAPE.kvHeads);
  dropped = sets(SHAPE.kvHeads);
  quantised = sets(SHAPE.kvHeads);
  parked = sets(SHAPE.kvHeads);
  merged = sets(SHAPE.kvHeads);
  read = sets(SHAPE.queryHeads);

  take(a: Act): void {
    if (a.kind === 'pass') {
      this.dropped = sets(SHAPE.kvHeads);
      this.read = sets(SHAPE.queryHeads);
      return;
    }
    const positions =
      'positions' in a
        ? a.positions.map((p) => a.from + p)
        : 'from' in a
          ? Array.from({ length: a.count }, (_, i) => a.from + i)
          : [];
    const all = a.kind.startsWith('read') ? SHAPE.queryHeads : SHAPE.kvHeads;
    for (let h = 0; h < all; h++) {
      if (a.head !== ALL_HEADS && a.head !== h) continue;
      const kv = a.layer * SHAPE.kvHeads + Math.floor(h / GROUP);
      const row = a.layer * all + h;
      if (a.kind === 'append') {
        for (const p of positions) {
          this.stored[row].add(p);
          this.evicted[row].delete(p);
        }
      } else if (a.kind === 'evictRun' || a.kind === 'evictBits') {
        for (const p of positions) {
          if (!this.stored[row].delete(p)) continue;
          this.evicted[row].add(p);
          this.dropped[row].add(p);
          this.#leave(row, p);
        }
      } else if (a.kind === 'cut') {
        for (const p of positions) {
          this.stored[row].delete(p);
          this.#leave(row, p);
        }
      } else if (a.kind === 'quantise') {
        for (const p of positions) this.quantised[row].add(p);
      } else if (a.kind === 'park') {
        for (const p of positions) this.parked[row].add(p);
      } else if (a.kind === 'fetch') {
        for (const p of positions) this.parked[row].delete(p);
      } else if (a.kind === 'fold') {
        this.merged[row].add(a.into);
      } else if (a.kind === 'readAll') {
        this.read[row] = new Set(this.stored[kv]);
      } else if (a.kind === 'readWindow') {
        const newest = [...this.stored[kv]].sort((x, y) => y - x).slice(0, a.count);
        this.read[row] = new Set(newest);
      } else {
        for (const p of positions) this.read[row].add(p);
      }
    }
  }

  #leave(row: number, position: number): void {
    for (const set of [this.quantised, this.parked, this.merged]) set[row].delete(position);
  }
}

const sets = (heads: number) => Array.from({ length: SHAPE.layers * heads }, () => new Set<number>());

function toSet(bits: Uint32Array, row: number, words: number): Set<number> {
  const set = new Set<number>();
  for (let p = 0; p < words * 32; p++) if ((bits[row * words + (p >> 5)] >>> (p & 31)) & 1) set.add(p);
  return set;
}

const sorted = (set: Set<number>) => [...set].sort((a, b) => a - b);

describe('CacheView', () => {
  it('agrees with sets of positions after any records, in any blocks', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), fc.nat(40), (acts, cut) => {
        const naive = new Naive();
        const view = new CacheView(SHAPE);
        for (const a of acts) naive.take(a);
        view.apply(concat(acts.slice(0, cut).map(encode)));
        view.apply(concat(acts.slice(cut).map(encode)));
        for (let row = 0; row < SHAPE.layers * SHAPE.kvHeads; row++) {
          for (const name of KV_SETS) {
            expect(sorted(toSet(view[name], row, view.words)), name).toEqual(sorted(naive[name][row]));
          }
          expect(view.storedRows[row]).toBe(naive.stored[row].size);
        }
        for (let l = 0; l < SHAPE.layers; l++) {
          for (let h = 0; h < SHAPE.queryHeads; h++) {
            const row = l * SHAPE.queryHeads + h;
            expect(sorted(toSet(view.read, row, view.words))).toEqual(sorted(naive.read[row]));
            expect(view.readCount(l, h)).toBe(naive.read[row].size);
          }
        }
      }),
      { seed: 48213, numRuns: 300 },
    );
  });

  it('keeps the totals of the newest pass', () => {
    const view = new CacheView(SHAPE);
    view.apply(
      concat([
        record(Kind.pass, { aux: 0, a: 0, b: 5 }),
        record(Kind.bytes, { a: 640, b: 320 }),
        record(Kind.rows, { a: 20, b: 40 }),
      ]),
    );
    expect(view.totals).toEqual({ kvBytes: 640, readBytes: 320, storedRows: 20, readRows: 40 });
    expect(view.length).toBe(5);
    expect(view.pass).toEqual({ kind: 'prefill', first: 0, rows: 5, step: 0 });
  });

  it('refuses damaged blocks', () => {
    const view = new CacheView(SHAPE);
    const refusal = expect.objectContaining({ code: 'trace' });
    const refuse = (block: Uint8Array) => expect(() => view.apply(block)).toThrow(refusal);
    refuse(new Uint8Array(7));
    refuse(record(Kind.evictBits, { b: 3 }));
    refuse(record(Kind.append, { layer: 2, a: 0, b: 1 }));
    refuse(record(Kind.readAll, { head: 4 }));
    refuse(record(Kind.append, { a: 0xffffffff, b: 1 }));
  });
});

describe('records', () => {
  it('gives every record once, with its payload', () => {
    const block = concat([
      bitsRecord(Kind.readBits, { layer: 1, head: 2, a: 8 }, [8, 200]),
      record(Kind.note, { a: 3 }),
    ]);
    const all = [...records(block)];
    expect(all.map((r) => r.kind)).toEqual([Kind.readBits, Kind.note]);
    expect(all[0].payload.length).toBe(32);
    expect(PAYLOAD).toContain(Kind.readBits);
  });
});
