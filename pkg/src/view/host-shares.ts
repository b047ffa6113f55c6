/** How much of the newest query's attention each of several hosts found: a stacked bar for every layer, and their mean. */
import type { Facts } from '../trace/facts.js';
import { paintGrid, translucent } from './grid.js';

/** Of the hosts, in turn: Okabe and Ito's. A gap stands between two of them, for hue alone would not do. */
export const HOST_COLOURS: readonly (readonly [number, number, number])[] = [
  [0, 114, 178],
  [230, 159, 0],
  [0, 158, 115],
  [204, 121, 167],
  [86, 180, 233],
  [213, 94, 0],
];
/** Pixels of a bar. */
const WIDTH = 160;

/** Mean over the layers, host by host; none before they exchanged anything. */
export function hostShares({ shares, hosts }: Facts): number[] {
  if (!shares || hosts === 0) return [];
  const layers = shares.length / hosts;
  return Array.from({ length: hosts }, (_, host) => {
    let sum = 0;
    for (let at = host; at < shares.length; at += hosts) sum += shares[at];
    return sum / layers;
  });
}

/** `[layers, width]` pixels. Of a bar that hosts did not fill, the rest is clear. */
export function fillHostShares({ shares, hosts }: Facts, width: number, out: Uint32Array): void {
  out.fill(0);
  if (!shares || hosts === 0) return;
  for (let layer = 0; layer * hosts < shares.length; layer++) {
    let from = 0;
    for (let host = 0, sum = 0; host < hosts; host++) {
      sum += shares[layer * hosts + host];
      const to = Math.min(width, Math.round(sum * width));
      const colour = translucent(HOST_COLOURS[host % HOST_COLOURS.length], 1);
      for (let x = from; x < to; x++) if (x > from || from === 0) out[layer * width + x] = colour;
      from = Math.max(from, to);
    }
  }
}

export function drawHostShares(canvas: HTMLCanvasElement, facts: Facts): void {
  const layers = facts.shares && facts.hosts > 0 ? Math.ceil(facts.shares.length / facts.hosts) : 0;
  paintGrid(canvas, WIDTH, layers, (out) => fillHostShares(facts, WIDTH, out));
}
