import { describe, expect, it } from 'vitest';
import { ALL_HEADS, CacheView, FactsReader, History, Kind, records } from '../src/trace.js';
import { churnOf, promptBlocks, rolesOf, roundsOf, summarise, verdict } from '../src/view.js';
import { bitsRecord, concat, record } from './blocks.js';

const SHAPE = { layers: 6, queryHeads: 2, kvHeads: 1 };
const LAYERS = Array.from({ length: SHAPE.layers }, (_, layer) => layer);
const BITS = new DataView(new ArrayBuffer(4));
const f32 = (value: number) => {
  BITS.setFloat32(0, value);
  return BITS.getUint32(0);
};

const pass = (aux: number, first: number, rows: number) => record(Kind.pass, { aux, a: first, b: rows });
const token = (aux: number, id: number, position: number) => record(Kind.token, { aux, a: id, b: position });
const inLayers = (layers: readonly number[], make: (layer: number) => Uint8Array) => concat(layers.map(make));
const append = (first: number, rows: number) =>
  inLayers(LAYERS, (layer) => record(Kind.append, { layer, head: ALL_HEADS, a: first, b: rows }));
const readAll = (layers: readonly number[], aux = 0) =>
  inLayers(layers, (layer) => record(Kind.readAll, { layer, head: ALL_HEADS, aux }));
const readBits = (layers: readonly number[], positions: readonly number[]) =>
  inLayers(layers, (layer) => bitsRecord(Kind.readBits, { layer, head: ALL_HEADS, a: 0 }, positions));
const readRun = (layers: readonly number[], first: number, rows: number) =>
  inLayers(layers, (layer) => record(Kind.readRun, { layer, head: ALL_HEADS, a: first, b: rows }));

/** What a run says at its end, each block a step. */
function run(steps: readonly (readonly Uint8Array[])[]) {
  const history = new History(SHAPE);
  for (const step of steps) {
    history.add(concat(step));
    history.close();
  }
  const facts = history.steps[history.steps.length - 1].facts;
  return { view: history.view, facts, line: verdict(summarise(history.view, facts)) };
}

const PROMPT = [pass(0, 0, 40), append(0, 40), readAll(LAYERS), token(0, 7, 40)];

