/** Marks of a timeline: what happened in a step, as a sign and in words. */
import type { StepEvent } from '../trace/events.js';
import type { KindName } from '../trace.gen.js';
import { count, plural } from './format.js';

export interface Mark {
  step: number;
  /** The signs of its events; they differ in form, not in hue. */
  sign: string;
  /** All events in words. */
  label: string;
}

interface Look {
  sign: string;
  words: (event: StepEvent) => string;
}

const rows = (what: string) => (event: StepEvent) => `${plural(event.rows, 'row')} ${what}`;

const LOOKS: Partial<Record<KindName, Look>> = {
  evictRun: { sign: '×', words: rows('dropped') },
  cut: { sign: '⌫', words: rows('taken back') },
  quantise: { sign: '~', words: rows('put in 4-bit planes') },
  fold: { sign: '+', words: rows('merged into others') },
  readBlocks: { sign: '#', words: ({ records }) => `read by blocks in ${plural(records, 'head')}` },
  shadow: { sign: '◌', words: () => 'compared with full attention' },
  guard: { sign: '!', words: ({ aux }) => `guard: ${GUARDS[aux] ?? 'a limit'} was passed` },
  park: { sign: '↓', words: rows('parked in the far tier') },
  fetch: { sign: '↑', words: rows('fetched from the far tier') },
  exchange: { sign: '⇄', words: ({ records }) => `${count(records)} exchanges between hosts` },
};
/** By `aux`, as the passes of docs/trace.md. */
const PASSES: Readonly<Record<number, Look>> = {
  2: { sign: '?', words: ({ records }) => `${plural(records, 'token')} guessed` },
  3: { sign: '✓', words: () => 'guesses verified' },
  4: { sign: '↻', words: () => 'keys computed anew' },
};
const GUARDS = ['recall', 'error', 'acceptance', 'finite numbers', 'noise'];

/** Signs beyond this number would lie on each other. */
const MOST = 60;

/** The marks to draw where there are more than fit, evenly chosen. */
export function thinned(marks: readonly Mark[], most = MOST): readonly Mark[] {
  const every = Math.ceil(marks.length / most);
  return marks.filter((_, i) => i % every === 0);
}

/** The marks of a run; steps in which nothing happened have none. */
export function marksOf(steps: readonly (readonly StepEvent[])[]): Mark[] {
  return steps.flatMap((events, step) => {
    const looks = events.flatMap((event) => {
      const look = event.kind === 'pass' ? PASSES[event.aux] : LOOKS[event.kind];
      return look ? [{ sign: look.sign, words: look.words(event) }] : [];
    });
    if (looks.length === 0) return [];
    return [{ step, sign: looks.map(({ sign }) => sign).join(''), label: looks.map(({ words }) => words).join(', ') }];
  });
}
