import type { CacheView } from 'attnscope/trace';

/**
 * The cells of a map: what a trace says, binned to what a screen can show. A cell is a state and a density. The state is
 * the one highest in the order below that occurs in the bin, never a mean: one row that is read among thirty that are
 * not still shows as read. The density says how much of the bin it is.
 */
export const Cell = { empty: 0, evicted: 1, stored: 2, dropped: 3, read: 4 } as const;
export type CellState = (typeof Cell)[keyof typeof Cell];
export const CELL_STATES = 5;

/** Densities 0, 1, 2 (under a third, under two, under all of the bin) and 3: all of it. */
export const DENSITIES = 4;

export type Mode = 'reads' | 'storage';

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

/** `[height, width]`; a cell is `state * DENSITIES + density`. Rows are layer by layer, `heads` rows a layer. */
export interface Cells extends Axis {
  height: number;
  heads: number;
  data: Uint8Array;
}

export function makeCells(): Cells {
  return { width: 0, height: 0, heads: 1, shift: 0, data: new Uint8Array(0) };
}

/** Fills `out` from the trace, making room when the size changed. */
export function fillCells(view: CacheView, mode: Mode, axis: Axis, out: Cells): Cells {
  const { layers, queryHeads, kvHeads } = view.shape;
  const heads = mode === 'reads' ? queryHeads : kvHeads;
  const size = layers * heads * axis.width;
  if (out.data.length !== size) out.data = new Uint8Array(size);
  Object.assign(out, axis, { heads, height: layers * heads });
  const words = Math.min(view.words, Math.ceil((axis.width << axis.shift) / 32));
  out.data.fill(0);
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const kv = (mode === 'reads' ? view.kvRow(layer, head) : layer * kvHeads + head) * view.words;
      const row = layer * heads + head;
      for (let w = 0; w < words; w++) {
        const stored = view.stored[kv + w];
        const evicted = view.evicted[kv + w];
        const top = mode === 'reads' ? view.read[row * view.words + w] : view.dropped[kv + w];
        if ((stored | evicted | top) !== 0) {
          fillWord(out, row, w, mode === 'reads' ? Cell.read : Cell.dropped, top, stored, evicted);
        }
      }
    }
  }
  return out;
}

function fillWord(
  out: Cells,
  row: number,
  word: number,
  topState: CellState,
  top: number,
  stored: number,
  evicted: number,
) {
  const { shift, width } = out;
  const field = 1 << shift;
  const mask = field === 32 ? 0xffffffff : (1 << field) - 1;
  // Counts of every bin of the word at once, each in a field as wide as the bin.
  const tops = fieldCounts(top, shift);
  const kept = fieldCounts(stored & ~top, shift);
  const known = fieldCounts(stored | evicted | top, shift);
  const first = (word * 32) >> shift;
  const last = Math.min(width, first + (32 >> shift));
  for (let x = first; x < last; x++) {
    const at = (x - first) * field;
    const all = (known >>> at) & mask;
    if (all === 0) continue;
    const t = (tops >>> at) & mask;
    const k = (kept >>> at) & mask;
    const state = t > 0 ? topState : k > 0 ? Cell.stored : Cell.evicted;
    const count = t > 0 ? t : k > 0 ? k : all;
    const density = count === all ? 3 : Math.floor((3 * count) / all);
    out.data[row * width + x] = state * DENSITIES + density;
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

/** The state of one position, not binned. */
export function cellAt(view: CacheView, mode: Mode, layer: number, head: number, position: number): CellState {
  const kv = mode === 'reads' ? view.kvRow(layer, head) - layer * view.shape.kvHeads : head;
  if (mode === 'reads' && view.isRead(layer, head, position)) return Cell.read;
  if (mode === 'storage' && view.isDropped(layer, kv, position)) return Cell.dropped;
  if (view.isStored(layer, kv, position)) return Cell.stored;
  return view.isEvicted(layer, kv, position) ? Cell.evicted : Cell.empty;
}
