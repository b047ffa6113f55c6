import { describe, expect, it } from 'vitest';
import { ALL_HEADS, CacheView, Kind, NO_FACTS, unionFacts, unionOf } from '../src/trace.js';
import { axisFor, bandsOf, summarise } from '../src/view.js';
import { concat, record } from './blocks.js';

const SHAPE = { layers: 2, queryHeads: 2, kvHeads: 1 };
const both = (kind: number, a = 0, b = 0) =>
  concat([0, 1].map((layer) => record(kind, { layer, head: ALL_HEADS, a, b })));

/** Two hosts of a text of 400: the second computed the beginning too and dropped it, for the first has it. */
function hosts() {
  const [one, two] = [new CacheView(SHAPE), new CacheView(SHAPE)];
  const totals = (kv: number) => record(Kind.bytes, { a: kv, b: 1 });
  one.apply(concat([record(Kind.pass, { a: 0, b: 100 }), both(Kind.append, 0, 100), both(Kind.readAll), totals(100)]));
  two.apply(
    concat([
      record(Kind.pass, { a: 100, b: 300 }),
      ...[
        both(Kind.append, 0, 100),
        both(Kind.append, 100, 300),
        both(Kind.evictRun, 0, 100),
        both(Kind.evictRun, 390, 5),
      ],
      ...[both(Kind.readAll), totals(300)],
    ]),
  );
  return [one, two];
}

describe('a text on several hosts', () => {
  it('is one cache: what one dropped and another has is there', () => {
    const view = unionOf(hosts());
    expect([view.length, view.totals.kvBytes]).toEqual([400, 400]);
    for (const position of [0, 99, 100, 389, 395, 399]) {
      expect(view.isStored(1, 0, position)).toBe(true);
      expect(view.isRead(1, 1, position)).toBe(true);
      expect(view.isEvicted(1, 0, position)).toBe(false);
    }
    expect([view.isStored(0, 0, 392), view.isEvicted(0, 0, 392)]).toEqual([false, true]);
    expect([...view.storedRows, ...view.evictedRows]).toEqual([395, 395, 5, 5]);
  });

  it('has a lane for every host', () => {
    const views = hosts();
    const view = unionOf(views);
    const summary = summarise(view);
    if (!summary) throw new Error('nothing to sum up');
    const [band] = bandsOf(view, summary, axisFor(400, 400), views);
    if (band?.kind !== 'tiers') throw new Error('no lanes');
    expect(band.tiers.map(({ shares }) => [shares[0], shares[99], shares[100], shares[399]])).toEqual([
      [1, 1, 0, 0],
      [0, 0, 1, 1],
    ]);
    expect(band.says).toMatch(/host 1 25\u00a0%, host 2 75\u00a0%/);
  });

  it('has the passes of all once, and their bytes together', () => {
    const pass = (first: number) => ({ first, rows: 10, runs: [] });
    const facts = unionFacts([
      { ...NO_FACTS, prompt: 30, prefills: [pass(0), pass(20)], sent: 5, received: 7 },
      { ...NO_FACTS, prompt: 30, prefills: [pass(0), pass(10), pass(20)], sent: 6, received: 8, hosts: 2 },
    ]);
    expect(facts).toMatchObject({ prefills: [pass(0), pass(10), pass(20)], sent: 11, received: 15, hosts: 2 });
  });
});
