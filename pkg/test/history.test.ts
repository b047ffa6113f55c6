import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CacheView, History, Kind, KV_SETS, mergeEvents, nextEvent } from '../src/trace.js';
import { type Act, act, encode, SHAPE } from './acts.js';
import { bitsRecord, concat, record } from './blocks.js';

/** Everything a view says, by position, whatever room it has. */
function told(view: CacheView) {
  const sets = [...KV_SETS, 'read'] as const;
  const bits = (name: (typeof sets)[number]) => {
    const out: number[] = [];
    view[name].forEach((word, at) => {
      const [row, first] = [Math.floor(at / view.words), (at % view.words) * 32];
      for (let i = 0; i < 32; i++) if ((word >>> i) & 1) out.push(row * 1e6 + first + i);
    });
    return out;
  };
  const { length, pass, totals, storedRows, evictedRows } = view;
  const weights = [...view.weights.pack()];
  return { length, pass, totals, counts: [...storedRows, ...evictedRows], sets: sets.map(bits), weights };
}

function recorded(steps: readonly (readonly Act[])[], options: ConstructorParameters<typeof History>[1]) {
  const history = new History(SHAPE, options);
  const replay = new CacheView(SHAPE);
  const want = steps.map((acts) => {
    for (const a of acts) {
      history.add(encode(a));
      replay.apply(encode(a));
    }
    history.close();
    return told(replay);
  });
  return { history, want };
}

const steps = fc.array(fc.array(act, { maxLength: 12 }), { minLength: 1, maxLength: 20 });

afterEach(() => vi.unstubAllGlobals());

describe('History', () => {
  it.each([true, false])('shows any step as a replay does (compressed: %s)', async (compressed) => {
    const deflated = vi.fn();
    class Counted extends CompressionStream {
      constructor(format: CompressionFormat) {
        super(format);
        deflated();
      }
    }
    vi.stubGlobal('CompressionStream', compressed ? Counted : undefined);
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.nat(19), { minLength: 1 }),
        fc.integer({ min: 1, max: 7 }),
        async (acts, seeks, every) => {
          // Half of it is more than stays as it came, and nothing is forgotten; the seeks meet the packing.
          const limit = 2 * recorded(acts, { every }).history.bytes;
          const { history, want } = recorded(acts, { every, limit });
          for (const seek of seeks) {
            const step = seek % acts.length;
            expect(told(await history.seek(step))).toEqual(want[step]);
          }
          expect(told(history.view)).toEqual(want[want.length - 1]);
        },
      ),
      { seed: 48213, numRuns: 60 },
    );
    if (compressed) expect(deflated.mock.calls.length).toBeGreaterThan(30);
    else expect(deflated).not.toHaveBeenCalled();
  });

  it('shows steps while more come', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (acts) => {
        const limit = 2 * recorded(acts, { every: 4 }).history.bytes;
        const history = new History(SHAPE, { every: 4, limit });
        const replay = new CacheView(SHAPE);
        const want: unknown[] = [];
        for (const [i, step] of acts.entries()) {
          for (const a of step) {
            history.add(encode(a));
            replay.apply(encode(a));
          }
          history.close();
          want.push(told(replay));
          expect(told(await history.seek(i >> 1))).toEqual(want[i >> 1]);
          expect(told(await history.seek(i))).toEqual(want[i]);
        }
      }),
      { seed: 48213, numRuns: 30 },
    );
  });

  it('gives back the blocks', async () => {
    const blocks = Array.from({ length: 9 }, (_, i) => record(Kind.pass, { aux: 1, a: i, b: 1 }));
    const history = new History(SHAPE, { every: 4 });
    for (const block of blocks) {
      history.add(block);
      history.close();
    }
    for (const [i, block] of blocks.entries()) expect(await history.block(i)).toEqual(block);
  });

  it('gives back a block of another part without touching the state that is shown', async () => {
    const { history, want } = recorded(
      Array.from({ length: 9 }, (_, from): Act[] => [{ kind: 'append', layer: 0, head: 0, from, count: 1 }]),
      { every: 4 },
    );
    const shown = await history.seek(6);
    await history.block(0);
    expect(told(shown)).toEqual(want[6]);
    expect(told(await history.seek(7))).toEqual(want[7]);
    expect(told(await history.seek(5))).toEqual(want[5]);
  });

  it('deflates the oldest steps once there is more than a quarter of the limit, and shows them all the same', async () => {
    const history = new History(SHAPE, { every: 4, limit: 200_000 });
    // Records that say the same again and again, as real ones do.
    const block = (i: number) =>
      concat([record(Kind.pass, { aux: 1, a: i, b: 1 }), ...Array(200).fill(record(Kind.bytes, { a: i }))]);
    const raw: number[] = [];
    for (let i = 0; i < 48; i++) {
      history.add(block(i));
      history.close();
      raw.push(history.bytes);
      await history.settled();
    }
    // As it came, until a quarter of the limit is passed.
    expect(raw[3] / block(0).length).toBeGreaterThan(4);
    const plain = 48 * block(0).length;
    expect(history.bytes).toBeLessThan(plain / 2);
    expect(history.bytes).toBeGreaterThan(50_000 - 5 * block(0).length);
    expect(history.first).toBe(0);
    for (const i of [0, 5, 47]) {
      expect((await history.seek(i)).totals.kvBytes).toBe(i);
      expect(await history.block(i)).toEqual(block(i));
    }
  });

  it('turns the oldest steps into summaries when there is too much', async () => {
    const history = new History(SHAPE, { every: 4, limit: 800 });
    for (let i = 0; i < 40; i++) {
      history.add(concat([record(Kind.pass, { aux: 1, a: i, b: 1 }), record(Kind.bytes, { a: i })]));
      history.close();
      await history.seek(i);
    }
    await history.settled();
    expect(history.bytes).toBeLessThanOrEqual(800);
    expect(history.first).toBeGreaterThan(0);
    expect(history.first % 4).toBe(0);
    expect(history.steps.map(({ totals }) => totals.kvBytes)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    const refusal = expect.objectContaining({ code: 'trace' });
    await expect(history.seek(history.first - 1)).rejects.toThrow(refusal);
    expect((await history.seek(history.first)).pass?.first).toBe(history.first);
    await expect(history.seek(40)).rejects.toThrow(refusal);
    await expect(history.seek(0.5)).rejects.toThrow(refusal);
  });
});