describe('verdict', () => {
  it('names the layers that choose, those that reuse, and how much of the choice is new', () => {
    const step = (at: number, low: readonly number[], high: readonly number[]) => [
      pass(1, at, 1),
      append(at, 1),
      readAll([0, 3]),
      readBits([1, 2], low),
      readBits([4, 5], high),
    ];
    const { view, line } = run([PROMPT, step(40, [1, 2, 3, 4], [5, 6, 7, 8]), step(41, [1, 2, 3, 9], [5, 6, 7, 8])]);
    expect(rolesOf(view)).toEqual(['chooses', 'reuses', 'reuses', 'chooses', 'reuses', 'reuses']);
    // Of eight positions chosen in both stretches, one.
    expect(churnOf(view)).toBe(1 / 8);
    expect(line).toMatch(/layers 0 and 3 choose; 4 reuse, 13\u00a0% of it new\. Keeps everything\.$/);
  });

  it('calls a selection of every layer its own', () => {
    const { view, line } = run([
      PROMPT,
      [pass(1, 40, 1), append(40, 1), readAll([0, 1]), ...[2, 3, 4, 5].map((layer) => readBits([layer], [layer, 9]))],
    ]);
    expect(rolesOf(view)).toEqual(['all', 'all', 'own', 'own', 'own', 'own']);
    expect(line).toMatch(/2 layers read everything, 4 a selection/);
  });

  it('counts the blocks of a prompt that were computed', () => {
    // Blocks 0 to 3; ten pairs, of which the first head computes six and the second seven.
    const map = (head: number, pairs: readonly number[]) => {
      const block = bitsRecord(Kind.readBlocks, { layer: 2, head, a: 0 }, pairs);
      new DataView(block.buffer).setUint32(8, 10 + 65536 * 4, true);
      return block;
    };
    const { facts, line } = run([
      [pass(0, 0, 40), append(0, 40), readAll(LAYERS), map(0, [0, 1, 2, 3, 5, 9]), map(1, [0, 1, 2, 3, 5, 6, 9])],
    ]);
    expect([facts.blocksRead, facts.blocksThere]).toEqual([13, 20]);
    expect(line).toMatch(/^Prefill computed 65\u00a0% of blocks\./);
  });

  it('knows blocks that see themselves and the beginning', () => {
    const block = (first: number) => [
      pass(0, first, 10),
      append(first, 10),
      ...(first <= 10 ? [readAll(LAYERS)] : [readRun(LAYERS, 0, 10), readRun(LAYERS, first, 10)]),
    ];
    const { facts, line } = run([
      [...[0, 10, 20, 30].flatMap(block), pass(0, 40, 5), append(40, 5), readAll(LAYERS), token(0, 7, 45)],
    ]);
    expect(promptBlocks(facts)).toEqual({ count: 4, size: 10, anchor: 10 });
    expect(facts.prompt).toBe(45);
    expect(line).toMatch(/^Prompt in 4 blocks of 10 \+ anchor 10\. Reads all 45 positions in every head\./);
  });

  it('counts guesses that held, over rounds of a run', () => {
    const draft = (position: number, id: number) => [
      pass(2, position, 1),
      append(position, 1),
      readAll(LAYERS, 1),
      token(2, id, position + 1),
    ];
    const round = (first: number, ids: readonly number[], made: readonly number[]) => [
      ...ids.flatMap((id, i) => draft(first + i, id)),
      inLayers(LAYERS, (layer) => record(Kind.cut, { layer, head: ALL_HEADS, a: first, b: ids.length })),
      pass(3, first, ids.length + 1),
      append(first, ids.length + 1),
      readAll(LAYERS),
      ...made.map((id, i) => token(0, id, first + 1 + i)),
    ];
    // All three and one more; then the second of three differs, which ends the round.
    const { facts, line } = run([PROMPT, round(40, [1, 2, 3], [1, 2, 3, 4]), [], round(44, [5, 6, 3], [5, 9])]);
    expect([facts.held, facts.guessed]).toEqual([4, 6]);
    expect(facts.guesses.map(({ id, position, held }) => [id, position, held])).toEqual([
      [5, 45, true],
      [6, 46, false],
      [3, 47, false],
    ]);
    expect(line).toMatch(/^Accepted 4 of 6 guesses, made from the upper plane alone\./);
  });

  it('tells rounds that are read from those that are parked', () => {
    const above = [3, 4, 5];
    const notes = (shares: readonly number[]) =>
      concat(shares.map((share, a) => record(Kind.note, { layer: 2, a, b: f32(share) })));
    const { view, facts, line } = run([
      [
        ...[pass(0, 0, 10), append(0, 10), readAll(LAYERS)],
        ...[pass(0, 10, 20), append(10, 20), readAll([0, 1, 2]), notes([1]), readRun(above, 0, 30)],
        ...[pass(0, 30, 10), append(30, 10), readAll([0, 1, 2]), notes([3, 1])],
        inLayers(above, (layer) => record(Kind.park, { layer, head: ALL_HEADS, a: 10, b: 20 })),
        ...[readRun(above, 0, 10), readRun(above, 30, 10), token(0, 7, 40)],
      ],
    ]);
    expect(roundsOf(view, facts)).toEqual({
      layer: 2,
      rounds: [
        { first: 0, end: 10, share: 0.75, read: true, parked: false },
        { first: 10, end: 30, share: 0.25, read: false, parked: true },
        { first: 30, end: 40, share: null, read: true, parked: false },
      ],
    });
    expect(line).toMatch(/: 2 of 3 rounds above layer 2\. Keeps everything\. 60 rows parked in the far tier\.$/);
  });

  it('divides what is kept into prompt and decode', () => {
    const drop = inLayers(LAYERS, (layer) => record(Kind.evictRun, { layer, head: ALL_HEADS, a: 2, b: 30 }));
    const more = [40, 41, 42].map((at) => [pass(1, at, 1), append(at, 1), readAll(LAYERS), token(0, 7, at + 1)]);
    const late = inLayers(LAYERS, (layer) => record(Kind.evictRun, { layer, head: ALL_HEADS, a: 40, b: 1 }));
    const { line } = run([[...PROMPT, drop], ...more.slice(0, 2), [...more[2], late]]);
    expect(line).toMatch(/Keeps 28\u00a0% \(prompt 10, decode 2\): 186 rows dropped in all 6 layers\.$/);
  });

  it('says what a comparison with full attention found, and when a guard took over', () => {
    const compared = [0.5, 0.25].map((recall, head) =>
      record(Kind.shadow, { layer: 1, head, a: f32(recall), b: f32(1) }),
    );
    const trip = record(Kind.guard, { aux: 0, step: 1, a: f32(0.375), b: f32(0.5) });
    const { facts, line } = run([PROMPT, [pass(1, 40, 1), append(40, 1), readAll(LAYERS), ...compared, trip]]);
    expect(facts.shadow).toEqual({ recall: 0.375, error: 1 });
    expect(facts.trips).toEqual([{ step: 1, monitor: 0, seen: 0.375, limit: 0.5 }]);
    expect(line).toMatch(/Got 38\u00a0% of the full attention\. A guard took over at token 2\.$/);
  });
});

