/** What is drawn, picture by picture, and which of them is asked for. */
import { AttnscopeError } from 'attnscope';
import { numbers, sampleOf } from '../view/digits.js';
import { paperOf } from '../view/pad.js';
import { t } from '../words/words.svelte.js';
import type { Asking } from './asking.svelte.js';
import { type Asked, budgetFor, LETTERS, type Stroke, shareOf } from './pictures.js';

/** As many as have a letter. */
export const MOST_PADS = LETTERS.length;
/** Steps that can be undone. */
const REMEMBERED = 50;

interface Drawing {
  strokes: readonly Stroke[];
  /** The digit it is a sample of; null once somebody drew on it. */
  sample: number | null;
}

export interface Pad extends Drawing {
  /** Its own for as long as it is there. */
  id: number;
  /** What was on it before, oldest first. */
  before: readonly Drawing[];
}

const EMPTY: Drawing = { strokes: [], sample: null };

export class Pads implements Asking {
  all = $state.raw<readonly Pad[]>([]);
  /** Index of the picture that is asked for. */
  asked = $state(0);
  /** How many were made, and how many samples were drawn: what comes next differs from what was. */
  #made = 0;
  #samples = 0;

  constructor(count: number) {
    this.all = Array.from({ length: count }, () => this.#fresh());
  }

  get count(): number {
    return this.all.length;
  }

  get why(): string {
    const empty = this.all.flatMap(({ strokes }, i) => (strokes.length === 0 ? [LETTERS[i]] : []));
    if (empty.length === 0) return '';
    const letters = empty.join(', ');
    return empty.length === 1
      ? t('Picture {letters} is empty: draw a digit there, take a sample, or remove the picture.', { letters })
      : t('Pictures {letters} are empty: draw a digit there, take a sample, or remove the picture.', { letters });
  }

  /** The prompt, in the words that the projector was trained with. Throws `picture` where nothing is drawn. */
  ask(): Asked {
    if (this.why) throw new AttnscopeError('picture', this.why);
    const drawn = this.all.map(({ strokes }) => strokes);
    const shown = drawn.flatMap((strokes, i) => [beginningOf(i), paperOf(strokes), '.\n']);
    return {
      parts: [...shown, `Which digit is in picture ${LETTERS[this.asked]}?`],
      beginning: beginningOf(this.asked),
      drawn,
      sample: this.all[this.asked].sample,
    };
  }

  draw(index: number, stroke: Stroke): void {
    this.#put(index, { strokes: [...this.all[index].strokes, stroke], sample: null });
  }

  clear(index: number): void {
    if (this.all[index].strokes.length > 0) this.#put(index, EMPTY);
  }

  undo(index: number): void {
    const { id, before } = this.all[index];
    const last = before.at(-1);
    if (last) this.#set(index, { ...last, id, before: before.slice(0, -1) });
  }

  /** Puts a sample of a digit on a pad, each time another. */
  sample(index: number, digit: number): void {
    this.#put(index, { strokes: sampleOf(digit, 31 * ++this.#samples), sample: digit });
  }

  /** Samples on all that are empty, of digits that are on no other where there are enough; with none empty, on all. */
  samples(): void {
    const none = this.why === '';
    const wanted = this.all.flatMap(({ strokes }, i) => (none || strokes.length === 0 ? [i] : []));
    const taken = new Set(none ? [] : this.all.map(({ sample }) => sample));
    const next = numbers(this.#samples + 1);
    const order = Array.from({ length: 10 }, (_, digit) => ({ digit, at: next() })).sort((a, b) => a.at - b.at);
    const free = order.flatMap(({ digit }) => (taken.has(digit) ? [] : [digit]));
    for (const [i, index] of wanted.entries()) this.sample(index, free[i % free.length]);
  }

  add(): void {
    if (this.count < MOST_PADS) this.all = [...this.all, this.#fresh()];
  }

  /** The picture that was asked for stays the one, unless it is this. */
  remove(index: number): void {
    if (this.count === 1) return;
    this.all = this.all.filter((_, i) => i !== index);
    if (this.asked > index || this.asked === this.count) this.asked--;
  }

  #fresh(): Pad {
    return { ...EMPTY, id: this.#made++, before: [] };
  }

  #put(index: number, drawing: Drawing): void {
    const { id, strokes, sample, before } = this.all[index];
    this.#set(index, { ...drawing, id, before: [...before, { strokes, sample }].slice(-REMEMBERED) });
  }

  #set(index: number, pad: Pad): void {
    this.all = this.all.with(index, pad);
  }
}

function beginningOf(index: number): string {
  return `Picture ${LETTERS[index]} shows the digit `;
}

/** The budget with which the share of the picture rows stays what it is when there is another number of pictures. */
export function sameShare(budget: number, was: number, is: number): number {
  return budgetFor(is, shareOf(was, budget));
}
