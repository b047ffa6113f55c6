import type { CacheView, KV_SETS, Shape } from '../trace/cache-view.js';
import { Cell, type CellState, MODE_STATES, type Mode, type StateName } from './states.js';
import { weightPlanes } from './weight-planes.js';

/**
 * The cells of a map: what a trace says, binned to what a screen can show. A cell is a state and a density. One row that
 * is read among thirty that are not still shows as read; the density says how much of the bin it is.
 */
export interface Cells extends Axis {
  height: number;
  heads: number;
  /** `[height, width]`; a cell is `state * DENSITIES + density`. Rows are layer by layer, `heads` rows a layer. */
  data: Uint8Array;
}

/** Densities 0, 1, 2 (under a third, under two, under all of the bin) and 3: all of it. */
export const DENSITIES = 4;

/** Positions under one column: `1 << shift` of them, `width` columns. The same for all maps of a run. */
export interface Axis {
  width: number;
  shift: number;
}

/** A word has 32 positions, so no bin is wider. */
const MAX_SHIFT = 5;

/** The finest axis for `length` positions on at most `columns` columns. */
export function axisFor(length: number, columns: number): Axis {
  let shift = 0;
  while (shift < MAX_SHIFT && (length + (1 << shift) - 1) >> shift > columns) shift++;
  return { shift, width: Math.max(1, Math.ceil(length / (1 << shift))) };
}

export function makeCells(): Cells {
  return { width: 0, height: 0, heads: 1, shift: 0, data: new Uint8Array(0) };
}

/** What a map is drawn from. */
export interface Scene {
  view: CacheView;
  mode: Mode;
  /** The other side of a difference; without it, a difference is that to itself. */
  reference?: CacheView;
}

/** Rows of a layer: query heads, or KV heads where storage is shown. */
export function headsOf({ kvHeads, queryHeads }: Shape, mode: Mode): number {
  return mode === 'storage' ? kvHeads : queryHeads;
}

/** Fills `out` from the trace, making room when the size changed. */
export function fillCells(scene: Scene, axis: Axis, out: Cells): Cells {
  const heads = headsOf(scene.view.shape, scene.mode);
  const height = scene.view.shape.layers * heads;
  resize(out, axis, height, heads);
  const { states, sources, kvRow } = open(scene);
  const most = Math.max(scene.view.words, scene.reference?.words ?? 0);
  const words = Math.min(most, Math.ceil((axis.width << axis.shift) / 32));
  const planes = new Uint32Array(states.length);
  for (let row = 0; row < height; row++) {
    const kv = kvRow(row);
    for (let w = 0; w < words; w++) {
      let any = 0;
      for (let i = 0; i < sources.length; i++) any |= planes[i] = sources[i](row, kv, w);
      if (any !== 0) fillWord(out, row, w, states, planes);
    }
  }
  return out;
}

/** Gives `out` a size and clears it. */
export function resize(out: Cells, axis: Axis, height: number, heads: number): void {
  const size = height * axis.width;
  if (out.data.length === size) out.data.fill(0);
  else out.data = new Uint8Array(size);
  Object.assign(out, { width: axis.width, shift: axis.shift, heads, height });
}

/** The state of one position, not binned. */
export function cellAt(scene: Scene, layer: number, head: number, position: number): CellState {
  return layerOf(scene, layer)(head, position);
}

/** The state of one position of a layer, for those who ask for many. */
export function layerOf(scene: Scene, layer: number): (head: number, position: number) => CellState {
  const { states, sources, kvRow } = open(scene);
  const first = layer * headsOf(scene.view.shape, scene.mode);
  return (head, position) => {
    if (position < 0) return Cell.empty;
    const row = first + head;
    const found = sources.findIndex((word) => (word(row, kvRow(row), position >>> 5) >>> (position & 31)) & 1);
    return found < 0 ? Cell.empty : states[found];
  };
}

/** A word of the positions that are in a state, by row of the map and row of the storage under it. */
type Source = (row: number, kv: number, word: number) => number;

