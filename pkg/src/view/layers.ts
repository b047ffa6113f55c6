/** What the layers do for each other: some read everything and choose, others read what was chosen for them. */
import { countBits, popcount } from '../bits.js';
import type { CacheView } from '../trace/cache-view.js';

/**
 * `all`: every head reads all that it stores. `chooses`: the same, and the layers after it read one choice of it.
 * `reuses`: reads what the layer before it reads. `own`: reads a choice of its own.
 */
export type LayerRole = 'all' | 'chooses' | 'reuses' | 'own';

/** By layer, in the newest pass. Layers between two that read everything reuse a choice if all of them read the same. */
export function rolesOf(view: CacheView): LayerRole[] {
  const { layers } = view.shape;
  const roles = Array.from({ length: layers }, (_, layer): LayerRole => (readsAll(view, layer) ? 'all' : 'own'));
  for (let from = 0; from < layers; from++) {
    if (roles[from] !== 'own') continue;
    let to = from + 1;
    while (to < layers && roles[to] === 'own') to++;
    const same = Array.from({ length: to - from - 1 }, (_, i) => readsSame(view, from, from + 1 + i)).every(Boolean);
    if (from > 0 && same) {
      roles[from - 1] = 'chooses';
      roles.fill('reuses', from, to);
    }
    from = to - 1;
  }
  return roles;
}

/** Share of what chosen reads have that the same heads did not read in the pass before; null without such a pass. */
export function churnOf({ words, read, before }: CacheView): number | null {
  let now = 0;
  let fresh = 0;
  for (let at = 0; at < read.length; at += words) {
    if (countBits(before, at, words) === 0) continue;
    for (let w = at; w < at + words; w++) {
      const bits = read[w];
      if (bits === 0) continue;
      now += popcount(bits);
      fresh += popcount(bits & ~before[w]);
    }
  }
  return now === 0 ? null : fresh / now;
}

function readsAll(view: CacheView, layer: number): boolean {
  const { queryHeads } = view.shape;
  for (let head = 0; head < queryHeads; head++) {
    if (view.readCount(layer, head) < view.storedRows[view.kvRow(layer, head)]) return false;
  }
  return true;
}

function readsSame({ shape, words, read }: CacheView, one: number, other: number): boolean {
  const size = shape.queryHeads * words;
  for (let w = 0; w < size; w++) if (read[one * size + w] !== read[other * size + w]) return false;
  return true;
}
