/** What happened in a step beside storing and reading: the marks of a timeline. */
import { popcount } from '../bits.js';
import { ALL_HEADS, Kind, type KindName, SCHEMA } from '../trace.gen.js';
import type { Shape } from './cache-view.js';
import type { TraceRecord } from './records.js';

/** The records of one kind in one step. */
export interface StepEvent {
  /** `evictBits` counts as `evictRun`: they differ in how a set is written, not in what happened. */
  kind: KindName;
  /** Which pass, which limit of the guard; 0 for all other kinds. */
  aux: number;
  records: number;
  /** Rows of KV heads that it concerns; 0 for what is not about rows. */
  rows: number;
}

const NAMES = new Map(Object.entries(SCHEMA).map(([name, { kind }]) => [kind as number, name as KindName]));

/** In every step, or numbers that go with something else. */
const ALWAYS: ReadonlySet<number> = new Set([
  Kind.token,
  Kind.bytes,
  Kind.rows,
  Kind.append,
  Kind.readAll,
  Kind.readWindow,
  Kind.readRun,
  Kind.readBits,
  Kind.note,
  Kind.far,
  Kind.planeNoise,
  Kind.weights,
  Kind.choice,
  Kind.share,
]);
/** The passes that every method has, as `aux`: prefill and decode. */
const PLAIN_PASSES = 2;

/** Adds a record to the events of its step, if it is one. */
export function addEvent(events: StepEvent[], record: TraceRecord, { kvHeads }: Shape): void {
  const { kind, aux } = record;
  if (ALWAYS.has(kind) || (kind === Kind.pass && aux < PLAIN_PASSES)) return;
  const name = NAMES.get(kind === Kind.evictBits ? Kind.evictRun : kind);
  // A kind of a later version.
  if (name === undefined) return;
  const which = kind === Kind.pass || kind === Kind.guard ? aux : 0;
  const rows = rowsOf(record) * (record.head === ALL_HEADS ? kvHeads : 1);
  sumUp(events, { kind: name, aux: which, records: 1, rows });
}

/** The events of several methods, step by step, each kind once. */
export function mergeEvents(runs: readonly (readonly { events: readonly StepEvent[] }[])[]): StepEvent[][] {
  return Array.from({ length: Math.max(0, ...runs.map((steps) => steps.length)) }, (_, step) => {
    const merged: StepEvent[] = [];
    for (const steps of runs) for (const event of steps[step]?.events ?? []) sumUp(merged, event);
    return merged;
  });
}

function sumUp(events: StepEvent[], { kind, aux, records, rows }: StepEvent): void {
  let event = events.find((e) => e.kind === kind && e.aux === aux);
  if (!event) {
    event = { kind, aux, records: 0, rows: 0 };
    events.push(event);
  }
  event.records += records;
  event.rows += rows;
}

function rowsOf({ kind, b, payload }: TraceRecord): number {
  switch (kind) {
    case Kind.evictRun:
    case Kind.cut:
    case Kind.quantise:
    case Kind.park:
    case Kind.fetch:
      return b;
    case Kind.fold:
      return 1;
    case Kind.evictBits:
      return payload.reduce((sum, byte) => sum + popcount(byte), 0);
    default:
      return 0;
  }
}

/** The next step after `step`, or before it, in which something begins that was not in the step before; -1 for none. */
export function nextEvent(steps: readonly (readonly StepEvent[])[], step: number, direction: 1 | -1): number {
  const begins = (at: number) =>
    steps[at].some(({ kind, aux }) => !steps[at - 1]?.some((e) => e.kind === kind && e.aux === aux));
  for (let at = step + direction; at >= 0 && at < steps.length; at += direction) if (begins(at)) return at;
  return -1;
}
