/** How much of the prompt each head computed, as a grid: layers down, heads across. */
import type { Shape } from '../trace/cache-view.js';
import type { Density } from '../trace/facts.js';
import { paintGrid } from './grid.js';
import { CIVIDIS } from './palette.js';

/** `[layers, queryHeads]` pixels; heads without a block map are clear. */
export function fillBlockGrid(densities: readonly Density[], { layers, queryHeads }: Shape, out: Uint32Array): void {
  out.fill(0);
  for (const { layer, head, share } of densities) {
    if (layer < layers && head < queryHeads) out[layer * queryHeads + head] = CIVIDIS[Math.round(255 * share)];
  }
}

/** Paints the grid, one head a pixel; the style sheet scales it. */
export function drawBlockGrid(canvas: HTMLCanvasElement, densities: readonly Density[], shape: Shape): void {
  paintGrid(canvas, shape.queryHeads, shape.layers, (out) => fillBlockGrid(densities, shape, out));
}
