import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_HEADS, CacheView, Kind, type SCHEMA } from '../src/trace.js';
import { fieldCounts } from '../src/view/cells.js';
import { fillLane } from '../src/view/lane.js';
import { CIVIDIS, css } from '../src/view/palette.js';
import {
  axisFor,
  bytes,
  Cell,
  COLOURS,
  cellAt,
  count,
  DENSITIES,
  fillCells,
  lutOf,
  MODE_STATES,
  MODES,
  type Mode,
  makeCells,
  marksOf,
  percent,
  readersOf,
  STATES,
  summarise,
  thinned,
  verdict,
  WEIGHT_STEPS,
} from '../src/view.js';
import { act, encode, SHAPE } from './acts.js';
import { concat, record as recordOf } from './blocks.js';

const record = (kind: number, head: number, a: number, b: number, layer = 0) => recordOf(kind, { head, a, b, layer });

/** A view after some records. */
const views = fc.array(act, { maxLength: 30 }).map((acts) => {
  const view = new CacheView(SHAPE);
  view.apply(concat(acts.map(encode)));
  return view;
});
const modes = fc.constantFrom<Mode>(...MODES);

describe('cells', () => {
  it('show the highest state of a bin and how much of the bin it is', () => {
    fc.assert(
      fc.property(views, views, modes, fc.integer({ min: 10, max: 500 }), (view, reference, mode, columns) => {
        const scene = { view, mode, reference };
        const axis = axisFor(view.words * 32, columns);
        const cells = fillCells(scene, axis, makeCells());
        for (let row = 0; row < cells.height; row++) {
          const [layer, head] = [Math.floor(row / cells.heads), row % cells.heads];
          for (let x = 0; x < cells.width; x++) {
            const states = Array.from({ length: 1 << axis.shift }, (_, i) =>
              cellAt(scene, layer, head, (x << axis.shift) + i),
            ).filter((state) => state !== Cell.empty);
            const top = Math.max(Cell.empty, ...states);
            const same = states.filter((state) => state === top).length;
            const density =
              top === Cell.empty ? 0 : same === states.length ? 3 : Math.floor((3 * same) / states.length);
            expect(cells.data[row * cells.width + x]).toBe(top * DENSITIES + density);
          }
        }
      }),
      { seed: 48213, numRuns: 25 },
    );
  });

  it('are the most severe state of a position', () => {
    fc.assert(
      fc.property(views, views, fc.nat(1), fc.nat(3), fc.nat(1100), (view, reference, layer, head, p) => {
        const kv = head >> 1;
        const row = layer * SHAPE.kvHeads + kv;
        const has = (bits: Uint32Array) =>
          p < view.words * 32 && ((bits[row * view.words + (p >> 5)] >>> (p & 31)) & 1) === 1;
        const state = (found: [boolean, keyof typeof Cell][]) => Cell[found.find(([is]) => is)?.[1] ?? 'empty'];
        const [here, there] = [view.isRead(layer, head, p), reference.isRead(layer, head, p)];
        const query = (layer * SHAPE.queryHeads + head) * view.words;
        const chosen = p < view.words * 32 && ((view.before[query + (p >> 5)] >>> (p & 31)) & 1) === 1;
        const known: [boolean, keyof typeof Cell][] = [
          [has(view.stored), 'stored'],
          [has(view.evicted), 'evicted'],
        ];
        expect(cellAt({ view, mode: 'reads' }, layer, head, p)).toBe(
          state([[here, 'read'], [has(view.parked), 'parked'], [chosen && has(view.stored), 'earlier'], ...known]),
        );
        expect(cellAt({ view, mode: 'storage' }, layer, kv, p)).toBe(
          state([
            [has(view.dropped), 'dropped'],
            [has(view.merged), 'merged'],
            [has(view.parked), 'parked'],
            [has(view.quantised), 'quantised'],
            ...known,
          ]),
        );
        const weight = view.weight(layer, head, p);
        const step = WEIGHT_STEPS.findLastIndex((least) => weight >= least);
        expect(cellAt({ view, mode: 'weights' }, layer, head, p)).toBe(
          state([
            [step >= 0, `weight${step + 1}` as keyof typeof Cell],
            [has(view.stored) && view.weights.known, 'faint'],
            [has(view.evicted), 'evicted'],
          ]),
        );
        expect(cellAt({ view, mode: 'difference', reference }, layer, head, p)).toBe(
          state([
            [there && !here && !has(view.stored), 'lost'],
            [there && !here, 'missed'],
            [here && !there, 'extra'],
            [here, 'both'],
          ]),
        );
      }),
      { seed: 48213, numRuns: 300 },
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
  it('shows a larger weight farther from the background, and the same where it is only part of a bin', () => {
    for (const theme of ['light', 'dark'] as const) {
      const lut = lutOf(theme);
      const lightness = (name: (typeof STATES)[number]) => {
        const pixel = lut[Cell[name] * DENSITIES];
        const linear = [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255].map((c) => (c / 255) ** 2.2);
        return 116 * Math.cbrt(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) - 16;
      };
      const ramp = (['weight1', 'weight2', 'weight3', 'weight4', 'weight5', 'weight6'] as const).map(lightness);
      const away = theme === 'light' ? -1 : 1;
      for (let i = 1; i < ramp.length; i++) expect(away * (ramp[i] - ramp[i - 1])).toBeGreaterThan(10);
      for (const name of ['weight1', 'weight6'] as const) {
        expect(new Set([0, 1, 2, 3].map((density) => lut[Cell[name] * DENSITIES + density])).size).toBe(1);
      }
    }
  });

  it('gives a full bin the exact colour of its state, and partial ones others', () => {
    for (const theme of ['light', 'dark'] as const) {
      const lut = lutOf(theme);
      for (const name of STATES) {
        const n = Number.parseInt(COLOURS[theme][name].slice(1), 16);
        expect(css(lut[Cell[name] * DENSITIES + 3])).toBe(`rgb(${n >> 16} ${(n >> 8) & 255} ${n & 255})`);
      }
    }
  });

  it('tells the states of a mode apart, in lightness or hue', () => {
    for (const theme of ['light', 'dark'] as const) {
      for (const states of Object.values(MODE_STATES)) {
        expect(new Set(states.map((name) => COLOURS[theme][name])).size).toBe(states.length);
      }
    }
  });

  it('has cividis, which grows in lightness', () => {
    expect([css(CIVIDIS[0]), css(CIVIDIS[255])]).toEqual(['rgb(0 32 81)', 'rgb(253 234 69)']);
    const lightness = (pixel: number) =>
      0.2126 * (pixel & 255) + 0.7152 * ((pixel >> 8) & 255) + 0.0722 * ((pixel >> 16) & 255);
    for (let i = 8; i < 256; i += 8) expect(lightness(CIVIDIS[i])).toBeGreaterThan(lightness(CIVIDIS[i - 8]));
  });
});

describe('lane', () => {
  it('counts the heads that read a position, and shows the most of a bin', () => {
    fc.assert(
      fc.property(views, fc.integer({ min: 10, max: 200 }), (view, columns) => {
        const readers = Array.from({ length: view.length }, (_, p) => {
          let n = 0;
          for (let l = 0; l < SHAPE.layers; l++)
            for (let h = 0; h < SHAPE.queryHeads; h++) n += Number(view.isRead(l, h, p));
          return n;
        });
        expect([...readersOf(view)]).toEqual(readers);
        const axis = axisFor(Math.max(1, view.length), columns);
        const lane = new Uint32Array(axis.width);
        fillLane(view, axis, 7, lane);
        lane.forEach((pixel, x) => {
          const most = Math.max(0, ...readers.slice(x << axis.shift, (x + 1) << axis.shift));
          expect(pixel).toBe(most === 0 ? 7 : CIVIDIS[Math.round((255 * most) / (SHAPE.layers * SHAPE.queryHeads))]);
        });
      }),
      { seed: 48213, numRuns: 60 },
    );
  });
});

describe('marks', () => {
  it('say what happened, step by step', () => {
    const events = (kind: keyof typeof SCHEMA, aux = 0, rows = 0) => ({ kind, aux, records: 2, rows });
    const steps = [[], [events('evictRun', 0, 3), events('pass', 3)], [events('guard', 1)]];
    expect(marksOf(steps)).toEqual([
      { step: 1, sign: '×✓', label: '3 rows dropped, guesses verified' },
      { step: 2, sign: '!', label: 'guard: error was passed' },
    ]);
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
      'Reads 75\u00a0% of 10 positions: layer 0 chooses; 1 reuses. Keeps 80\u00a0%: 8 rows dropped in 1 of 2 layers.',
    );
  });
});

describe('many marks', () => {
  it('are thinned evenly', () => {
    const marks = Array.from({ length: 7 }, (_, step) => ({ step, sign: '×', label: '' }));
    expect(thinned(marks, 10).map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(thinned(marks, 3).map(({ step }) => step)).toEqual([0, 3, 6]);
    expect(thinned([])).toEqual([]);
  });
});

describe('verdict of changed rows', () => {
  it('counts what is in planes, parked and merged into', () => {
    const view = new CacheView(SHAPE);
    view.apply(record(Kind.pass, 0, 0, 10));
    for (const layer of [0, 1]) view.apply(record(Kind.append, ALL_HEADS, 0, 10, layer));
    view.apply(
      concat([record(Kind.quantise, 0, 0, 4), record(Kind.park, ALL_HEADS, 2, 3), record(Kind.fold, 1, 5, 6)]),
    );
    expect(verdict(summarise(view))).toMatch(
      /Keeps everything. 4 rows in 4-bit planes. 6 rows parked in the far tier. Others were merged into 1 row./,
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
