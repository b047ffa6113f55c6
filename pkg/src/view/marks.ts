/** Marks of a timeline: what happened in a step, as a sign and in words. */
import type { StepEvent } from '../trace/events.js';
import type { KindName } from '../trace.gen.js';
import { count, plural } from './format.js';
import { say } from './words.js';

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

const LOOKS: Partial<Record<KindName, Look>> = {
  evictRun: { sign: '×', words: ({ rows }) => plural(rows, 'row dropped', 'rows dropped') },
  cut: { sign: '⌫', words: ({ rows }) => plural(rows, 'row taken back', 'rows taken back') },
  quantise: { sign: '~', words: ({ rows }) => plural(rows, 'row put in 4-bit planes', 'rows put in 4-bit planes') },
  fold: { sign: '+', words: ({ rows }) => plural(rows, 'row merged into others', 'rows merged into others') },
  readBlocks: {
    sign: '#',
    words: ({ records }) => say('read by blocks in {heads}', { heads: plural(records, 'head') }),
  },
  shadow: { sign: '◌', words: () => say('compared with full attention') },
  guard: { sign: '!', words: ({ aux }) => say('guard: {limit} was passed', { limit: (GUARDS[aux] ?? OTHER)() }) },
  park: { sign: '↓', words: ({ rows }) => plural(rows, 'row parked in the far tier', 'rows parked in the far tier') },
  fetch: {
    sign: '↑',
    words: ({ rows }) => plural(rows, 'row fetched from the far tier', 'rows fetched from the far tier'),
  },
  exchange: { sign: '⇄', words: ({ records }) => say('{n} exchanges between hosts', { n: count(records) }) },
};
/** By `aux`, as the passes of docs/trace.md. */
const PASSES: Readonly<Record<number, Look>> = {
  2: { sign: '?', words: ({ records }) => plural(records, 'token guessed', 'tokens guessed') },
  3: { sign: '✓', words: () => say('guesses verified') },
  4: { sign: '↻', words: () => say('keys computed anew') },
};
const GUARDS = [
  () => say('recall'),
  () => say('error'),
  () => say('acceptance'),
  () => say('finite numbers'),
  () => say('noise'),
];
const OTHER = () => say('a limit');

/** Signs beyond this number would lie on each other. */
const MOST = 60;

/** The marks to draw where there are more than fit, evenly chosen. */
export function thinned(marks: readonly Mark[], most = MOST): readonly Mark[] {
  const every = Math.ceil(marks.length / most);
  return marks.filter((_, i) => i % every === 0);
}

/** The marks of a run whose first step here is `first`; steps in which nothing happened have none. */
export function marksOf(steps: readonly (readonly StepEvent[])[], first = 0): Mark[] {
  return steps.flatMap((events, i) => {
    const looks = events.flatMap((event) => {
      const look = event.kind === 'pass' ? PASSES[event.aux] : LOOKS[event.kind];
      return look ? [{ sign: look.sign, words: look.words(event) }] : [];
    });
    if (looks.length === 0) return [];
    return [
      {
        step: first + i,
        sign: looks.map(({ sign }) => sign).join(''),
        label: looks.map(({ words }) => words).join(', '),
      },
    ];
  });
}
