/** Prompts with pictures, by their ids alone: where the pictures stand and how much room they take. */
import type { Part, PromptTokens } from 'attnscope';
import type { TraceToken } from 'attnscope/trace';
import { t } from '../words/words.svelte.js';

/** Stands among the ids where a row of a picture does. No token has it, so nobody decodes it. */
export const PICTURE_ROW = 0xffff_ffff;
/** What is shown for one. */
export const PICTURE_SIGN = '▦';
/** Rows of a picture: a grid of so many by so many patches, row by row. */
export const SIDE = 4;
export const ROWS = SIDE * SIDE;
/** Letters that pictures are called by, as the projector was trained; more of them it never saw. */
export const LETTERS = 'ABCDEFGH';
/** Width of the only model that the projector was trained for. */
export const PICTURE_WIDTH = 576;

export type Stroke = readonly (readonly [x: number, y: number])[];

/** What the pads ask: the message, how the answer begins, and what was drawn, which no trace has. */
export interface Asked {
  parts: readonly Part[];
  beginning: string;
  drawn: readonly (readonly Stroke[])[];
  /** The digit that the asked picture is a sample of; null for one that somebody drew. */
  sample: number | null;
}

/** A prompt as sessions take it, its ids, and the tokens that every answer begins with. */
export interface Given {
  prompt: Uint32Array | PromptTokens;
  ids: Uint32Array;
  beginning: readonly TraceToken[];
}

/** Positions where pictures begin. Two that touch are two. */
export function picturesIn(ids: ArrayLike<number>): number[] {
  const found: number[] = [];
  for (let p = 0; p < ids.length; p++) {
    if (ids[p] !== PICTURE_ROW) continue;
    found.push(p);
    p += ROWS - 1;
  }
  return found;
}

/** The row of a picture at a position, in words; null where text stands. */
export function rowAt(pictures: readonly number[], position: number): string | null {
  const index = pictures.findIndex((first) => position >= first && position < first + ROWS);
  if (index < 0) return null;
  // Where a token is shown, ordinary spaces are made visible.
  return t('{sign} picture {letter}, row {row}', {
    sign: PICTURE_SIGN,
    letter: LETTERS[index] ?? index + 1,
    row: position - pictures[index],
  }).replaceAll(' ', '\u00a0');
}

/** Tokens of text around so many pictures, as the model of the projector has them: the template, the words, the question. */
export function textRows(pictures: number): number {
  return 37 + 8 * pictures;
}

/** The budget with which this share of the picture rows stays beside all text. */
export function budgetFor(pictures: number, share: number): number {
  return textRows(pictures) + Math.round(share * ROWS * pictures);
}

/** The other way round, between none and all. */
export function shareOf(pictures: number, budget: number): number {
  return Math.min(1, Math.max(0, (budget - textRows(pictures)) / (ROWS * pictures)));
}
