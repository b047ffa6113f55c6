import { CacheView, Kind } from 'attnscope/trace';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { axisFor, Cell, cellAt, DENSITIES, fieldCounts, fillCells, type Mode, makeCells } from '../src/view/cells.js';
import { bytes, count, percent } from '../src/view/format.js';
import { makeLut, parseHex } from '../src/view/palette.js';
import { summarise, verdict } from '../src/view/verdict.js';

const SHAPE = { layers: 2, queryHeads: 4, kvHeads: 2 };

function record(kind: number, head: number, a: number, b: number, layer = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([kind, layer, head]);
  const data = new DataView(bytes.buffer);
  data.setUint32(8, a, true);
  data.setUint32(12, b, true);
  return bytes;
}

/** A view after some appends, drops and reads. */
const views = fc
  .array(
    fc.record({
      kind: fc.constantFrom(Kind.append, Kind.evictRun, Kind.readRun, Kind.pass),
      layer: fc.nat(1),
      head: fc.nat(1),
      a: fc.nat(300),
      b: fc.nat(120),
    }),
    { maxLength: 30 },
  )
  .map((acts) => {
    const view = new CacheView(SHAPE);
    for (const { kind, layer, head, a, b } of acts) view.apply(record(kind, head, a, b, layer));
    return view;
  });

describe('cells', () => {
  it('show the highest state of a bin and how much of the bin it is', () => {
    fc.assert(
      fc.property(
        views,
        fc.constantFrom<Mode>('reads', 'storage'),
        fc.integer({ min: 10, max: 500 }),
        (view, mode, columns) => {
          const axis = axisFor(view.words * 32, columns);
          const cells = fillCells(view, mode, axis, makeCells());
          for (let row = 0; row < cells.height; row++) {
            const [layer, head] = [Math.floor(row / cells.heads), row % cells.heads];
            for (let x = 0; x < cells.width; x++) {
              const states = Array.from({ length: 1 << axis.shift }, (_, i) =>
                cellAt(view, mode, layer, head, (x << axis.shift) + i),
              ).filter((state) => state !== Cell.empty);
              const top = Math.max(Cell.empty, ...states);
              const same = states.filter((state) => state === top).length;
              const density =
                top === Cell.empty ? 0 : same === states.length ? 3 : Math.floor((3 * same) / states.length);
              expect(cells.data[row * cells.width + x]).toBe(top * DENSITIES + density);
            }
          }
        },
      ),
      { seed: 48213, numRuns: 60 },
    );
  });

  it('count bits by field', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 5 }), (word, shift) => {
        const counts = fieldCounts(word, shift);
        const width = 1 << shift;
        for (let i = 0; i < 32; i += width) {
          let bits = 0;
          for (let j = i; j < i + width; j++) bits += (word >>> j) & 1;
          expect((counts >>> i) & (width === 32 ? -1 : (1 << width) - 1)).toBe(bits);
        }
      }),
      { seed: 48213 },
    );
  });

  it('fit the axis to the columns', () => {
    expect(axisFor(300, 400)).toEqual({ shift: 0, width: 300 });
    expect(axisFor(1200, 400)).toEqual({ shift: 2, width: 300 });
    expect(axisFor(0, 400)).toEqual({ shift: 0, width: 1 });
  });
});

describe('palette', () => {
  it('gives a full bin the exact colour of its state', () => {
    const colours = ['#ffffff', '#f6e3bd', '#c9d3da', '#d55e00', '#0072b2'].map(parseHex);
    const lut = makeLut(colours);
    expect([...new Uint8Array(lut.buffer, (Cell.read * DENSITIES + 3) * 4, 4)]).toEqual([0, 0x72, 0xb2, 255]);
    expect(new Set(lut).size).toBeGreaterThan(10);
  });
});

describe('verdict', () => {
  it('is computed from the trace', () => {
    const view = new CacheView(SHAPE);
    expect(verdict(summarise(view))).toBe('Nothing has run yet.');
    view.apply(record(Kind.pass, 0, 0, 10));
    for (const layer of [0, 1]) view.apply(record(Kind.append, 255, 0, 10, layer));
    for (const layer of [0, 1]) view.apply(record(Kind.readAll, 255, 0, 0, layer));
    expect(verdict(summarise(view))).toBe('Reads all 10 positions in every head. Keeps everything.');
    view.apply(record(Kind.pass, 0, 10, 0));
    view.apply(record(Kind.readAll, 255, 0, 0, 0));
    view.apply(record(Kind.readRun, 255, 0, 5, 1));
    view.apply(record(Kind.evictRun, 0, 0, 8, 1));
    expect(verdict(summarise(view))).toBe(
      'Reads 75\u00a0% of 10 positions: 1 layer read everything, 1 a selection. Keeps 80\u00a0%: 8 rows dropped in 1 of 2 layers.',
    );
  });
});

describe('format', () => {
  it('writes numbers for people', () => {
    expect([count(1163), count(12), count(1234567)]).toEqual(['1\u202f163', '12', '1\u202f234\u202f567']);
    expect([bytes(999), bytes(23_040), bytes(98_000_000)]).toEqual(['999 B', '23.0 kB', '98.0 MB']);
    expect([percent(0), percent(0.004), percent(0.12), percent(0.999), percent(1)]).toEqual([
      '0\u00a0%',
      '0.4\u00a0%',
      '12\u00a0%',
      '>\u200999\u00a0%',
      '100\u00a0%',
    ]);
  });
});
