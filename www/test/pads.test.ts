import { CacheView, Kind } from 'attnscope/trace';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pads, sameShare } from '../src/state/pads.svelte.js';
import { budgetFor, PICTURE_ROW, picturesIn, ROWS, rowAt, shareOf, textRows } from '../src/state/pictures.js';
import { sampleOf } from '../src/view/digits.js';
import { layoutOf, placeOf, positionAt } from '../src/view/patch-grid.js';
import { isKept, keptOf, patchesOf, stateOf } from '../src/view/patches.js';

const STROKE = [
  [0.2, 0.2],
  [0.8, 0.8],
] as const;
const row = Array<number>(ROWS).fill(PICTURE_ROW);

describe('a prompt with pictures', () => {
  it('says by its ids where they begin, and two that touch are two', () => {
    expect(picturesIn([1, 2, 3])).toEqual([]);
    expect(picturesIn([1, ...row, 2, ...row, ...row, 3])).toEqual([1, 18, 34]);
  });

  it('has a name for each of their rows, and none for text', () => {
    expect(rowAt([1, 18], 0)).toBeNull();
    expect(rowAt([1, 18], 17)).toBeNull();
    expect(rowAt([1, 18], 16)).toBe('▦\u00a0picture\u00a0A,\u00a0row\u00a015');
    expect(rowAt([1, 18], 21)).toBe('▦\u00a0picture\u00a0B,\u00a0row\u00a03');
  });

  it('leaves the share of the rows that the budget has room for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 16 }), (pictures, part) => {
        expect(shareOf(pictures, budgetFor(pictures, part / 16))).toBe(part / 16);
      }),
    );
    expect(shareOf(2, textRows(2) - 9)).toBe(0);
    expect(shareOf(2, 4096)).toBe(1);
    // Half of two pictures is half of three.
    expect(sameShare(textRows(2) + 16, 2, 3)).toBe(textRows(3) + 24);
  });
});

describe('pads', () => {
  it('say which of them are empty', () => {
    const pads = new Pads(2);
    expect(pads.why).toMatch(/^Pictures A, B are empty/);
    pads.draw(0, STROKE);
    expect(pads.why).toMatch(/^Picture B is empty/);
    expect(() => pads.ask()).toThrow(/Picture B is empty/);
    pads.sample(1, 7);
    expect(pads.why).toBe('');
  });

  it('take back every step, also a clearing', () => {
    const pads = new Pads(1);
    pads.sample(0, 3);
    const three = pads.all[0].strokes;
    pads.draw(0, STROKE);
    expect(pads.all[0]).toMatchObject({ strokes: [...three, STROKE], sample: null });
    pads.clear(0);
    expect(pads.all[0].strokes).toEqual([]);
    pads.clear(0);
    pads.undo(0);
    expect(pads.all[0].strokes).toHaveLength(three.length + 1);
    pads.undo(0);
    expect(pads.all[0]).toMatchObject({ strokes: three, sample: 3 });
    pads.undo(0);
    pads.undo(0);
    expect(pads.all[0]).toMatchObject({ strokes: [], sample: null, before: [] });
  });

  it('are one to eight, and the one that is asked for stays', () => {
    const pads = new Pads(3);
    pads.asked = 2;
    pads.draw(2, STROKE);
    pads.remove(0);
    expect([pads.count, pads.asked, pads.all[1].strokes.length]).toEqual([2, 1, 1]);
    pads.remove(1);
    expect([pads.count, pads.asked]).toEqual([1, 0]);
    pads.remove(0);
    expect(pads.count).toBe(1);
    for (let i = 0; i < 12; i++) pads.add();
    expect(pads.count).toBe(8);
    expect(new Set(pads.all.map(({ id }) => id)).size).toBe(8);
  });

  it('get samples where they are empty, of different digits, the same in every visit', () => {
    const [pads, again] = [new Pads(8), new Pads(8)];
    for (const each of [pads, again]) {
      each.draw(3, STROKE);
      each.samples();
    }
    const digits = pads.all.map(({ sample }) => sample);
    expect(digits[3]).toBeNull();
    expect(new Set(digits).size).toBe(8);
    expect(again.all.map(({ strokes }) => strokes)).toEqual(pads.all.map(({ strokes }) => strokes));
    // With none empty, there are new ones everywhere.
    pads.samples();
    expect(pads.all.every(({ sample }) => sample !== null)).toBe(true);
  });

  it('have room for every sample', () => {
    for (let digit = 0; digit < 10; digit++)
      for (let seed = 0; seed < 50; seed++)
        for (const stroke of sampleOf(digit, seed))
          for (const [x, y] of stroke) {
            expect(Math.min(x, y)).toBeGreaterThan(0.04);
            expect(Math.max(x, y)).toBeLessThan(0.96);
          }
    expect(sampleOf(4, 1)).not.toEqual(sampleOf(4, 2));
  });
});

describe('patches', () => {
  const pictures = [2, 20];
  const prompt = 40;

  /** A cache of two layers with two KV heads, of which one dropped rows of the first picture. */
  function cache(): CacheView {
    const view = new CacheView({ layers: 2, queryHeads: 4, kvHeads: 2 });
    const record = (kind: number, layer: number, head: number, a: number, b: number) => {
      const block = new Uint8Array(16);
      block.set([kind, layer, head, 0]);
      new DataView(block.buffer).setUint32(8, a, true);
      new DataView(block.buffer).setUint32(12, b, true);
      view.apply(block);
    };
    record(Kind.pass, 0, 0, 0, prompt);
    for (const layer of [0, 1]) record(Kind.append, layer, 255, 0, prompt);
    record(Kind.fold, 1, 0, 3, 5);
    record(Kind.fold, 1, 0, 4, 5);
    record(Kind.evictRun, 1, 0, 3, 2);
    return view;
  }

  it('are what each head kept, and how many heads did', () => {
    const view = cache();
    const [first, second] = patchesOf(view, pictures, 1, 0);
    expect(first.states.slice(0, 5)).toEqual(['stored', 'evicted', 'evicted', 'merged', 'stored']);
    expect(first.shares.slice(0, 4)).toEqual([1, 0.75, 0.75, 1]);
    expect(second.states.every(isKept)).toBe(true);
    expect(patchesOf(view, pictures, 0, 0)[0].states.every(isKept)).toBe(true);
    expect(stateOf(view, 0, 1000)).toBe('empty');
    expect(keptOf(view, pictures, prompt)).toEqual({ text: { kept: 8, of: 8 }, rows: { kept: 31.5, of: 32 } });
  });

  it('are pointed at where they are drawn, at every width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 200, max: 1400 }), (count, width) => {
        const firsts = Array.from({ length: count }, (_, i) => 30 + 24 * i);
        const length = 24 * count + 50;
        const layout = layoutOf(firsts, length, width);
        const span = 4 * layout.cell;
        for (const { x, y } of layout.boxes) {
          expect(x + span).toBeLessThanOrEqual(width);
          expect(y + layout.below + span).toBeLessThan(layout.lane.y);
        }
        expect(layout.text).toHaveLength(length - ROWS * count);
        for (let p = 0; p < length; p++) {
          const at = placeOf(layout, firsts, p);
          expect(positionAt(layout, firsts, at?.x ?? -1, at?.y ?? -1)).toBe(p);
        }
        expect(placeOf(layout, firsts, length)).toBeNull();
      }),
    );
  });
});
