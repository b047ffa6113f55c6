import { describe, expect, it } from 'vitest';
import { ALL_HEADS, CacheView, Kind, NO_FACTS } from '../src/trace.js';
import { CIVIDIS } from '../src/view/palette.js';
import {
  arcsOf,
  axisFor,
  type Band,
  bandsOf,
  fillBlockGrid,
  fillHostShares,
  fillPatternGrid,
  HeadHistory,
  HOST_COLOURS,
  hostShares,
  ringsOf,
  summarise,
} from '../src/view.js';
import { concat, record } from './blocks.js';

const SHAPE = { layers: 4, queryHeads: 2, kvHeads: 2 };
const each = (kind: number, a: number, b: number, layers = [0, 1, 2, 3]) =>
  concat(layers.map((layer) => record(kind, { layer, head: ALL_HEADS, a, b })));

/** 60 positions, all stored; then what a test adds. */
function scene(more: Uint8Array, facts: Partial<typeof NO_FACTS> = {}) {
  const view = new CacheView(SHAPE);
  view.apply(concat([record(Kind.pass, { a: 0, b: 60 }), each(Kind.append, 0, 60), more]));
  const summary = summarise(view, { ...NO_FACTS, ...facts });
  if (!summary) throw new Error('nothing to sum up');
  return { view, summary, bands: bandsOf(view, summary, axisFor(60, 60)) };
}
const only = (bands: readonly Band[]) => {
  expect(bands.length).toBe(1);
  return bands[0];
};

describe('bands', () => {
  it('are not there where nothing happened', () => {
    expect(scene(each(Kind.readAll, 0, 0)).bands).toEqual([]);
  });

  it('show rounds by their share, and park what is out of reach', () => {
    const above = [2, 3];
    const parked = concat([
      each(Kind.park, 20, 20, above),
      each(Kind.readRun, 0, 20, above),
      each(Kind.readRun, 40, 20, above),
    ]);
    const prefills = [0, 20, 40].map((first) => ({ first, rows: 20, runs: [] }));
    const { bands, summary } = scene(concat([each(Kind.readAll, 0, 0, [0, 1]), parked]), {
      prefills,
      table: { layer: 1, values: [6, 2] },
    });
    // The far tier has a band of its own.
    expect(bands.map(({ kind }) => kind)).toEqual(['spans', 'tiers']);
    expect(bands[0]).toMatchObject({
      spans: [
        { first: 0, end: 20, state: 'read', hatched: false, bar: 1 },
        { first: 20, end: 40, state: 'parked', hatched: true, bar: 1 / 3 },
        { first: 40, end: 60, state: 'read', hatched: false, bar: 1 },
      ],
    });
    expect(bands[0].says).toMatch(/in layer 1 \(75\u00a0%, 25\u00a0%\).*1 round parked/);
    expect(ringsOf(summary)).toEqual([{ layer: 1, kind: 'line' }]);
  });

  it('show the pools of prompt and answer by what is left of them', () => {
    const { bands } = scene(
      concat([each(Kind.readAll, 0, 0), each(Kind.evictRun, 10, 30), each(Kind.evictRun, 50, 5)]),
      {
        prompt: 40,
      },
    );
    expect(only(bands)).toMatchObject({
      spans: [
        { first: 0, end: 40, bar: 10 / 40 },
        { first: 40, end: 60, bar: 15 / 20 },
      ],
      says: 'Kept: 10 of 40 rows of the prompt, 15 of 20 after it.',
    });
  });

  it('show tiers by their share of every column', () => {
    const planes = concat([each(Kind.readAll, 0, 0), each(Kind.quantise, 0, 30, [0])]);
    const band = only(scene(planes, { upperPlane: true }).bands);
    if (band.kind !== 'tiers') throw new Error(band.kind);
    expect(band.tiers.map(({ state, shares }) => [state, shares[29], shares[30]])).toEqual([
      ['stored', 0.75, 1],
      ['quantised', 0.25, 0],
    ]);
    expect(band.says).toMatch(/guesses read the upper alone/);
  });

  it('ring the layers that choose', () => {
    const { summary } = scene(concat([each(Kind.readAll, 0, 0, [0, 1]), each(Kind.readRun, 3, 4, [2, 3])]));
    expect(ringsOf(summary)).toEqual([{ layer: 1, kind: 'ring' }]);
  });

  it('draw merges as arcs, as thick as many went to the same row', () => {
    const head = new HeadHistory(SHAPE, 1, 1);
    const fold = (layer: number, kv: number, a: number, b: number) => record(Kind.fold, { layer, head: kv, a, b });
    // Of another layer, and of another KV head, is not of this one.
    head.add(
      concat([fold(1, 1, 3, 9), fold(1, 1, 4, 9), fold(1, ALL_HEADS, 5, 8), fold(0, 1, 6, 9), fold(1, 0, 7, 9)]),
    );
    expect(arcsOf(head.folds)).toEqual([
      { dropped: 3, into: 9, merged: 2 },
      { dropped: 4, into: 9, merged: 2 },
      { dropped: 5, into: 8, merged: 1 },
    ]);
    expect(arcsOf(head.folds, 2).map(({ dropped, merged }) => [dropped, merged])).toEqual([
      [3, 2],
      [5, 1],
    ]);
  });

  it('show how much each head computed', () => {
    const grid = new Uint32Array(8);
    const densities = [
      { layer: 3, head: 1, share: 1 },
      { layer: 9, head: 0, share: 1 },
    ];
    fillBlockGrid(densities, SHAPE, grid);
    expect([...grid]).toEqual([0, 0, 0, 0, 0, 0, 0, CIVIDIS[255]]);
  });

  it('show which way each head took: the farther from the cut the stronger, the second one hatched', () => {
    const choices = [
      { layer: 0, head: 0, number: 0, cut: 0.1, first: true },
      { layer: 0, head: 1, number: 0.5, cut: 0.1, first: false },
      { layer: 9, head: 0, number: 0.5, cut: 0.1, first: false },
    ];
    const [width, height] = [SHAPE.queryHeads * 8, SHAPE.layers * 8];
    const grid = new Uint32Array(width * height);
    fillPatternGrid(choices, SHAPE, grid);
    const own = (head: number) =>
      new Set(Array.from({ length: 64 }, (_, i) => grid[(i >> 3) * width + 8 * head + (i & 7)]));
    const parts = (pixel: number) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255, pixel >>> 24];
    expect([...own(0)].map(parts).map(([r, g, b]) => [r, g, b])).toEqual([[0, 114, 178]]);
    expect([...own(1)].map(parts)).toEqual([
      [230, 159, 0, 89],
      [230, 159, 0, 255],
    ]);
    expect(parts([...own(0)][0])[3]).toBeLessThan(200);
    // A layer that is not there is not drawn.
    expect(grid.subarray(8 * width).every((pixel) => pixel === 0)).toBe(true);
  });

  it('show how much each host found, as stacked bars with gaps', () => {
    const facts = { ...NO_FACTS, hosts: 2, shares: Float32Array.of(0.25, 0.75, 1, 0) };
    expect(hostShares(facts)).toEqual([0.625, 0.375]);
    expect(hostShares(NO_FACTS)).toEqual([]);
    const bars = new Uint32Array(2 * 8);
    fillHostShares(facts, 8, bars);
    const [a, b] = HOST_COLOURS.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
    expect([...bars]).toEqual([a, a, 0, b, b, b, b, b, a, a, a, a, a, a, a, a]);
  });
});