describe('facts', () => {
  it('that were handed out do not change', () => {
    const reader = new FactsReader();
    const hear = (block: Uint8Array) => {
      for (const found of records(block)) reader.take(found);
    };
    hear(concat(PROMPT));
    const first = reader.close();
    const copy = structuredClone(first);
    hear(concat([pass(0, 41, 5), record(Kind.guard, { aux: 3 }), record(Kind.note, { a: 5000 })]));
    expect(reader.close()).not.toEqual(copy);
    expect(first).toEqual(copy);
  });
});

describe('rows of a prompt', () => {
  it('are those below its end', () => {
    const view = new CacheView(SHAPE);
    view.apply(concat([pass(0, 0, 300), append(0, 300)]));
    for (const end of [0, 1, 31, 32, 33, 255, 256, 300, 9999]) {
      expect(view.storedBelow(end)).toBe(Math.min(end, 300) * SHAPE.layers);
    }
  });

  it('hears what hosts found in the newest pass, and which way each head took', () => {
    const share = (layer: number, host: number, of: number) =>
      record(Kind.share, { layer, head: ALL_HEADS, aux: host, a: f32(of) });
    const exchange = (layer: number) => record(Kind.exchange, { layer, head: ALL_HEADS, aux: 2, a: 10, b: 10 });
    const found = (of: number) =>
      LAYERS.flatMap((layer) => [exchange(layer), share(layer, 0, of), share(layer, 1, 1 - of)]);
    const choice = (head: number, number: number) =>
      record(Kind.choice, { layer: 2, head, aux: number < 0.25 ? 1 : 0, a: f32(number), b: f32(0.25) });
    const { facts } = run([
      [...PROMPT, choice(1, 0.5), choice(0, 0.125), choice(ALL_HEADS, 0)],
      [pass(1, 40, 1), append(40, 1), ...found(0.5)],
      // A host that is not there is not heard.
      [pass(1, 41, 1), append(41, 1), ...found(0.25), share(0, 9, 1), share(250, 1, 1)],
      // What nothing is heard of stays.
      [],
    ]);
    expect([...(facts.shares ?? [])]).toEqual(LAYERS.flatMap(() => [0.25, 0.75]));
    expect(facts.choices).toEqual([
      { layer: 2, head: 1, number: 0.5, cut: 0.25, first: false },
      { layer: 2, head: 0, number: 0.125, cut: 0.25, first: true },
    ]);
  });
});
