import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_HEADS, CacheView, Kind, PAYLOAD, records } from '../src/trace.js';
import { bitsRecord, concat, record } from './blocks.js';

const SHAPE = { layers: 2, queryHeads: 4, kvHeads: 2 };
const GROUP = SHAPE.queryHeads / SHAPE.kvHeads;
const LIMIT = 700;

/** What a record does, in words that the naive model below understands. */
type Act =
  | { kind: 'pass' }
  | { kind: 'append' | 'evictRun' | 'readRun'; layer: number; head: number; from: number; count: number }
  | { kind: 'evictBits' | 'readBits'; layer: number; head: number; from: number; positions: number[] }
  | { kind: 'readAll'; layer: number; head: number }
  | { kind: 'readWindow'; layer: number; head: number; count: number };

const layer = fc.nat(SHAPE.layers - 1);
const kvHead = fc.oneof(fc.nat(SHAPE.kvHeads - 1), fc.constant(ALL_HEADS));
const queryHead = fc.oneof(fc.nat(SHAPE.queryHeads - 1), fc.constant(ALL_HEADS));
const from = fc.nat(LIMIT);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.constant<Act>({ kind: 'pass' }),
  fc.record({ kind: fc.constantFrom('append', 'evictRun'), layer, head: kvHead, from, count: fc.nat(200) }),
  fc.record({ kind: fc.constant('readRun'), layer, head: queryHead, from, count: fc.nat(200) }),
  fc.record({ kind: fc.constant('evictBits'), layer, head: kvHead, from, positions: fc.array(fc.nat(300)) }),
  fc.record({ kind: fc.constant('readBits'), layer, head: queryHead, from, positions: fc.array(fc.nat(300)) }),
  fc.record({ kind: fc.constant('readAll'), layer, head: queryHead }),
  fc.record({ kind: fc.constant('readWindow'), layer, head: queryHead, count: fc.nat(300) }),
) as fc.Arbitrary<Act>;

function encode(a: Act): Uint8Array {
  if (a.kind === 'pass') return record(Kind.pass, { aux: 1, a: 0, b: 1 });
  const where = { layer: a.layer, head: a.head };
  if (a.kind === 'readAll') return record(Kind.readAll, where);
  if (a.kind === 'readWindow') return record(Kind.readWindow, { ...where, a: a.count });
  if ('positions' in a) {
    return bitsRecord(
      Kind[a.kind],
      { ...where, a: a.from },
      a.positions.map((p) => a.from + p),
    );
  }
  return record(Kind[a.kind], { ...where, a: a.from, b: a.count });
}

/** The same rules with sets of positions. */
class Naive {
  stored = sets(SHAPE.kvHeads);
  evicted = sets(SHAPE.kvHeads);
  dropped = sets(SHAPE.kvHeads);
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
        }
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
          expect(sorted(toSet(view.stored, row, view.words))).toEqual(sorted(naive.stored[row]));
          expect(sorted(toSet(view.evicted, row, view.words))).toEqual(sorted(naive.evicted[row]));
          expect(sorted(toSet(view.dropped, row, view.words))).toEqual(sorted(naive.dropped[row]));
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
