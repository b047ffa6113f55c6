import fc from 'fast-check';
import { ALL_HEADS, Kind } from '../src/trace.js';
import { bitsRecord, record, weightsRecord } from './blocks.js';

export const SHAPE = { layers: 2, queryHeads: 4, kvHeads: 2 };
const LIMIT = 700;

type Ranged = 'append' | 'evictRun' | 'cut' | 'quantise' | 'park' | 'fetch' | 'readRun';

/** What a record does, in words that a naive model understands. */
export type Act =
  | { kind: 'pass' }
  | { kind: Ranged; layer: number; head: number; from: number; count: number }
  | { kind: 'evictBits' | 'readBits'; layer: number; head: number; from: number; positions: number[] }
  | { kind: 'weights'; layer: number; head: number; listed: [position: number, code: number][] }
  | { kind: 'fold'; layer: number; head: number; dropped: number; into: number }
  | { kind: 'readAll'; layer: number; head: number }
  | { kind: 'readWindow'; layer: number; head: number; count: number };

const layer = fc.nat(SHAPE.layers - 1);
const kvHead = fc.oneof(fc.nat(SHAPE.kvHeads - 1), fc.constant(ALL_HEADS));
const queryHead = fc.oneof(fc.nat(SHAPE.queryHeads - 1), fc.constant(ALL_HEADS));
const from = fc.nat(LIMIT);
const ranged = fc.constantFrom<Ranged>('append', 'append', 'evictRun', 'cut', 'quantise', 'park', 'fetch');
export const act: fc.Arbitrary<Act> = fc.oneof(
  fc.constant<Act>({ kind: 'pass' }),
  fc.record({ kind: ranged, layer, head: kvHead, from, count: fc.nat(200) }),
  fc.record({ kind: fc.constant('readRun'), layer, head: queryHead, from, count: fc.nat(200) }),
  fc.record({ kind: fc.constant('evictBits'), layer, head: kvHead, from, positions: fc.array(fc.nat(300)) }),
  fc.record({ kind: fc.constant('readBits'), layer, head: queryHead, from, positions: fc.array(fc.nat(300)) }),
  fc.record({ kind: fc.constant('fold'), layer, head: kvHead, dropped: from, into: from }),
  fc.record({
    kind: fc.constant('weights'),
    layer,
    head: queryHead,
    listed: fc.uniqueArray(fc.tuple(from, fc.integer({ min: 16, max: 4095 })), {
      selector: ([at]) => at,
      maxLength: 40,
    }),
  }),
  fc.record({ kind: fc.constant('readAll'), layer, head: queryHead }),
  fc.record({ kind: fc.constant('readWindow'), layer, head: queryHead, count: fc.nat(300) }),
) as fc.Arbitrary<Act>;

export function encode(a: Act): Uint8Array {
  if (a.kind === 'pass') return record(Kind.pass, { aux: 1, a: 0, b: 1 });
  const where = { layer: a.layer, head: a.head };
  if (a.kind === 'readAll') return record(Kind.readAll, where);
  if (a.kind === 'weights') return weightsRecord(Kind.weights, where, a.listed);
  if (a.kind === 'readWindow') return record(Kind.readWindow, { ...where, a: a.count });
  if (a.kind === 'fold') return record(Kind.fold, { ...where, a: a.dropped, b: a.into });
  if ('positions' in a) {
    return bitsRecord(
      Kind[a.kind],
      { ...where, a: a.from },
      a.positions.map((p) => a.from + p),
    );
  }
  return record(Kind[a.kind], { ...where, a: a.from, b: a.count });
}
