import { countBits } from '../bits.js';
import type { CacheView } from '../trace/cache-view.js';
import { count, percent, plural } from './format.js';

/** What the trace says about the newest pass, in numbers. */
export interface Summary {
  /** Positions of text so far. */
  length: number;
  layers: number;
  /** Rows read by the newest query over the positions there are, mean over layers and query heads. */
  readShare: number;
  /** Rows read by the newest query, mean over layers and query heads. */
  readRows: number;
  /** Rows stored, mean over layers and KV heads. */
  keptRows: number;
  /** Layers in which every head reads every position. */
  denseLayers: number;
  /** Layers that dropped something since the beginning. */
  evictingLayers: number;
  /** Rows dropped since the beginning, over all layers and KV heads. */
  evictedRows: number;
  /** Rows in the cache that are in 4-bit planes, in the far tier, and that others were added to. */
  quantisedRows: number;
  parkedRows: number;
  mergedRows: number;
}

export function summarise(view: CacheView): Summary | null {
  const { layers, queryHeads, kvHeads } = view.shape;
  const length = view.length;
  if (length === 0) return null;
  let read = 0;
  let stored = 0;
  let evictedRows = 0;
  let denseLayers = 0;
  let evictingLayers = 0;
  for (let layer = 0; layer < layers; layer++) {
    let dense = true;
    for (let head = 0; head < queryHeads; head++) {
      const n = view.readCount(layer, head);
      read += n;
      if (n < length) dense = false;
    }
    let gone = 0;
    for (let head = 0; head < kvHeads; head++) {
      stored += view.storedRows[layer * kvHeads + head];
      gone += view.evictedRows[layer * kvHeads + head];
    }
    if (dense) denseLayers++;
    if (gone > 0) evictingLayers++;
    evictedRows += gone;
  }
  const readRows = read / (layers * queryHeads);
  return {
    length,
    layers,
    readShare: readRows / length,
    readRows,
    keptRows: stored / (layers * kvHeads),
    denseLayers,
    evictingLayers,
    evictedRows,
    quantisedRows: countBits(view.quantised, 0, view.quantised.length),
    parkedRows: countBits(view.parked, 0, view.parked.length),
    mergedRows: countBits(view.merged, 0, view.merged.length),
  };
}

/** One line for a panel. It names no method: it says what the records say. */
export function verdict(s: Summary | null): string {
  if (!s) return 'Nothing has run yet.';
  return [reads(s), keeps(s), ...changes(s)].join(' ');
}

function changes({ quantisedRows, parkedRows, mergedRows }: Summary): string[] {
  return [
    quantisedRows > 0 && `${plural(quantisedRows, 'row')} in 4-bit planes.`,
    parkedRows > 0 && `${plural(parkedRows, 'row')} in the far tier.`,
    mergedRows > 0 && `Others were merged into ${plural(mergedRows, 'row')}.`,
  ].filter((line) => line !== false);
}

function reads(s: Summary): string {
  if (s.denseLayers === s.layers) return `Reads all ${count(s.length)} positions in every head.`;
  const share = `Reads ${percent(s.readShare)} of ${plural(s.length, 'position')}`;
  if (s.denseLayers === 0) return `${share}, ${count(s.readRows)} a head.`;
  const rest = s.layers - s.denseLayers;
  return `${share}: ${plural(s.denseLayers, 'layer')} read everything, ${count(rest)} a selection.`;
}

function keeps(s: Summary): string {
  if (s.evictedRows === 0) return 'Keeps everything.';
  const where =
    s.evictingLayers === s.layers ? `all ${count(s.layers)} layers` : `${s.evictingLayers} of ${s.layers} layers`;
  return `Keeps ${percent(s.keptRows / s.length)}: ${plural(s.evictedRows, 'row')} dropped in ${where}.`;
}