function open({ view, mode, reference = view }: Scene) {
  const { queryHeads } = view.shape;
  // Most states of most caches are never there, and are not asked for word by word.
  const names = MODE_STATES[mode].filter((name) => mode === 'difference' || occurs(view, name));
  const plane = weightPlanes(view);
  const own = (name: StateName) =>
    Cell[name] >= Cell.weight1 ? plane(Cell[name] - Cell.weight1) : sourceOf(view, name);
  const sources = mode === 'difference' ? differences(view, reference) : names.map(own);
  const kvRow = (row: number) =>
    mode === 'storage' ? row : view.kvRow(Math.floor(row / queryHeads), row % queryHeads);
  return { states: names.map((name) => Cell[name]), sources, kvRow };
}

/** Without weights nothing is said of how small one is. */
function occurs(view: CacheView, name: StateName): boolean {
  return Cell[name] >= Cell.faint ? view.weights.known : planeOf(view, name).some((bits) => bits !== 0);
}

/** The set that a state is told by. */
function planeOf(view: CacheView, name: StateName): Uint32Array {
  if (name === 'faint') return view.stored;
  return name === 'earlier' ? view.before : view[name as 'read' | (typeof KV_SETS)[number]];
}

function sourceOf(view: CacheView, name: StateName): Source {
  const word = wordOf(view, planeOf(view, name));
  if (name === 'read') return (row, _, w) => word(row, w);
  if (name !== 'earlier') return (_, kv, w) => word(kv, w);
  // What was dropped since is no longer there to be read.
  const stored = wordOf(view, view.stored);
  return (row, kv, w) => word(row, w) & stored(kv, w);
}

/** In the order of `MODE_STATES.difference`. */
function differences(view: CacheView, reference: CacheView): Source[] {
  const here = wordOf(view, view.read);
  const there = wordOf(reference, reference.read);
  const kept = wordOf(view, view.stored);
  return [
    (row, kv, w) => there(row, w) & ~here(row, w) & ~kept(kv, w),
    (row, kv, w) => there(row, w) & ~here(row, w) & kept(kv, w),
    (row, _, w) => here(row, w) & ~there(row, w),
    (row, _, w) => here(row, w) & there(row, w),
  ];
}

/** Words of a set; beyond its room all are zero. */
function wordOf({ words }: CacheView, bits: Uint32Array) {
  return (row: number, w: number) => (w < words ? bits[row * words + w] : 0);
}

/** Fills the cells of a word, of which `planes` has the positions in each of `states`, the most severe first. */
function fillWord(out: Cells, row: number, word: number, states: readonly CellState[], planes: Uint32Array): void {
  const { shift, width, data } = out;
  const field = 1 << shift;
  const mask = field === 32 ? 0xffffffff : (1 << field) - 1;
  const first = row * width + ((word * 32) >> shift);
  const last = Math.min((row + 1) * width, first + (32 >> shift));
  let known = 0;
  for (let i = 0; i < states.length; i++) known |= planes[i];
  // Counts of every bin of the word at once, each in a field as wide as the bin.
  const all = fieldCounts(known, shift);
  let free = known;
  for (let i = 0; i < states.length && free !== 0; i++) {
    const bits = planes[i] & free;
    if (bits === 0) continue;
    free &= ~bits;
    const state = states[i] * DENSITIES;
    // Most words: all of it in one state.
    if (bits === -1) {
      for (let at = first; at < last; at++) data[at] = state + DENSITIES - 1;
      return;
    }
    const own = fieldCounts(bits, shift);
    for (let at = first, bit = 0; at < last; at++, bit += field) {
      const count = (own >>> bit) & mask;
      // Where there is something, a more severe state was there first.
      if (count === 0 || data[at] !== 0) continue;
      const of = (all >>> bit) & mask;
      data[at] = state + (count === of ? DENSITIES - 1 : Math.floor((3 * count) / of));
    }
  }
}

/** For every field of `1 << shift` bits, how many of its bits are set, in the place of the field. */
export function fieldCounts(word: number, shift: number): number {
  let v = word;
  if (shift >= 1) v -= (v >>> 1) & 0x55555555;
  if (shift >= 2) v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  if (shift >= 3) v = (v + (v >>> 4)) & 0x0f0f0f0f;
  if (shift >= 4) v = (v + (v >>> 8)) & 0x00ff00ff;
  if (shift >= 5) v = (v + (v >>> 16)) & 0x3f;
  return v >>> 0;
}