describe('events', () => {
  it('are what happened beside storing and reading', () => {
    const history = new History(SHAPE);
    history.add(concat([record(Kind.pass, { aux: 0, b: 9 }), record(Kind.append, { head: 255, b: 9 })]));
    history.close();
    history.add(record(Kind.pass, { aux: 3, a: 9, b: 2 }));
    history.add(
      concat([record(Kind.evictRun, { head: 255, a: 1, b: 3 }), bitsRecord(Kind.evictBits, { head: 1 }, [5, 8])]),
    );
    history.close();
    history.add(record(Kind.fold, { a: 4, b: 6 }));
    history.close();
    expect(history.steps.map(({ events }) => events)).toEqual([
      [],
      [
        { kind: 'pass', aux: 3, records: 1, rows: 0 },
        { kind: 'evictRun', aux: 0, records: 2, rows: 8 },
      ],
      [{ kind: 'fold', aux: 0, records: 1, rows: 1 }],
    ]);
  });

  it('of several methods are summed up by kind', () => {
    const event = (rows: number) => ({ kind: 'evictRun' as const, aux: 0, records: 1, rows });
    expect(mergeEvents([[{ events: [event(2)] }, { events: [] }], [{ events: [event(3)] }]])).toEqual([
      [{ kind: 'evictRun', aux: 0, records: 2, rows: 5 }],
      [],
    ]);
    expect(mergeEvents([])).toEqual([]);
  });

  it('are found from any step, where they begin', () => {
    const evict = [{ kind: 'evictRun', aux: 0, records: 1, rows: 1 }] as const;
    const steps = [[], [], evict, evict, [], evict];
    expect([0, 1, 2, 4, 5].map((step) => nextEvent(steps, step, 1))).toEqual([2, 2, 5, 5, -1]);
    expect([0, 2, 4, 5].map((step) => nextEvent(steps, step, -1))).toEqual([-1, -1, 2, 2]);
  });
});
