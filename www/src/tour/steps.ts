/** Where the tour goes, and what it says there. */
import { hover } from '../state/hover.svelte.js';
import { run } from '../state/run.svelte.js';
import { t } from '../words/words.svelte.js';

export interface Step {
  name: string;
  /** What it points at: the first element of this kind that is seen. */
  target: string;
  title: () => string;
  text: () => string;
  /** Makes the element appear, where it is not always there. */
  enter?: () => void;
}

/** Holds a cell of the method that reads least, of which there is most to see, unless one is held. */
function hold(): void {
  if (hover.locked || run.tracks.length === 0) return;
  const shares = run.tracks.map(({ summary }) => summary?.readShare ?? 1);
  const track = shares.indexOf(Math.min(...shares));
  const { layers } = run.tracks[track].view.shape;
  hover.hold({ track, layer: layers >> 1, head: 0, position: Math.max(0, run.promptLength - 1) });
}

export const STEPS: readonly Step[] = [
  {
    name: 'map',
    target: 'article:has([data-map])',
    title: () => t('A map of the cache'),
    text: () =>
      t(
        'Each method has a map. From left to right: the positions of the text. From top to bottom: the heads of every layer. It shows what the newest token reads.',
      ),
  },
  {
    name: 'colours',
    target: '.legend',
    title: () => t('What the colours say'),
    text: () =>
      t(
        'Reads: what was looked at. Storage: what is kept, and what is gone for good. Difference: what the first method read and another one did not.',
      ),
  },
  {
    name: 'verdict',
    target: '[data-verdict]',
    title: () => t('In one line'),
    text: () =>
      t('Under each map a line says what the method read and kept in this step. It is counted from the run itself.'),
  },
  {
    name: 'timeline',
    target: '.timeline',
    title: () => t('Back and forth'),
    text: () =>
      t(
        'Drag to any token, and all maps show that step. The signs are what happened: × dropped, + merged, ~ quantised, ✓ guesses checked.',
      ),
  },
  {
    name: 'inspector',
    target: 'aside',
    enter: hold,
    title: () => t('One cell, closely'),
    text: () =>
      t('A click on a map holds a cell: its token, who read it and who stores it, and the same cell in every method.'),
  },
  {
    name: 'head',
    target: 'section:has(> .plane > [data-mask])',
    enter: hold,
    title: () => t('The history of a head'),
    text: () =>
      t('What the head of the held cell read, query by query: a row is a query, a column is a position of the text.'),
  },
  {
    name: 'budget',
    target: '.budget',
    title: () => t('The budget'),
    text: () => t('How many tokens each method may read or keep. The smaller it is, the sooner methods part.'),
  },
  {
    name: 'run',
    target: 'section.start, .go',
    title: () => t('Now a run of your own'),
    text: () =>
      t(
        'Load the model, write a prompt, choose methods and press Run. All of it is computed on this device; no text leaves it.',
      ),
  },
];

/** The element that a step points at, or null while none is seen. */
export function targetOf({ target }: Pick<Step, 'target'>): Element | null {
  return Array.from(document.querySelectorAll(target)).find((element) => element.checkVisibility()) ?? null;
}

/** Where a box of `height` stands in a window of `room`: below what is pointed at, above it, or over its end. */
export function besides(rect: { top: number; bottom: number }, height: number, room: number, gap = 12): number {
  if (rect.bottom + gap + height <= room - gap) return rect.bottom + gap;
  if (rect.top - gap - height >= gap) return rect.top - gap - height;
  return Math.max(gap, room - gap - height);
}
