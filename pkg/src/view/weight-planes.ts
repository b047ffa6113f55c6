/** Weights as sets of positions, one for each step of the scale, so that a map of them is drawn as all maps are. */
import type { CacheView } from '../trace/cache-view.js';
import { weightCode } from '../trace/weights.js';
import { WEIGHT_STEPS } from './states.js';

const CODES = WEIGHT_STEPS.map(weightCode);

/** Words of the set of a step. A row is made when it is first asked for, in the place of the one before. */
export function weightPlanes({ weights, words }: CacheView) {
  let planes: Uint32Array[] = [];
  let made = -1;
  const make = (row: number) => {
    made = row;
    if (planes.length === 0) planes = CODES.map(() => new Uint32Array(words));
    else for (const plane of planes) plane.fill(0);
    weights.each(row, (position, code) => {
      const step = CODES.findLastIndex((least) => code >= least);
      if (step >= 0) planes[step][position >>> 5] |= 1 << (position & 31);
    });
  };
  return (step: number) => (row: number, _: number, word: number) => {
    if (row !== made) make(row);
    return word < words ? planes[step][word] : 0;
  };
}
