import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kind } from '../src/trace.js';
import {
  axisFor,
  Cell,
  DENSITIES,
  fillMask,
  HeadHistory,
  jointRows,
  type MaskRows,
  makeCells,
  STATES,
} from '../src/view.js';
import { bitsRecord, concat, record } from './blocks.js';

const SHAPE = { layers: 2, queryHeads: 4, kvHeads: 2 };
const ALL = 255;

/** The rows as letters: what a query read, what it had, what was dropped. */
function drawn(history: MaskRows, length: number): string[] {
  const { width, data } = fillMask(history, { width: length, shift: 0 }, makeCells());
  const letters = new Map([
    [Cell.read, 'r'],
    [Cell.stored, '.'],
    [Cell.evicted, 'x'],
    [Cell.empty, ' '],
  ] as [number, string][]);
  return Array.from({ length }, (_, y) =>
    [...data.subarray(y * width, (y + 1) * width)].map((c) => letters.get(Math.floor(c / DENSITIES))).join(''),
  );
}

const pass = (a: number, b: number, aux = 1) => record(Kind.pass, { a, b, aux });
const append = (a: number, b: number) => concat([0, 1].map((layer) => record(Kind.append, { layer, head: ALL, a, b })));

describe('head history', () => {
  it('is a triangle in a dense prefill, then a row a token of what the head read', () => {
    const history = new HeadHistory(SHAPE, 1, 3);
    history.add(concat([pass(0, 3, 0), append(0, 3), record(Kind.readAll, { layer: 1, head: ALL })]));
    history.add(record(Kind.evictRun, { layer: 1, head: 1, a: 0, b: 1 }));
    // Another head, and another layer.
    history.add(record(Kind.evictRun, { layer: 1, head: 0, a: 1, b: 1 }));
    history.add(record(Kind.evictRun, { layer: 0, head: 1, a: 1, b: 1 }));
    history.add(concat([pass(3, 1), append(3, 1), record(Kind.readRun, { layer: 1, head: 3, a: 2, b: 2 })]));
    history.add(concat([pass(4, 1), append(4, 1), record(Kind.readRun, { layer: 1, head: 2, a: 1, b: 2 })]));
    expect(drawn(history, 6)).toEqual(['r     ', 'rr    ', 'rrr   ', 'x.rr  ', 'x.... ', '      ']);
  });

  it('shows windows, lists and block maps of a prefill row by row', () => {
    const prefill = (read: Uint8Array) => {
      const history = new HeadHistory(SHAPE, 0, 0);
      history.add(concat([pass(0, 4, 0), append(0, 4), read]));
      return drawn(history, 4);
    };
    expect(prefill(record(Kind.readWindow, { head: ALL, a: 2 }))).toEqual(['r   ', 'rr  ', '.rr ', '..rr']);
    expect(prefill(bitsRecord(Kind.readBits, {}, [0, 2, 3]))).toEqual(['r   ', 'r.  ', 'r.r ', 'r.rr']);
    // Blocks of two: the second reads itself alone. The run is what the newest row read.
    const blocks = concat([
      record(Kind.readBlocks, { a: 2 + 65536 * 2, b: 1 }),
      Uint8Array.of(0b101, ...Array(15).fill(0)),
    ]);
    expect(prefill(concat([record(Kind.readRun, { a: 2, b: 2 }), blocks]))).toEqual(['r   ', 'rr  ', '..r ', '..rr']);
  });

  it('of several hosts has what each computed, and what they have together', () => {
    const [one, two] = [new HeadHistory(SHAPE, 0, 0), new HeadHistory(SHAPE, 0, 0)];
    const run = (first: number, rows: number) => record(Kind.readRun, { head: ALL, a: first, b: rows });
    one.add(concat([pass(0, 2, 0), append(0, 2), record(Kind.readAll, { head: ALL })]));
    two.add(concat([pass(2, 2, 0), append(2, 2), record(Kind.readAll, { head: ALL })]));
    // The question, which both read; the last one stores it.
    one.add(concat([pass(4, 1), append(4, 1), run(0, 2), record(Kind.evictRun, { head: ALL, a: 4, b: 1 })]));
    two.add(concat([pass(4, 1), append(4, 1), run(3, 2)]));
    expect(drawn(jointRows([one, two]), 5)).toEqual(['r    ', 'rr   ', '  r  ', '  rr ', 'rr.rr']);
  });

  it('lets a later pass over the same queries win', () => {
    const history = new HeadHistory(SHAPE, 0, 0);
    history.add(concat([pass(0, 2, 0), append(0, 2), record(Kind.readAll, { head: ALL })]));
    history.add(concat([pass(2, 1, 2), append(2, 1), record(Kind.readRun, { a: 0, b: 1 })]));
    history.add(record(Kind.cut, { head: ALL, a: 2, b: 1 }));
    history.add(concat([pass(2, 2, 3), append(2, 2), record(Kind.readAll, { head: ALL })]));
    expect(drawn(history, 4)).toEqual(['r   ', 'rr  ', 'rrr ', 'rrrr']);
  });

  it('binned, shows the most severe of a bin', () => {
    const step = fc.record({ read: fc.array(fc.nat(80)), drop: fc.nat(90) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 90 }), fc.integer({ min: 3, max: 60 }), (steps, columns) => {
        const length = 5 + steps.length;
        // Drawn row by row, as in a run.
        const grown = makeCells();
        const history = new HeadHistory(SHAPE, 0, 0);
        history.add(concat([pass(0, 5, 0), append(0, 5), record(Kind.readAll, { head: ALL })]));
        fillMask(history, { width: length, shift: 0 }, grown);
        for (const [i, { read, drop }] of steps.entries()) {
          const reads = bitsRecord(
            Kind.readBits,
            {},
            read.filter((p) => p <= 5 + i),
          );
          const changed = history.add(
            concat([pass(5 + i, 1), append(5 + i, 1), reads, record(Kind.evictRun, { a: drop, b: 1 })]),
          );
          fillMask(history, { width: length, shift: 0 }, grown, changed);
        }
        const fine = fillMask(history, { width: length, shift: 0 }, makeCells());
        const axis = axisFor(length, columns);
        const coarse = fillMask(history, axis, makeCells());
        expect(grown.data).toEqual(fine.data);
        coarse.data.forEach((cell, at) => {
          const [x, y] = [at % axis.width, Math.floor(at / axis.width)];
          const states: number[] = [];
          for (let row = y << axis.shift; row < Math.min(length, (y + 1) << axis.shift); row++) {
            for (let p = x << axis.shift; p < Math.min(length, (x + 1) << axis.shift); p++) {
              states.push(Math.floor(fine.data[row * length + p] / DENSITIES));
            }
          }
          expect(STATES[Math.floor(cell / DENSITIES)]).toBe(STATES[Math.max(0, ...states)]);
        });
      }),
      { seed: 48213, numRuns: 40 },
    );
  });
});
