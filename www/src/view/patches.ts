/**
 * Pictures in a cache, patch by patch: which rows a KV head kept, and how many heads kept each. By the state of the rows
 * alone, whatever dropped them.
 */
import type { CacheView } from 'attnscope/trace';
import type { StateName } from 'attnscope/view';
import { ROWS } from '../state/pictures.js';

export interface Patches {
  /** Position of its first row. */
  first: number;
  /** What one KV head did with each row. */
  states: StateName[];
  /** Share of all KV heads of all layers that have each row. */
  shares: number[];
}

export interface Kept {
  text: { kept: number; of: number };
  rows: { kept: number; of: number };
}

/** The state of a row in the cache, the most telling first. */
export function stateOf(view: CacheView, row: number, position: number): StateName {
  const has = (set: Uint32Array) =>
    position < view.words * 32 && ((set[row * view.words + (position >>> 5)] >>> (position & 31)) & 1) === 1;
  if (!has(view.stored)) return has(view.evicted) ? 'evicted' : 'empty';
  if (has(view.merged)) return 'merged';
  if (has(view.parked)) return 'parked';
  return has(view.quantised) ? 'quantised' : 'stored';
}

export function isKept(state: StateName): boolean {
  return state !== 'evicted' && state !== 'empty';
}

export function patchesOf(view: CacheView, pictures: readonly number[], layer: number, kvHead: number): Patches[] {
  const { layers, kvHeads } = view.shape;
  const all = layers * kvHeads;
  return pictures.map((first) => {
    const positions = Array.from({ length: ROWS }, (_, i) => first + i);
    // In every frame, for every patch of every method: without a list. What is kept is stored, in whatever state.
    const keepers = (p: number) => {
      let count = 0;
      for (let l = 0; l < layers; l++) for (let h = 0; h < kvHeads; h++) if (view.isStored(l, h, p)) count++;
      return count;
    };
    return {
      first,
      states: positions.map((p) => stateOf(view, layer * kvHeads + kvHead, p)),
      shares: positions.map((p) => keepers(p) / all),
    };
  });
}

/** Rows of the prompt that are kept, of text and of pictures, as a mean over all KV heads of all layers. */
export function keptOf(view: CacheView, pictures: readonly number[], prompt: number): Kept {
  const { layers, kvHeads } = view.shape;
  const all = layers * kvHeads;
  const ends = pictures.map((first) => view.storedBelow(first + ROWS) - view.storedBelow(first));
  const rows = ends.reduce((sum, n) => sum + n, 0) / all;
  const of = ROWS * pictures.length;
  return { text: { kept: view.storedBelow(prompt) / all - rows, of: prompt - of }, rows: { kept: rows, of } };
}
